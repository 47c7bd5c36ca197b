"""Images that can't be a straight CT are refused."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import SimpleITK as sitk

from CervicalSpineDetectionLib.Errors import InputError

MINIMUM_SIZE = 3
# Beyond these the header is wrong (e.g. metres or micrometres) rather than the scanner unusual.
SPACING_RANGE_MM = (0.05, 15.0)
MAXIMUM_ORIGIN_MM = 1e6
DIRECTION_TOLERANCE = 1e-3
NOT_FINITE = "The image holds values that are not finite numbers (NaN or infinite); replace them by -1024."
SHEARED = "The image axes are not at right angles (gantry tilt?); resample the CT to a straight grid."


def checkGrid(image: sitk.Image) -> None:
    """:raises InputError: not a straight 3D grid of grey values with the spacing of a CT."""
    if image.GetDimension() != 3:
        raise InputError(f"The image has {image.GetDimension()} dimensions instead of 3; give one CT volume.")
    if image.GetNumberOfComponentsPerPixel() != 1 or "complex" in image.GetPixelIDTypeAsString():
        raise InputError("The image holds colours or vectors instead of grey values; give the original CT.")
    if min(image.GetSize()) < MINIMUM_SIZE:
        raise InputError(f"The image of {_times(image.GetSize())} voxels has too few slices; give the whole CT.")
    spacing = image.GetSpacing()
    if min(spacing) < SPACING_RANGE_MM[0] or max(spacing) > SPACING_RANGE_MM[1]:
        raise InputError(f"The voxel spacing of {_times(f'{s:.4g}' for s in spacing)} mm can't be that of a CT; "
                         "correct the header.")
    direction = np.reshape(image.GetDirection(), (3, 3))
    if not np.allclose(direction.T @ direction, np.eye(3), atol=DIRECTION_TOLERANCE):
        raise InputError(SHEARED)
    # Beyond, 32-bit coordinates of other programs lose tenths of a millimetre.
    if not np.all(np.abs(image.GetOrigin()) < MAXIMUM_ORIGIN_MM):
        raise InputError("The image lies kilometres away from the scanner's centre; correct the origin in the header.")


def checkValues(image: sitk.Image) -> None:
    """:raises InputError: the values can't be those of a CT."""
    voxels = sitk.GetArrayViewFromImage(image)
    few = voxels[::4, ::4, ::4]
    # Whole numbers are finite; a few tell whether they differ.
    checked = few if voxels.dtype.kind in "iu" and few.min() < few.max() else voxels
    lowest, highest = checked.min(), checked.max()
    # The minimum is NaN where any voxel is.
    if not np.isfinite([lowest, highest]).all():
        raise InputError(NOT_FINITE)
    if lowest == highest:
        raise InputError(f"All voxels of the image have the value {lowest:g}; give a CT.")


def _times(numbers: Iterable[object]) -> str:
    return " x ".join(str(number) for number in numbers)
