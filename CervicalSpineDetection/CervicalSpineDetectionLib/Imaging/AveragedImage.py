"""A CT whose fine voxels are averaged down towards a pixel size, so that they keep no aliased noise.

Computed only where it is looked at: all of a long CT would take longer than the rest of its resampling.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import SimpleITK as sitk

from CervicalSpineDetectionLib.Spine.Arrays import Array

ROUNDING = 1e-3  # spacings that should fit are stated to so many pixels


@dataclass(frozen=True)
class AveragedImage:
    """The image that ``sitk.BinShrink`` gives.

    :param image: 3D scalar sitk image.
    :param factors: shape (3,), how many of its voxels along each axis are one.
    """

    image: sitk.Image
    factors: tuple[int, ...] = (1, 1, 1)

    @classmethod
    def towards(cls, image: sitk.Image, pixelSize: float) -> AveragedImage:
        """Of as many voxels as fit into a pixel. :param pixelSize: mm."""
        factors = (max(1, int(pixelSize / spacing + ROUNDING)) for spacing in image.GetSpacing())
        return cls(image, tuple(min(factor, size) for factor, size in zip(factors, image.GetSize(), strict=True)))

    @property
    def size(self) -> Array:
        """Voxels along each axis, shape (3,)."""
        return np.asarray(np.array(self.image.GetSize()) // self.factors)

    @property
    def spacing(self) -> Array:
        """mm, shape (3,)."""
        return np.array(self.image.GetSpacing()) * self.factors

    @property
    def origin(self) -> Array:
        """LPS mm of the first voxel's middle, shape (3,)."""
        return self._place(np.zeros(3))

    @property
    def corners(self) -> Array:
        """LPS mm of the outer corners of the outermost voxels, shape (8, 3)."""
        return np.array([self._place(np.where(bits, self.size - 0.5, -0.5)) for bits in np.ndindex(2, 2, 2)])

    def _place(self, index: Array) -> Array:
        """LPS mm. :param index: shape (3,), continuous."""
        own = (index + 0.5) * self.factors - 0.5
        return np.array(self.image.TransformContinuousIndexToPhysicalPoint(own.tolist()))

    @cached_property
    def whole(self) -> sitk.Image:
        """All of it, in the image's own type: whole HU do, and a copy of the whole CT in floating point would take the
        longest of all."""
        return self.image if max(self.factors) == 1 else sitk.BinShrink(self.image, self.factors)

    def planes(self, seen: Sequence[slice]) -> AveragedPlanes:
        """:param seen: the part that is looked at, as indices of slices, rows and columns."""
        factors = self.factors[::-1]
        part = tuple(slice(own.start * factor, own.stop * factor) for own, factor in zip(seen, factors, strict=True))
        return AveragedPlanes(sitk.GetArrayViewFromImage(self.image)[part], factors)


@dataclass(frozen=True)
class AveragedPlanes:
    """The slices of a part of an ``AveragedImage``, each computed when it is asked for.

    :param voxels: of the image, shape (slices, rows, columns), multiples of the factors.
    :param factors: shape (3,), how many of them along each axis are one.
    """

    voxels: Array
    factors: tuple[int, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Slices, rows and columns."""
        return tuple(size // factor for size, factor in zip(self.voxels.shape, self.factors, strict=True))

    def __getitem__(self, index: int) -> Array:
        """Shape (rows, columns), in the type of the voxels."""
        depth, height, width = self.factors
        if max(self.factors) == 1:
            return np.asarray(self.voxels[index])
        kind = self.voxels.dtype
        isWhole = kind.kind in "iu"
        parts = self.voxels[index * depth : (index + 1) * depth]
        sums = np.int64 if isWhole and kind.itemsize > 2 else np.int32 if isWhole else np.float64
        total = parts[0].astype(sums)
        for part in parts[1:]:
            total += part
        # Much faster than sums over an axis of a few neighbours.
        for axis, factor in ((0, height), (1, width)):
            if factor > 1:
                total = np.asarray(sum(total[(slice(None),) * axis + (slice(first, None, factor),)]
                                       for first in range(factor)))
        count = int(np.prod(self.factors))
        if isWhole:
            # Halves are rounded up, as SimpleITK does.
            total += count // 2
            total //= count
        else:
            total /= count
        return np.asarray(total.astype(kind))

    def all(self) -> Array:
        """Shape (slices, rows, columns)."""
        return self.voxels if max(self.factors) == 1 else np.stack([self[index] for index in range(self.shape[0])])
