"""Images that can't be a straight CT are refused."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import SimpleITK as sitk

from CervicalSpineDetectionLib.Errors import InputError

MINIMUM_SIZE = 3
# Beyond these the header is wrong (e.g. meters or micrometers) rather than the scanner unusual.
SPACING_RANGE_MM = (0.05, 15.0)
# In mm, of headers in other units.
OTHER_UNITS = {"meters": 1000.0, "micrometers": 0.001, "centimeters": 10.0}
# Two vertebrae with their processes need as much in some direction. Smaller CTs have few pixels, too.
MINIMUM_EXTENT_MM, USUAL_SIZE = 60.0, 64
MAXIMUM_ORIGIN_MM = 1e6
DIRECTION_TOLERANCE = 1e-3
# Metal reaches some 30,000 HU, and paddings of 16 bits as much below 0.
MAXIMUM_HU = 1e5
NOT_FINITE = "The image holds values that are not finite numbers (NaN or infinite); replace them by -1024."
FAR_AWAY = "The image lies kilometers away from the scanner's center; correct the origin in the header."
SHEARED = "The image axes are not at right angles (gantry tilt?); resample the CT to a straight grid."


def checkGrid(image: sitk.Image) -> None:
    """:raises InputError: not a straight 3D grid of grey values with the spacing of a CT."""
    components = 2 if "complex" in image.GetPixelIDTypeAsString() else image.GetNumberOfComponentsPerPixel()
    checkShape(image.GetSize(), components)
    spacing = image.GetSpacing()
    if not isCtSpacing(spacing):
        stated = _times(f"{one:.4g}" for one in spacing)
        units = [unit for unit, factor in OTHER_UNITS.items() if isCtSpacing(factor * one for one in spacing)]
        if units:
            raise InputError(f"The voxel spacing of {stated} mm can't be that of a CT (it looks like {units[0]}); "
                             "correct the header.")
        raise InputError(f"The voxel spacing of {stated} mm can't be that of a CT; correct the header.")
    direction = np.reshape(image.GetDirection(), (3, 3))
    if not np.allclose(direction.T @ direction, np.eye(3), atol=DIRECTION_TOLERANCE):
        raise InputError(SHEARED)
    # Beyond, 32-bit coordinates of other programs lose tenths of a millimetre.
    if not np.all(np.abs(image.GetOrigin()) < MAXIMUM_ORIGIN_MM):
        raise InputError(FAR_AWAY)


def checkRoom(image: sitk.Image) -> None:
    """:raises InputError: so many voxels and so little room that the header's unit is hardly the millimetre."""
    extent = [size * spacing for size, spacing in zip(image.GetSize(), image.GetSpacing(), strict=True)]
    if sorted(image.GetSize())[1] >= USUAL_SIZE and max(extent) < MINIMUM_EXTENT_MM:
        raise InputError(f"The image measures only {_times(f'{length:.0f}' for length in extent)} mm, too little for a "
                         "neck; correct the unit of the header (it looks like cm), or give the whole CT.")


def checkShape(size: Sequence[int], components: int) -> None:
    """:raises InputError: not one 3D volume of grey values."""
    if len(size) != 3:
        raise InputError(f"The image has {len(size)} dimensions instead of 3; give one CT volume.")
    if components != 1:
        raise InputError("The image holds colors or vectors instead of grey values; give the original CT.")
    if min(size) < MINIMUM_SIZE:
        raise InputError(f"The image of {_times(size)} voxels has too few slices; give the whole CT.")


def isCtSpacing(spacing: Iterable[float]) -> bool:
    """:return: whether a CT may have this spacing, mm."""
    return all(SPACING_RANGE_MM[0] <= one <= SPACING_RANGE_MM[1] for one in spacing)


def checkValues(image: sitk.Image) -> None:
    """:raises InputError: the values can't be those of a CT."""
    voxels = sitk.GetArrayViewFromImage(image)
    # A copy, of which each figure is told faster.
    few = voxels[::4, ::4, ::4].copy()
    # Numbers of 16 bits are finite and small; a few tell whether they differ.
    checked = few if voxels.dtype.kind in "iu" and voxels.dtype.itemsize <= 2 and few.min() < few.max() else voxels
    lowest, highest = checked.min(), checked.max()
    # The minimum is NaN where any voxel is.
    if not np.isfinite([lowest, highest]).all():
        raise InputError(NOT_FINITE)
    if max(-float(lowest), float(highest)) > MAXIMUM_HU:
        raise InputError(f"The values of the image run from {lowest:g} to {highest:g}, which can't be HU; replace "
                         "those beyond by -1024, or give the original CT.")
    if lowest == highest:
        raise InputError(f"All voxels of the image have the value {lowest:g}; give a CT.")


def _times(numbers: Iterable[object]) -> str:
    return " x ".join(str(number) for number in numbers)
