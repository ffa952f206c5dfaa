"""The types of arrays, under one name each."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]  # of weights, gradients or states, float32 or float64
Ids = npt.NDArray[np.int32]  # of symbols
Floats = npt.NDArray[np.float64]  # losses, factors of the learning rate, uniform numbers
