"""CT images from disk, refused where something would make the result silently wrong."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Files.DicomSeries import isDicom, readDicomSeries
from CervicalSpineDetectionLib.Files.HeaderChecks import (
    METAIMAGE_SUFFIXES,
    NIFTI_SUFFIXES,
    NRRD_SUFFIXES,
    checkHeader,
)

IMAGE_SUFFIXES = NIFTI_SUFFIXES + NRRD_SUFFIXES + METAIMAGE_SUFFIXES
MINIMUM_SIZE = 3
# Beyond these the header is wrong (e.g. metres or micrometres) rather than the scanner unusual.
SPACING_RANGE_MM = (0.05, 15.0)
DIRECTION_TOLERANCE = 1e-3
SHEARED = "The image axes are not at right angles (gantry tilt?); resample the CT to a straight grid."


@dataclass(frozen=True)
class ReadResult:
    """A CT that was read.

    :param image: 3D scalar sitk image in LPS mm, values as stored (DICOM: rescaled to HU, float32).
    :param warnings: sentences for the user.
    """

    image: sitk.Image
    warnings: list[str]


def readImage(path):
    """The image of ``readImageWithWarnings`` alone."""
    return readImageWithWarnings(path).image


def readImageWithWarnings(path):
    """Read a CT: DICOM folder, one DICOM file of a series (the whole series is read), NIfTI, NRRD or MetaImage.

    :param path: str or Path.
    :return: ReadResult.
    :raises InputError: missing, damaged or incomplete; not a straight 3D grid of grey values; not CT (DICOM says so).
    """
    path = Path(path)
    try:
        image, warnings = _read(path)
        image = _checkedGrid(image)
    except OSError as error:
        reason = error.strerror or error
        raise InputError(f"{path} can't be read ({reason}); check the path and the permissions.") from error
    except RuntimeError as error:
        # ITK's messages run over several lines of its own internals.
        if "orthonormal" in str(error):
            raise InputError(SHEARED) from error
        raise InputError(f"{path} is damaged or incomplete; copy or export it again.") from error
    _checkValues(image)
    return ReadResult(image, warnings)


def _read(path):
    if path.is_dir() or (path.is_file() and isDicom(path)):
        return readDicomSeries(path)
    # Raises FileNotFoundError where there is nothing.
    path.stat()
    name = path.name.lower()
    if not name.endswith(IMAGE_SUFFIXES):
        raise InputError(f"{path} is no image that can be read; give DICOM or one of {', '.join(IMAGE_SUFFIXES)}.")
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    reader.ReadImageInformation()
    warnings = checkHeader(path, reader)
    return reader.Execute(), warnings


def _checkedGrid(image):
    """:return: the image, without a fourth axis of one entry. :raises InputError: not a straight 3D grid in mm."""
    if image.GetDimension() == 4 and image.GetSize()[3] == 1:
        image = image[:, :, :, 0]
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
    return image


def _checkValues(image):
    """:raises InputError: the values can't be those of a CT."""
    voxels = sitk.GetArrayViewFromImage(image)
    lowest, highest = voxels.min(), voxels.max()
    # The minimum is NaN where any voxel is.
    if not np.isfinite([lowest, highest]).all():
        raise InputError("The image holds values that are not finite numbers (NaN or infinite); replace them by -1024.")
    if lowest == highest:
        raise InputError(f"All voxels of the image have the value {lowest:g}; give a CT.")


def _times(numbers):
    return " x ".join(str(number) for number in numbers)
