"""One CT series of DICOM slices as a volume, refused where its geometry is not a straight, even stack.

Readers that take the slice distance from a header field, or from the first two slices, silently give wrong geometry for
missing slices and tilted gantries. Here position and orientation of every slice count (DICOM PS3.3 C.7.6.2.1.1).
"""

from __future__ import annotations

import warnings
from collections import defaultdict
from pathlib import Path

import numpy as np
import pydicom
import pydicom.misc
import SimpleITK as sitk

from CervicalSpineDetectionLib.Errors import InputError

HEADER_TAGS = [
    "Columns", "ImageOrientationPatient", "ImagePositionPatient", "ImageType", "Modality", "NumberOfFrames",
    "PhotometricInterpretation", "PixelSpacing", "Rows", "SamplesPerPixel", "SeriesInstanceUID", "SeriesNumber",
    "SOPInstanceUID",
]
# Tag -> shape of its numbers.
GEOMETRY_TAGS = {
    "Rows": (), "Columns": (), "ImagePositionPatient": (3,), "ImageOrientationPatient": (6,), "PixelSpacing": (2,),
}
MINIMUM_SLICES = 3
SAME_POSITION_MM = 0.01
# Headers hold positions rounded to 0.1 mm or better; what counts is that the error does not add up over the stack.
EVEN_TOLERANCE_MM = 0.1
EVEN_TOLERANCE = 0.01
# In-plane shift of a slice against a straight stack: below one pixel of a usual CT.
SHIFT_TOLERANCE_MM = 1.0
DIRECTION_TOLERANCE = 1e-3


def isDicom(path):
    """Whether a file is DICOM (part 10, with preamble)."""
    return pydicom.misc.is_dicom(path)


def readDicomSeries(path):
    """Read a CT series.

    :param path: folder with the slices of one CT series, or one file of a series, whose other slices lie beside it.
    :return: (sitk float32 image in HU and LPS mm, slices along their normal; list of warnings).
    :raises InputError: no CT series or several, or slices that are missing, doubled, uneven, shifted or damaged.
    """
    path = Path(path)
    if path.is_dir():
        slices, notes = _onlySeries(_readHeaders(path), path)
    else:
        slices, notes = _seriesOf(path), []
    slices, geometry = _stack(slices)
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames([str(file) for file, _ in slices])
    # Not the type of the first slice: rescale slope and intercept may differ from slice to slice.
    reader.SetOutputPixelType(sitk.sitkFloat32)
    try:
        image = reader.Execute()
    except RuntimeError as error:
        raise InputError(f"A slice of the DICOM series in {slices[0][0].parent} is damaged or incomplete, or "
                         "compressed in a way that can't be read; export it again, uncompressed.") from error
    spacing, origin, direction = geometry
    image.SetSpacing(spacing)
    image.SetOrigin(origin)
    image.SetDirection(direction)
    return image, notes


def _readHeaders(folder):
    """Headers by series: UID -> list of (path, header)."""
    series = defaultdict(list)
    for path in sorted(folder.iterdir()):
        # A DICOMDIR is DICOM too, but an index and no image.
        if path.is_file() and path.name.upper() != "DICOMDIR" and isDicom(path):
            header = _readHeader(path)
            series[header.SeriesInstanceUID].append((path, header))
    if not series:
        raise InputError(f"The folder {folder} holds no DICOM file; give the folder with the slices, or an image file.")
    return series


def _readHeader(path):
    try:
        # pydicom's warnings quote header values, which may be a patient's.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            header = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=HEADER_TAGS)
            for tag in HEADER_TAGS:
                header.get(tag)
    except OSError:
        raise
    except Exception:
        header = {}
    if not header.get("SeriesInstanceUID"):
        raise InputError(f"The DICOM file {path.name} is damaged or incomplete; copy or export the series again.")
    return header


def _seriesOf(path):
    """The series a file belongs to."""
    slices = _readHeaders(path.parent)[_readHeader(path).SeriesInstanceUID]
    reason = _reasonAgainst(slices)
    if reason:
        raise InputError(f"The DICOM series of {path.name} {reason}.")
    return slices


def _onlySeries(series, folder):
    """The only CT volume among the series of a folder, and warnings."""
    reasons = {uid: _reasonAgainst(slices) for uid, slices in series.items()}
    volumes = [uid for uid, reason in reasons.items() if reason is None]
    if not volumes:
        largest = max(series, key=lambda uid: len(series[uid]))
        raise InputError(f"The DICOM series in {folder} {reasons[largest]}.")
    if len(volumes) > 1:
        found = "; ".join(f"{len(series[uid])} slices, e.g. {series[uid][0][0].name}" for uid in volumes)
        raise InputError(f"The folder {folder} holds {len(volumes)} CT series ({found}); give a file of the right one.")
    others = len(series) - 1
    note = f"The folder holds {others} more DICOM series that are no CT volume; they were left out."
    return series[volumes[0]], [note] if others else []


