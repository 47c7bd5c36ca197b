"""A volume without a sitk image around it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from CervicalSpineDetectionLib.Spine.Arrays import Array

if TYPE_CHECKING:
    import SimpleITK as sitk


@dataclass(frozen=True)
class VoxelArray:
    """A volume as an array, for whom a sitk image would be one more copy.

    :param voxels: shape (slices, rows, columns), HU, or (slices, rows, columns, components).
    :param spacing: mm. :param origin: LPS mm. :param direction: row-major, LPS.
    :param source: what the voxels are a view of.
    """

    voxels: Array
    spacing: tuple[float, ...]
    origin: tuple[float, ...]
    direction: tuple[float, ...]
    isVector: bool = False
    source: object = None

    @classmethod
    def ofImage(cls, image: sitk.Image) -> VoxelArray:
        """:param image: sitk image. :return: VoxelArray, a view of it."""
        import SimpleITK as sitk

        # A view doesn't keep its image alive.
        return cls(sitk.GetArrayViewFromImage(image), image.GetSpacing(), image.GetOrigin(), image.GetDirection(),
                   image.GetNumberOfComponentsPerPixel() > 1, source=image)

    def toImage(self) -> sitk.Image:
        """:return: sitk image with a copy of the voxels."""
        import SimpleITK as sitk

        image = sitk.GetImageFromArray(self.voxels, isVector=self.isVector)
        image.SetSpacing(self.spacing)
        image.SetOrigin(self.origin)
        image.SetDirection(self.direction)
        return image
