"""Linear interpolation of a CT whose axes are the patient's, one axis after the other.

Each voxel of the result is a product of three interpolations then, so that most of the arithmetic is done on far fewer
voxels than the result holds; SimpleITK computes every voxel from its eight neighbours.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import SimpleITK as sitk

from CervicalSpineDetectionLib.Imaging.AveragedImage import AveragedImage, AveragedPlanes
from CervicalSpineDetectionLib.Spine.Arrays import Array

# Direction cosines this near to 0 and 1 move no voxel by a thousandth of a mm.
AXIS_ROUNDING = 1e-6
SAGITTAL_ORDER = (0, 2, 1)  # x, z, y: slices, rows, columns


def axesOf(image: sitk.Image) -> tuple[Array, Array] | None:
    """Which of the image's axes runs along which of the patient's.

    :return: (indices of the image's axes along x, y and z, shape (3,); their directions, 1 or -1, shape (3,)), or None
        where they run across.
    """
    direction = np.reshape(image.GetDirection(), (3, 3))
    axes = np.abs(direction).argmax(axis=1)
    signs = np.sign(direction[np.arange(3), axes])
    exact = np.zeros((3, 3))
    exact[np.arange(3), axes] = signs
    return (axes, signs) if np.abs(direction - exact).max() < AXIS_ROUNDING else None


@dataclass(frozen=True)
class _Step:
    """Interpolation along one axis.

    :param seen: the part of the axis that is looked at.
    :param low, high: neighbours of each position, counted from there. :param share: of the higher one, float32.
    :param inside: of each position, whether it lies in the image.
    """

    seen: slice
    low: Array
    high: Array
    share: Array
    inside: Array

    @classmethod
    def to(cls, index: Array, size: int) -> _Step:
        """:param index: continuous indices of the positions, shape (n,). :param size: voxels of the axis."""
        # The edges of SimpleITK.
        inside = (index >= -0.5) & (index < size - 0.5)
        index = index.clip(0, size - 1)
        first, last = int(index.min()), int(np.ceil(index.max()))
        low = np.minimum(index.astype(int), max(last - 1, first))
        return cls(slice(first, last + 1), low - first, np.minimum(low + 1, last) - first,
                   (index - low).astype(np.float32), inside)

    @property
    def growth(self) -> float:
        """How many voxels come of one."""
        return float(len(self.low) / (self.seen.stop - self.seen.start))

    def sparse(self) -> tuple[Array, _Step]:
        """:return: (those voxels of the axis that are neighbours of a position, the same step from them alone)."""
        needed = np.unique(np.concatenate([self.low, self.high]))
        low, high = np.searchsorted(needed, self.low), np.searchsorted(needed, self.high)
        return needed, replace(self, seen=slice(0, len(needed)), low=low, high=high)

    def along(self, values: Array, axis: int, out: Array | None = None) -> Array:
        """:param out: for the result of a slice; None for a new array. :return: float32."""
        if values.ndim == 3:
            return self._bySlices(values, axis)
        # What lies across in memory is copied by ``take`` before it is looked at.
        first, beyond = (values[index] if axis == 0 else values.take(index, axis) for index in (self.low, self.high))
        result = np.subtract(beyond, first, out=out, dtype=np.float32)
        result *= self.share.reshape([-1 if other == axis else 1 for other in range(values.ndim)])
        result += first
        return np.asarray(result)

    def _bySlices(self, values: Array, axis: int) -> Array:
        """The same of a volume, slice by slice, in the processor's cache."""
        values = values.astype(np.float32, copy=False)
        shape = list(values.shape)
        shape[axis] = len(self.low)
        result = np.empty(shape, np.float32)
        if axis:
            for target, own in zip(result, values, strict=True):
                if axis == 2 and self.growth > 1:
                    # A few columns, turned into rows, are fetched in half the time.
                    target[:] = self.along(np.ascontiguousarray(own.T), 0).T
                else:
                    self.along(own, axis - 1, out=target)
            return result
        for target, low, high, share in zip(result, self.low, self.high, self.share, strict=True):
            np.subtract(values[high], values[low], out=target)
            target *= share
            target += values[low]
        return result


def interpolated(image: AveragedImage, axes: tuple[Array, Array], positions: tuple[Array, Array, Array],
                 default: float) -> Array:
    """Voxels at all combinations of positions.

    :param image: of which voxels are taken.
    :param axes: see ``axesOf``.
    :param positions: LPS mm along x, y and z, each shape (n,).
    :param default: for what lies outside of the image.
    :return: float32, shape (x, z, y).
    """
    # Arrays of images have the first axis last.
    places = [2 - int(axis) for axis in axes[0]]
    steps = {}
    for axis, place in enumerate(places):
        index = (positions[axis] - image.origin[axis]) * axes[1][axis] / image.spacing[axes[0][axis]]
        steps[place] = _Step.to(index, image.size[2 - place])
    planes = image.planes([steps[place].seen for place in range(3)])
    # Fine slices are thinned out one by one, as they lie in memory; what grows, grows last.
    thinned = sorted((place for place in (1, 2) if steps[place].growth < 1), key=lambda place: steps[place].growth)
    order = [places[axis] for axis in SAGITTAL_ORDER]
    if thinned:
        needed, steps[0] = steps[0].sparse()
        values = _thinned(planes, needed, steps, thinned, order)
    else:
        values = np.ascontiguousarray(planes.all().transpose(order))
    left = [axis for axis in range(3) if order[axis] not in thinned]
    for axis in sorted(left, key=lambda axis: (steps[order[axis]].growth, -axis)):
        values = steps[order[axis]].along(values, axis)
    for axis, place in enumerate(order):
        outside = ~steps[place].inside
        if outside.any():
            values[(slice(None),) * axis + (outside,)] = default
    return values


def _thinned(planes: AveragedPlanes, needed: Array, steps: dict[int, _Step], places: list[int],
             order: list[int]) -> Array:
    """Some of the slices, interpolated along some of their axes.

    :param needed: their indices. :param places: the axes, that to be thinned most first.
    :param order: of the axes of the result.
    """
    sizes = [len(needed), *(len(steps[place].low) if place in places else planes.shape[place] for place in (1, 2))]
    result = np.empty([sizes[place] for place in order], np.float32)
    turn = [place - 1 for place in order if place]
    slices = np.moveaxis(result, order.index(0), 0)
    for number, index in enumerate(needed):
        plane = planes[index]
        for place in places:
            # Whole rows, or columns that become rows, are fetched faster than parts of each row.
            if place == 1 and not plane.T.flags.c_contiguous:
                plane = steps[place].along(plane, 0)
            else:
                plane = steps[place].along(plane.T, 2 - place).T
        # Turning all of the result at once takes longer.
        slices[number] = plane.transpose(turn)
    return result
