"""The CT's own DICOM headers, which derived DICOM objects refer to."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from pydicom.valuerep import DSfloat

from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Imaging.DicomHeader import readDataset
from CervicalSpineDetectionLib.Imaging.DicomSeries import dicomFiles

SAME_PLACE_VOXELS = 0.2
# Without them nothing can refer to a slice (DICOM type 1).
NEEDED_TAGS = ("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID")
# Which may be empty, but must be there (DICOM type 2); public CTs often lack them.
EMPTY_TAGS = ("AccessionNumber", "PatientBirthDate", "PatientID", "PatientName", "PatientSex", "ReferringPhysicianName",
              "StudyDate", "StudyID", "StudyTime")
SEXES = ("M", "F", "O")


def sourceImages(path: str | Path, image: sitk.Image) -> list[Any]:
    """Headers of the slices a CT was read from.

    :param path: DICOM folder, or a file in it.
    :param image: sitk image read from it.
    :return: one pydicom Dataset a slice, without pixels, in the order of the image's slices.
    :raises InputError: no DICOM, or not the slices of this image.
    """
    folder = Path(path) if Path(path).is_dir() else Path(path).parent
    series = defaultdict(dict)
    for file in dicomFiles(folder):
        header = readDataset(file)
        slot = _slot(header, image)
        if slot is not None:
            series[header.SeriesInstanceUID].setdefault(slot, header)
    whole = [slices for slices in series.values() if len(slices) == image.GetSize()[2]]
    if len(whole) != 1:
        raise InputError(f"DICOM exports refer to the CT's own slices, and {folder} does not hold them (or twice); "
                         "give --ct the DICOM folder of the CT.")
    headers = [whole[0][k] for k in range(image.GetSize()[2])]
    if not headers[0].get("FrameOfReferenceUID"):
        raise InputError("The DICOM slices state no frame of reference, so that coordinates in it have no meaning; "
                         "export the original CT.")
    return [_completed(header, image) for header in headers]


def _completed(header: Any, image: sitk.Image) -> Any:
    """A slice's header with all tags that derived objects take from it, empty where the CT does not tell.

    :raises InputError: a tag is missing that can't be empty.
    """
    missing = [tag for tag in NEEDED_TAGS if not header.get(tag)]
    if missing:
        raise InputError(f"The DICOM slices lack {', '.join(missing)}, so that nothing can refer to them; export the "
                         "original CT.")
    for tag in EMPTY_TAGS:
        if tag not in header:
            setattr(header, tag, "")
    if header.PatientSex not in SEXES:
        header.PatientSex = ""
    if not header.get("SliceThickness"):
        # Of the slices' distance nothing else is known.
        header.SliceThickness = DSfloat(image.GetSpacing()[2], auto_format=True)
    header.setdefault("Modality", "CT")
    return header


def _slot(header: Any, image: sitk.Image) -> int | None:
    """Number of the slice with this header, or None."""
    if header.get("ImagePositionPatient") is None or (
            header.get("Columns"), header.get("Rows")) != image.GetSize()[:2]:
        return None
    index = image.TransformPhysicalPointToContinuousIndex([float(x) for x in header.ImagePositionPatient])
    k = round(index[2])
    near = np.allclose(index, (0, 0, k), atol=SAME_PLACE_VOXELS)
    return k if near and 0 <= k < image.GetSize()[2] else None