def _reasonAgainst(slices):
    """Why a series is no CT volume, to follow "The series ...", or None."""
    headers = [header for _, header in slices]
    modalities = {str(header.get("Modality") or "unknown") for header in headers}
    if modalities != {"CT"}:
        return f"has modality {', '.join(sorted(modalities))}; give a CT"
    if any(int(header.get("NumberOfFrames") or 1) > 1 for header in headers):
        return "is a multi-frame file; convert it to one file a slice, NRRD or NIfTI (3D Slicer can)"
    if any(header.get("SamplesPerPixel") != 1 or header.get("PhotometricInterpretation") != "MONOCHROME2"
           for header in headers):
        return "holds colour or inverted pictures, not CT values; give the original CT"
    if any("LOCALIZER" in (header.get("ImageType") or ()) for header in headers):
        return "holds a localizer (scout) picture; give the CT slices alone"
    if not all(_states(header, tag, shape) for header in headers for tag, shape in GEOMETRY_TAGS.items()):
        return "does not state size, position, orientation and pixel spacing of each slice; export the original CT"
    if len(slices) < MINIMUM_SLICES:
        return f"has only {len(slices)} slice{'s' if len(slices) > 1 else ''}; give the whole CT"
    return None


def _states(header, tag, shape):
    """Whether a header has finite numbers of this shape."""
    try:
        numbers = np.array(header.get(tag), float)
    except (TypeError, ValueError):
        return False
    return numbers.shape == shape and bool(np.isfinite(numbers).all())


def _stack(slices):
    """Order slices along their normal and check that they are a straight, even stack.

    :param slices: list of (path, header).
    :return: (ordered slices, (spacing, origin, direction row-major) in LPS mm).
    """
    # The same file may lie in the folder twice, e.g. after two exports.
    distinct = {
        (header.get("SOPInstanceUID") or path, *header.ImagePositionPatient): (path, header) for path, header in slices
    }
    slices = list(distinct.values())
    headers = [header for _, header in slices]
    grids = np.array([[*h.ImageOrientationPatient, *h.PixelSpacing, h.Rows, h.Columns] for h in headers], float)
    if np.ptp(grids, axis=0).max() > DIRECTION_TOLERANCE:
        raise InputError("The slices of the DICOM series differ in size, pixel spacing or orientation; "
                         "give a series of parallel slices.")
    row, column = grids[0, :3], grids[0, 3:6]
    normal = np.cross(row, column)
    lengths = [np.linalg.norm(axis) for axis in (row, column, normal)]
    if not np.allclose(lengths, 1, atol=DIRECTION_TOLERANCE) or grids[0, 6:8].min() <= 0:
        raise InputError("The DICOM series has an impossible slice orientation or pixel spacing; export it again.")

    positions = np.array([header.ImagePositionPatient for header in headers], float)
    order = np.argsort(positions @ normal, kind="stable")
    positions = positions[order]
    depths = (positions - positions[0]) @ normal
    steps = np.diff(depths)
    sliceSpacing = depths[-1] / len(steps)
    doubled = np.count_nonzero(steps < SAME_POSITION_MM)
    if doubled:
        raise InputError(f"{doubled} slices of the DICOM series lie where another one lies; "
                         "export one scan (phase, reconstruction) alone.")
    unevenness = np.abs(depths - np.arange(len(depths)) * sliceSpacing).max()
    if unevenness > max(EVEN_TOLERANCE_MM, EVEN_TOLERANCE * sliceSpacing):
        raise InputError(f"The slices of the DICOM series are {steps.min():.2f} to {steps.max():.2f} mm apart: "
                         "some are missing or the spacing changes; export the complete series with even spacing.")
    shifts = np.linalg.norm(positions - positions[0] - np.outer(depths, normal), axis=1)
    if shifts.max() > SHIFT_TOLERANCE_MM:
        angle = np.degrees(np.arctan2(shifts.max(), depths[-1]))
        raise InputError(f"The slices of the DICOM series are shifted in plane by up to {shifts.max():.1f} mm, as by "
                         f"a gantry tilted {angle:.1f} degrees; resample the CT to a straight grid (3D Slicer can).")

    rowSpacing, columnSpacing = grids[0, 6:8]
    direction = np.column_stack([row / lengths[0], column / lengths[1], normal / lengths[2]])
    spacing = [columnSpacing, rowSpacing, sliceSpacing]
    return [slices[i] for i in order], (spacing, positions[0].tolist(), direction.ravel().tolist())
