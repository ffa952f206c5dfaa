"""``python -m pycharrnn``: the command line."""

import sys

from pycharrnn.cli import main

if __name__ == "__main__":
    sys.exit(main())
