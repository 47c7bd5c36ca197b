"""What arrays are called in types; docstrings tell their shape, unit and frame."""

from collections.abc import Sequence
from typing import Any, TypeAlias

from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]
Point: TypeAlias = Array | Sequence[float]  # shape (3,)
