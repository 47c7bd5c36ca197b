"""What the fusion asks of a second look at boxes, which finds where their edges lie exactly."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np

from CervicalSpineDetectionLib.Imaging.SagittalVolume import FineSlices
from CervicalSpineDetectionLib.Spine.Arrays import Array

# A crop that is wider than its box needs, as a high one's is, shows more; beyond this its pixels go on.
SHOWN_AROUND_MM = 18.0


@dataclass(frozen=True)
class AskedBoxes:
    """Boxes of some slices of a SagittalVolume, (front, top, back, bottom) in mm, see ``Fusion.SliceBoxes``.

    :param indices: shape (n,), each box's slice.
    :param boxes: shape (n, 4).
    :param isBody: shape (n,), bool; else of a whole vertebra.
    :param chosen: shape (m,), rows of those that are asked for; the others stand beside them.
    """

    indices: Array
    boxes: Array
    isBody: Array
    chosen: Array


@dataclass(frozen=True)
class SharpBoxes:
    """The boxes that were asked for.

    :param boxes: shape (m, 4), with their edges moved.
    :param own: bool, shape (m, rows, columns), which pixels around a box are its vertebra's.
    :param corners: shape (m, 2), column and row of the middles of the first of these pixels, mm as in the boxes.
    :param pixels: shape (m,), mm from one to the next.
    """

    boxes: Array
    own: Array
    corners: Array
    pixels: Array

    def part(self, rows: slice) -> SharpBoxes:
        """Some of them."""
        return SharpBoxes(self.boxes[rows], self.own[rows], self.corners[rows], self.pixels[rows])

    @property
    def areas(self) -> Array:
        """How much of its vertebra the slice of each box shows, mm2, shape (m,)."""
        return np.asarray(self.own.sum(axis=(1, 2)) * self.pixels**2)


Sharpener: TypeAlias = Callable[[AskedBoxes], SharpBoxes]


class SecondLook(Protocol):
    def pixelFor(self, spacing: Sequence[float]) -> float:
        """Of the slices it wants to be shown, mm. :param spacing: of the CT's voxels, mm."""
        ...

    def sharpened(self, slices: FineSlices, asked: AskedBoxes) -> SharpBoxes:
        """:param slices: that show the boxes which are asked for."""
        ...
