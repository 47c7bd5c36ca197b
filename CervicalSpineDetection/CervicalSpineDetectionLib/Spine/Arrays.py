"""What arrays are called in types; docstrings tell their shape, unit and frame."""

from typing import Any, TypeAlias

from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]
