"""The canonical sagittal grid: a CT's voxels along the patient's axes, parts of it with finer pixels, and its slices
as 8-bit pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from CervicalSpineDetectionLib.Spine.Arrays import Array

VOID_HU = -1020  # below any real air: outside of the reconstruction, or masked


@dataclass(frozen=True)
class SagittalVolume:
    """CT on sagittal slices along the patient axes.

    :param voxels: float32 HU, shape (slices, rows, columns); slices run to the patient's left (+x), rows run down
        (-z), columns run back (+y), so that a slice looks as radiologists show it: anterior left, superior up.
    :param inside: bool, same shape: True where the CT has data.
    :param origin: shape (3,), LPS mm of the centre of voxel [0, 0, 0].
    :param pixelSize: mm, of rows and columns.
    :param sliceSpacing: mm between slices.
    """

    voxels: Array
    inside: Array
    origin: Array
    pixelSize: float
    sliceSpacing: float

    @property
    def spacing(self) -> Array:
        """mm between slices, rows, columns, shape (3,)."""
        return np.array([self.sliceSpacing, self.pixelSize, self.pixelSize])

    def toLps(self, points: Array) -> Array:
        """Continuous (slice, row, column) indices, shape (..., 3), to LPS mm, shape (..., 3)."""
        return self.offsetToLps(np.asarray(points, float) * self.spacing)

    def offsetToLps(self, offsets: Array) -> Array:
        """mm across slices, rows and columns from the centre of voxel [0, 0, 0], shape (..., 3), to LPS mm."""
        return np.asarray(self.origin + np.stack([offsets[..., 0], offsets[..., 2], -offsets[..., 1]], axis=-1))

    def fromLps(self, points: Array) -> Array:
        """LPS mm, shape (..., 3), to continuous (slice, row, column) indices, shape (..., 3)."""
        offset = np.asarray(points, float) - self.origin
        return np.stack([offset[..., 0], -offset[..., 2], offset[..., 1]], axis=-1) / self.spacing


def emptyGrid(shape: Sequence[int] | Array, origin: Array, pixelSize: float, sliceSpacing: float) -> SagittalVolume:
    """A grid alone, to be asked where it lies: its voxels are 0, in no memory, and outside of the CT.

    :param shape: of its voxels. :param origin, pixelSize, sliceSpacing: see ``SagittalVolume``.
    """
    size = tuple(int(count) for count in shape)
    return SagittalVolume(np.broadcast_to(np.float32(0), size), np.broadcast_to(np.False_, size), origin, pixelSize,
                          sliceSpacing)


@dataclass(frozen=True)
class FineSlices:
    """Some neighbouring slices of a SagittalVolume, around some boxes in them.

    :param voxels: float32 HU, shape (slices, rows, columns).
    :param first: index of the first of them among the volume's slices.
    :param corner: shape (2,), column and row of the middle of the first pixel, mm from that of the volume's first.
    :param pixelSize: mm.
    """

    voxels: Array
    first: int
    corner: Array
    pixelSize: float


def windowed(volume: SagittalVolume, window: tuple[float, float]) -> Array:
    """Clip HU to a window.

    :param window: (lower, upper) HU, mapped to 0 and 255.
    :return: uint8, shape (slices, rows, columns).
    """
    lower, upper = window
    pictures = np.empty(volume.voxels.shape, np.uint8)
    # One after the other, which stay in the processor's cache.
    for picture, voxels in zip(pictures, volume.voxels, strict=True):
        scaled = voxels - lower
        scaled *= 255.0 / (upper - lower)
        picture[:] = np.clip(scaled, 0, 255, out=scaled)
    return pictures


def withNeighbours(pictures: Array) -> Array:
    """2.5D: each slice with its two neighbours as channels, so that a 2D network sees depth.

    :param pictures: shape (slices, rows, columns).
    :return: shape (slices, 3, rows, columns): previous, own, next slice; the outermost slices repeat themselves. A view
        that can't be written to, as it holds each slice once in memory.
    """
    padded = np.concatenate([pictures[:1], pictures, pictures[-1:]])
    return np.moveaxis(sliding_window_view(padded, 3, axis=0), 3, 1)
