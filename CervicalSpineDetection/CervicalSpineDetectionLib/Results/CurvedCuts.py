"""Sagittal and coronal cuts through a CT that follow the curve of the bodies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from CervicalSpineDetectionLib.Imaging.Resampling import OUTSIDE_HU
from CervicalSpineDetectionLib.Spine.Arrays import Array
from CervicalSpineDetectionLib.Spine.Vertebra import Vertebra

# HU shown from black to white: soft tissue can still be told apart, cortical bone is not yet white.
WINDOW = (-250.0, 1100.0)
MARGIN_MM = 22
# So that a single vertebra is still seen with its surroundings.
SMALLEST_SPAN_MM = 120
# Pixels of the picture in one sample of the CT: finer than most CTs, and a quarter of the time.
SAMPLE_PIXELS = 2
# Behind the bodies' centres lie the transverse processes: the brightest of these depths shows both.
CORONAL_DEPTHS_MM = (-3.0, 0.0, 3.0, 6.0, 9.0)


@dataclass(frozen=True)
class Cut:
    """A cut seen along one of the patient's axes: distances in it are true across and up.

    :param grey: uint8, shape (rows, columns).
    :param axis: LPS axis that runs to the right: 1 in the sagittal cut, 0 in the coronal one.
    :param corner: LPS mm of the picture's upper left corner along ``axis`` and the third axis.
    :param pixel: mm per pixel of the picture (not of ``grey``, which is coarser).
    """

    grey: Array
    title: str
    axis: int
    corner: tuple[float, float]
    pixel: float

    def toPixels(self, point: Array) -> Array:
        """Column and row, from the picture's upper left corner, of a point in LPS mm."""
        return np.array([point[self.axis] - self.corner[0], self.corner[1] - point[2]]) / self.pixel


def shownBounds(image: sitk.Image, vertebrae: Sequence[Vertebra]) -> Array:
    """What the cuts show: the boxes with a margin where the CT goes on, or all of the CT. LPS mm, shape (2, 3)."""
    size = np.array(image.GetSize(), float)
    ends = np.array(np.meshgrid(*[(-0.5, n - 0.5) for n in size], indexing="ij")).reshape(3, 8).T
    corners = np.array([image.TransformContinuousIndexToPhysicalPoint(end.tolist()) for end in ends])
    volume = np.array([corners.min(axis=0), corners.max(axis=0)])
    if not vertebrae:
        return volume
    lower = np.min([vertebra.bounds.minimum for vertebra in vertebrae], axis=0)
    upper = np.max([vertebra.bounds.maximum for vertebra in vertebrae], axis=0)
    margin = np.maximum(MARGIN_MM, (SMALLEST_SPAN_MM - (upper - lower)) / 2)
    return np.array([np.maximum(lower - margin, np.minimum(volume[0], lower)),
                     np.minimum(upper + margin, np.maximum(volume[1], upper))])


def pixelSizeFor(shown: Array, viewSize: tuple[int, int]) -> float:
    """mm per pixel at which what is shown fits into both views. :param viewSize: width and height in pixels."""
    across, deep, high = shown[1] - shown[0]
    return float(max(high / viewSize[1], across / viewSize[0], deep / viewSize[0]))


def curvedCuts(image: sitk.Image, vertebrae: Sequence[Vertebra], shown: Array, viewSize: tuple[int, int],
               pixel: float) -> list[Cut]:
    """Sagittal and coronal cut through the bodies' centres; straight through the middle where there are none.

    :param image: CT in HU, in any orientation.
    :param shown: see ``shownBounds``; the views' middle is its middle.
    """
    middle = shown.mean(axis=0)
    bodies = sorted((vertebra.centre for vertebra in vertebrae), key=lambda centre: float(centre[2])) or [middle]
    path = np.array(bodies)
    step = pixel * SAMPLE_PIXELS
    columns, rows = viewSize[0] // SAMPLE_PIXELS, viewSize[1] // SAMPLE_PIXELS
    top = middle[2] + viewSize[1] * pixel / 2
    heights = top - (np.arange(rows) + 0.5) * step
    curve = [np.interp(heights, path[:, 2], path[:, axis]) for axis in (0, 1)]
    cuts = []
    for title, axis, depths in (("Sagittal, through the bodies", 1, (0.0,)),
                                ("Coronal, through the bodies", 0, CORONAL_DEPTHS_MM)):
        start = middle[axis] - viewSize[0] * pixel / 2
        across = np.zeros((columns, 3))
        across[:, axis] = start + (np.arange(columns) + 0.5) * step
        along = np.zeros((rows, 3))
        along[:, 2] = heights
        slabs = []
        for depth in depths:
            along[:, 1 - axis] = curve[1 - axis] + depth
            slabs.append(_sample(image, along, across))
        cuts.append(Cut(_grey(np.max(slabs, axis=0)), title, axis, (float(start), float(top)), pixel))
    return cuts


def _grey(hu: Array) -> Array:
    lower, upper = WINDOW
    return np.asarray(np.clip((hu - lower) * (255 / (upper - lower)), 0, 255).astype(np.uint8))


def _sample(image: sitk.Image, along: Array, across: Array) -> Array:
    """HU, linearly interpolated, ``OUTSIDE_HU`` outside of the CT; float32, shape (n, m).

    :param along, across: shapes (n, 3) and (m, 3), whose sums are the points, LPS mm.
    """
    toIndex = np.linalg.inv(np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing())
    # The last axis of the voxels first. To 0.0001 of a voxel, in half the time of double precision.
    rows, columns = (toIndex[::-1] @ part.T for part in (along - image.GetOrigin(), across))
    index = rows.astype(np.float32)[..., None] + columns.astype(np.float32)[:, None]
    voxels = sitk.GetArrayViewFromImage(image)
    last = np.reshape(voxels.shape, (3, 1, 1)).astype(np.float32) - 1
    # The outermost voxels reach half a voxel beyond their centres.
    inside = ((index > -0.5) & (index < last + np.float32(0.5))).all(axis=0)
    np.clip(index, 0, last, out=index)
    lower = np.minimum(index, np.maximum(last - 1, 0)).astype(np.int32)
    shares = np.subtract(index, lower, dtype=np.float32)
    # The eight voxels around each point, counted through the whole CT: fetched faster than by three indices. Along an
    # axis of a single voxel there is no next one.
    steps = np.array([voxels[0].size, voxels.shape[2], 1])
    place = lower[0] * steps[0] + lower[1] * steps[1] + lower[2]
    corners = np.array(list(np.ndindex(2, 2, 2))) @ (steps * (np.array(voxels.shape) > 1))
    # Not by scipy, whose import takes longer than all of a preview.
    # Differences of whole numbers would leave their range.
    hu = [voxels.reshape(-1).take(place + corner).astype(np.float32) for corner in corners]
    for share in shares:
        half = len(hu) // 2
        hu = [low + (high - low) * share for low, high in zip(hu[:half], hu[half:], strict=True)]
    return np.where(inside, hu[0], np.float32(OUTSIDE_HU))
