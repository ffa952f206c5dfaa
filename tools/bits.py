"""Print digests of what short trainings come to: equal wherever the processor has fused multiply-add.

The first line names the machine; each other line has a cell, its precision, and the SHA-256 of its weights after a
hundred updates and of a text that it writes.
"""

import hashlib
import itertools
import platform

from pycharrnn import CharRNN, _kernels, datasets
from pycharrnn.network.cells import CELLS
from pycharrnn.network.precision import PRECISIONS

OPTIONS = {
    "hidden_size": 48,
    "num_layers": 2,
    "embedding_size": 12,
    "batch_size": 4,
    "dropout": 0.2,
    "label_smoothing": 0.05,
    "optimizer": "adam",
    "weight_decay": 0.01,
    "clip_norm": 5.0,
    "schedule": "cosine",
}


def digest(data: bytes) -> str:
    """Return the first 16 hexadecimal digits of the SHA-256 of some bytes."""
    return hashlib.sha256(data).hexdigest()[:16]


def main() -> None:
    """Train each cell in each precision for a hundred updates, and print the digests."""
    print(platform.machine(), _kernels.simd_selected())
    text = datasets.load("tinyshakespeare")[:40_000]
    for cell, dtype in itertools.product(CELLS, PRECISIONS):
        model = CharRNN(cell, dtype=dtype, epochs=None, max_updates=100, random_state=7, **OPTIONS).fit(text)
        weights = b"".join(array.tobytes() for array in model.params_.values())
        print(cell, dtype, digest(weights), digest(model.sample(200, random_state=1).encode()))


if __name__ == "__main__":
    main()
