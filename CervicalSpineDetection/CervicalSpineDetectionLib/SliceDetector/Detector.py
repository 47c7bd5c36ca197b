"""What the pipeline asks of a 2D detector; YOLO is one, an oracle in the tests is another."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from CervicalSpineDetectionLib.Spine.Arrays import Array
from CervicalSpineDetectionLib.Spine.Levels import LEVELS

# What the network is trained for, in this order: the levels, any vertebra below them, and a vertebral body of no
# particular level.
BELOW = "below"
CLASS_NAMES = (*LEVELS, BELOW, "body")
BELOW_CLASS, BODY_CLASS = CLASS_NAMES.index(BELOW), CLASS_NAMES.index("body")
# From here on a box is a clear sighting (tuned on the development set).
CLEAR_SCORE = 0.3
ProgressCallback = Callable[[str, int, int], None]


@dataclass(frozen=True)
class SliceDetections:
    """Boxes of one slice, in pixel edges (firstColumn, firstRow, lastColumn, lastRow).

    :param boxes: shape (n, 4), whole vertebrae.
    :param scores: shape (n, levels + 1), how much each box looks like each of ``Levels.LEVELS`` and, last, like a
        vertebra below them, each 0 to 1.
    :param bodyBoxes: shape (m, 4), vertebral bodies of C2 and below, of no particular level.
    :param bodyScores: shape (m,), 0 to 1.
    """

    boxes: Array
    scores: Array
    bodyBoxes: Array
    bodyScores: Array


class SliceDetector(Protocol):
    """Finds vertebrae in sagittal slices of a given pixel size and HU window.

    ``model`` holds "name" and "sha256" for the result file. One that looks at its boxes once more, for their edges, has
    a ``secondLook``, and for the vertebrae's sides a ``coronalLook``, see ``SecondLook.SecondLook``.
    """

    pixelSize: float
    sliceSpacing: float
    window: tuple[float, float]
    model: dict[str, Any]

    def detect(self, slices: Array, progress: ProgressCallback | None = None) -> list[SliceDetections]:
        """:param slices: uint8, shape (n, 3, rows, columns), as ``SagittalVolume.withNeighbours`` makes them."""
        ...


def classIndices(names: Iterable[str]) -> list[int]:
    """Where the classes of some weights stand in ``CLASS_NAMES``.

    :param names: classes in the weights' order, with or without ``BELOW``: the first weights had no such class.
    :return: list of indices.
    :raises ValueError: other classes.
    """
    names = tuple(names)
    if names not in (CLASS_NAMES, tuple(name for name in CLASS_NAMES if name != BELOW)):
        raise ValueError(f"other classes than {', '.join(CLASS_NAMES)}")
    return [CLASS_NAMES.index(name) for name in names]
