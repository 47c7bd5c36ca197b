"""CT images from disk, refused where something would make the result silently wrong."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import SimpleITK as sitk

from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Imaging.DicomHeader import isDicom
from CervicalSpineDetectionLib.Imaging.DicomSeries import readDicomSeries
from CervicalSpineDetectionLib.Imaging.HounsfieldUnits import correctHuOffset
from CervicalSpineDetectionLib.Imaging.ImageChecks import checkGrid, checkRoom, checkValues
from CervicalSpineDetectionLib.Imaging.ImageFile import readImageFile
from CervicalSpineDetectionLib.Imaging.OpenFile import openPlain


@dataclass(frozen=True)
class ReadResult:
    """A CT that was read.

    :param image: 3D scalar sitk image in LPS mm and HU; a missing rescale intercept was corrected.
    :param warnings: sentences for the user.
    """

    image: sitk.Image
    warnings: list[str]


def readImage(path: str | Path) -> sitk.Image:
    """The image of ``readImageWithWarnings`` alone."""
    return readImageWithWarnings(path).image


def readImageWithWarnings(path: str | Path) -> ReadResult:
    """Read a CT: DICOM folder, one DICOM file of a series (the whole series is read), NIfTI, NRRD or MetaImage.

    :param path: str or Path.
    :return: ReadResult.
    :raises InputError: missing, damaged or incomplete; not a straight 3D grid of grey values; not CT (DICOM says so).
    """
    path = Path(path)
    try:
        str(path).encode()
        image, warnings = _read(path)
        checkGrid(image)
        checkRoom(image)
    except UnicodeEncodeError as error:
        raise InputError(f"{path} can't be read (its name is not valid text); rename it.") from error
    except OSError as error:
        reason = error.strerror or error
        raise InputError(f"{path} can't be read ({reason}); check the path and the permissions.") from error
    except RuntimeError as error:
        # ITK's messages run over several lines of its own internals.
        raise InputError(f"{path} is damaged or incomplete; copy or export it again.") from error
    checkValues(image)
    if image.GetPixelID() in (sitk.sitkUInt8, sitk.sitkInt8):
        raise InputError(f"{path} holds an 8-bit picture, whose values can't be HU; give the original CT.")
    # Whether an image without air may be a CT at all is said where it is looked at.
    inHu, warning = correctHuOffset(image)
    return ReadResult(inHu, [*warnings, warning] if warning and inHu is not image else warnings)


def _read(path: Path) -> tuple[sitk.Image, list[str]]:
    if path.is_dir():
        return readDicomSeries(path)
    openPlain(path).close()
    return readDicomSeries(path) if isDicom(path) else readImageFile(path)
