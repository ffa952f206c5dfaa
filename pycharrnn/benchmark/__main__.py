"""``python -m pycharrnn.benchmark``: the same as ``pycharrnn bench``."""

import sys

from pycharrnn.cli import main

if __name__ == "__main__":
    sys.exit(main(["bench", *sys.argv[1:]]))
