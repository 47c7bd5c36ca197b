"""The CT's own DICOM headers, which derived DICOM objects refer to."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Imaging.DicomHeader import readDataset
from CervicalSpineDetectionLib.Imaging.DicomSeries import dicomFiles

SAME_PLACE_VOXELS = 0.2


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
    return headers


def _slot(header: Any, image: sitk.Image) -> int | None:
    """Number of the slice with this header, or None."""
    if header.get("ImagePositionPatient") is None or (
            header.get("Columns"), header.get("Rows")) != image.GetSize()[:2]:
        return None
    index = image.TransformPhysicalPointToContinuousIndex([float(x) for x in header.ImagePositionPatient])
    k = round(index[2])
    near = np.allclose(index, (0, 0, k), atol=SAME_PLACE_VOXELS)
    return k if near and 0 <= k < image.GetSize()[2] else None
