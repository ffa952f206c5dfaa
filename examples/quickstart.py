"""Train on a text, watch it learn, write more of it, keep the model.

    python examples/quickstart.py [TEXT]

TEXT is a UTF-8 file; without it the English that comes with every Python is read. Takes some ten seconds.
"""

import sys
from pathlib import Path

from pycharrnn import CharRNN, SampleText, datasets


def main() -> None:
    text = Path(sys.argv[1]) if len(sys.argv) > 1 else datasets.load("topics")
    model = CharRNN(epochs=4, random_state=0)
    model.fit(text, callbacks=[SampleText(every=20_000, length=120)])
    print(f"{model.history_}; the best model is that of update {model.best_.n_updates}\n")
    for temperature in (0.3, 0.7, 1.0):
        print(f"--- temperature {temperature}\n{model.sample(160, prompt='The ', temperature=temperature)}\n")
    model.save("quickstart.safetensors")
    print("Written: quickstart.safetensors; read it with CharRNN.load")


if __name__ == "__main__":
    main()
