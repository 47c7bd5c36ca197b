"""Read a CT from DICOM, NRRD, NIfTI or MetaImage, or say in one sentence why not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import SimpleITK as sitk

from CervicalSpineDetectionLib.Errors import InputError

IMAGE_SUFFIXES = (".nrrd", ".nhdr", ".nii", ".nii.gz", ".mha", ".mhd")
# Slice positions may differ from even spacing by this part of it (rounded header values).
POSITION_TOLERANCE = 0.02
DICOM_TAGS = ("SeriesInstanceUID", "Modality", "ImagePositionPatient", "ImageOrientationPatient",
              "PhotometricInterpretation", "SamplesPerPixel", "NumberOfFrames")


def readImage(path):
    """Read a volume; its orientation stays as stored.

    :param path: DICOM folder, one DICOM file of a series (the whole series is read), NRRD, NIfTI or MetaImage file.
    :return: 3D scalar sitk image, in HU where the file says how; physical space LPS mm.
    :raises InputError: nothing there, not an image, or not a CT volume with even slices.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path} does not exist; check the path.")
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    if path.is_dir():
        image = _readSeries(_onlySeries(path))
    elif str(path).lower().endswith(IMAGE_SUFFIXES):
        image = _read(lambda: sitk.ReadImage(str(path)), path)
    else:
        image = _readSeries(_seriesOf(path))
    return _checked(image, path)


def _checked(image, path):
    if image.GetNumberOfComponentsPerPixel() != 1:
        raise InputError(f"{path.name} is a colour or vector image; load a CT volume.")
    if image.GetDimension() == 4 and image.GetSize()[3] == 1:
        image = image[:, :, :, 0]
    if image.GetDimension() != 3:
        raise InputError(f"{path.name} has {image.GetDimension()} dimensions; load a 3D CT volume.")
    if min(image.GetSize()) < 2:
        raise InputError(f"{path.name} holds a single slice; load a CT volume with all its slices.")
    voxels = sitk.GetArrayViewFromImage(image)
    if not np.isfinite(voxels).all():
        raise InputError(f"{path.name} holds voxels that are not numbers (NaN or infinite); export the CT again.")
    if voxels.min() == voxels.max():
        raise InputError(f"{path.name} is constant, every voxel is {voxels.flat[0]}; export the CT again.")
    return image


def _read(reader, path):
    try:
        return reader()
    except RuntimeError:
        raise InputError(f"{path.name} can't be read as an image (damaged, cut short or another format); "
                         "export it again.") from None


def _headers(folder):
    """pydicom headers by file name, of all DICOM images in a folder."""
    headers = {}
    for file in sorted(entry for entry in folder.iterdir() if entry.is_file()):
        try:
            header = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=list(DICOM_TAGS))
        except (pydicom.errors.InvalidDicomError, OSError, EOFError, ValueError):
            continue
        if "SeriesInstanceUID" in header and "ImagePositionPatient" in header:
            headers[file] = header
    return headers


def _onlySeries(folder):
    headers = _headers(folder)
    if not headers:
        raise InputError(f"{folder} holds no DICOM images with positions; give the folder of one CT series.")
    series = {str(header.SeriesInstanceUID) for header in headers.values()}
    if len(series) > 1:
        raise InputError(f"{folder} holds {len(series)} DICOM series; name one file of the wanted series instead.")
    return headers


def _seriesOf(path):
    headers = _headers(path.parent)
    if path not in headers:
        raise InputError(f"{path.name} is no DICOM image and its name ends in none of {', '.join(IMAGE_SUFFIXES)}; "
                         "convert it to NRRD or NIfTI.")
    wanted = headers[path].SeriesInstanceUID
    return {file: header for file, header in headers.items() if header.SeriesInstanceUID == wanted}


def _readSeries(headers):
    """Sort by position along the normal, check that the slices are even, read."""
    first = next(iter(headers.values()))
    folder = next(iter(headers)).parent
    if first.get("Modality", "CT") != "CT":
        raise InputError(f"The series is {first.Modality}, not CT; load a CT.")
    if first.get("PhotometricInterpretation", "MONOCHROME2") != "MONOCHROME2":
        raise InputError(f"The series stores its pixels as {first.PhotometricInterpretation}, which is not supported "
                         "for CT; convert it to MONOCHROME2.")
    if int(first.get("NumberOfFrames") or 1) > 1:
        raise InputError("The series is a multi-frame DICOM file, which is not supported yet; convert it to NRRD.")
    if len(headers) < 2:
        raise InputError(f"{folder} holds a single slice of the series; give the folder with all its slices.")
    orientations = np.array([header.ImageOrientationPatient for header in headers.values()], float)
    if np.abs(orientations - orientations[0]).max() > 1e-3:
        raise InputError("The slices of the series have different orientations; give a series of parallel slices.")
    normal = np.cross(orientations[0, :3], orientations[0, 3:])
    positions = np.array([header.ImagePositionPatient for header in headers.values()], float)
    order = np.argsort(positions @ normal)
    steps = np.diff(positions[order], axis=0)
    along = steps @ normal
    spacing = np.median(along)
    if along.min() < 0.1 * spacing:
        raise InputError("The series holds slices at the same position twice; remove the duplicates.")
    if np.abs(along - spacing).max() > POSITION_TOLERANCE * spacing + 0.01:
        raise InputError(f"The slices of the series are not evenly spaced ({along.min():.2f} to {along.max():.2f} mm), "
                         "so some may be missing; load the complete series.")
    if np.abs(steps - along[:, None] * normal).max() > POSITION_TOLERANCE * spacing + 0.01:
        raise InputError("The series was taken with a tilted gantry (its slices are sheared); resample it to a "
                         "straight grid first, as Slicer does on loading.")
    files = np.array([str(file) for file in headers])[order]
    return _read(lambda: sitk.ReadImage(files.tolist()), folder)
