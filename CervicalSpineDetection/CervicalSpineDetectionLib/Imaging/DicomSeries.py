"""One CT series of DICOM slices as a volume, refused where its geometry is not an even stack.

Readers that take the slice distance from a header field, or from the first two slices, silently give wrong geometry for
missing slices and tilted gantries. Here position and orientation of every slice count (DICOM PS3.3 C.7.6.2.1.1). The
slices of a tilted gantry are moved to a straight grid.
"""

from __future__ import annotations

import itertools
import warnings
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pydicom
import pydicom.misc
import pydicom.uid
import SimpleITK as sitk
from pydicom.multival import MultiValue

from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Spine.Arrays import Array

# Headers with the file, or the number of the frame, they are of.
Files: TypeAlias = list[tuple[Path, pydicom.Dataset]]
Slices: TypeAlias = list[tuple[Any, pydicom.Dataset]]
# Tag -> type of its value. A damaged file can hold any; numbers are checked where they are used.
HEADER_TAGS: dict[str, Any] = {
    "Columns": object, "ImageOrientationPatient": object, "ImagePositionPatient": object,
    "ImageType": (str, MultiValue), "Modality": str, "NumberOfFrames": int, "PhotometricInterpretation": str,
    "PixelSpacing": object, "Rows": object, "SamplesPerPixel": int, "SeriesInstanceUID": str, "SeriesNumber": object,
    "SOPInstanceUID": str,
}
# A study's folder holds a few thousand; more is a whole archive, whose headers would take minutes to read.
MAXIMUM_FILES = 20_000
# Tag -> shape of its numbers.
GEOMETRY_TAGS = {
    "Rows": (), "Columns": (), "ImagePositionPatient": (3,), "ImageOrientationPatient": (6,), "PixelSpacing": (2,),
}
CT_CLASSES = (pydicom.uid.CTImageStorage, pydicom.uid.EnhancedCTImageStorage)
MINIMUM_SLICES = 3
SAME_POSITION_MM = 0.01
# Headers hold positions rounded to 0.1 mm or better; what counts is that the error does not add up over the stack.
EVEN_TOLERANCE_MM = 0.1
EVEN_TOLERANCE = 0.01
# In-plane shift of a slice against a straight stack: below one pixel of a usual CT.
SHIFT_TOLERANCE_MM = 1.0
DIRECTION_TOLERANCE = 1e-3
# CT gantries tilt by up to 30 degrees; beyond 45 something else is wrong.
MAXIMUM_TILT_DEGREES = 45


def isDicom(path: str | Path) -> bool:
    """Whether a file is DICOM (part 10, with preamble)."""
    return pydicom.misc.is_dicom(path)


def readDicomSeries(path: str | Path) -> tuple[sitk.Image, list[str]]:
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
    if _isMultiFrame(slices[0][1]):
        frames, voxels = _readFrames(slices[0][0])
        frames, (spacing, origin, direction), shift = _stack(frames)
        image = sitk.GetImageFromArray(voxels[[number for number, _ in frames]])
    else:
        slices, (spacing, origin, direction), shift = _stack(slices)
        image = _readSlices([file for file, _ in slices])
    image.SetSpacing(spacing)
    image.SetOrigin(origin)
    image.SetDirection(direction)
    if shift.any():
        angle = np.degrees(np.arctan(np.linalg.norm(shift)))
        notes = [*notes, f"The gantry was tilted {angle:.1f} degrees; the slices were moved to a straight grid."]
        image = _straightened(image, shift)
    return image, notes


def _readSlices(paths: Sequence[Path]) -> sitk.Image:
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames([str(path) for path in paths])
    # Not the type of the first slice: rescale slope and intercept may differ from slice to slice.
    reader.SetOutputPixelType(sitk.sitkFloat32)
    try:
        image: sitk.Image = reader.Execute()
        return image
    except RuntimeError as error:
        raise InputError(f"A slice of the DICOM series in {paths[0].parent} is damaged or incomplete, or "
                         "compressed in a way that can't be read; export it again, uncompressed.") from error


def _readFrames(path: Path) -> tuple[Slices, Array]:
    """Enhanced CT: all slices are frames of one file (DICOM PS3.3 A.38).

    :return: (list of (frame number, header), float32 voxels in HU, shape (frames, rows, columns)).
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dataset = pydicom.dcmread(path)
            shared = dataset.SharedFunctionalGroupsSequence[0]
            voxels = dataset.pixel_array.astype(np.float32)
            frames = []
            for number, own in enumerate(dataset.PerFrameFunctionalGroupsSequence):
                position, orientation, measures, rescale = (
                    (own.get(f"{name}Sequence") or shared.get(f"{name}Sequence"))[0]
                    for name in ("PlanePosition", "PlaneOrientation", "PixelMeasures", "PixelValueTransformation")
                )
                header = pydicom.Dataset()
                header.Rows, header.Columns = dataset.Rows, dataset.Columns
                header.ImagePositionPatient = position.ImagePositionPatient
                header.ImageOrientationPatient = orientation.ImageOrientationPatient
                header.PixelSpacing = measures.PixelSpacing
                voxels[number] = voxels[number] * float(rescale.RescaleSlope) + float(rescale.RescaleIntercept)
                frames.append((number, header))
        usable = len(voxels) == len(frames) >= MINIMUM_SLICES and all(map(_statesGeometry, dict(frames).values()))
    except OSError:
        raise
    # pydicom raises whatever a damaged file makes happen, and its decoders what they like.
    except Exception:
        usable = False
    if not usable:
        raise InputError(f"The multi-frame DICOM file {path.name} is damaged, compressed or lacks the place of its "
                         "frames; convert it to one file a slice, NRRD or NIfTI (3D Slicer can).")
    return frames, voxels


def _straightened(image: sitk.Image, shift: Array) -> sitk.Image:
    """A CT of a tilted gantry on a straight grid that holds all of it.

    :param image: its slices lie one exactly above the other, as if there were no tilt.
    :param shift: shape (3,), LPS mm in plane by which the slices really move per mm along their normal.
    """
    size, spacing, origin = (np.array(f()) for f in (image.GetSize, image.GetSpacing, image.GetOrigin))
    axes = np.reshape(image.GetDirection(), (3, 3))
    pixels = shift @ axes[:, :2] * spacing[2] * (size[2] - 1) / spacing[:2]
    before = np.ceil(np.maximum(-pixels, 0)).astype(int)
    size[:2] += before + np.ceil(np.maximum(pixels, 0)).astype(int)
    # Where a point of the straight grid lies among the slices as stored: back by the shift at its depth.
    toStored = sitk.AffineTransform(3)
    toStored.SetMatrix((np.eye(3) - np.outer(shift, axes[:, 2])).ravel().tolist())
    toStored.SetCenter(origin.tolist())
    origin = origin - axes[:, :2] @ (before * spacing[:2])
    # The lowest value is air, whether or not the rescale intercept is missing.
    air = float(sitk.GetArrayViewFromImage(image).min())
    return sitk.Resample(image, size.tolist(), toStored, sitk.sitkLinear, origin.tolist(), spacing.tolist(),
                         image.GetDirection(), air)


def dicomFiles(folder: Path) -> Iterator[Path]:
    """DICOM files of a folder by name, not of those in it. A DICOMDIR is DICOM too, but an index and no image.

    :raises InputError: more files than any CT has.
    """
    paths = list(itertools.islice(folder.iterdir(), MAXIMUM_FILES + 1))
    if len(paths) > MAXIMUM_FILES:
        raise InputError(f"The folder {folder} holds more than {MAXIMUM_FILES} files; give a folder with one CT.")
    return (path for path in sorted(paths) if path.is_file() and path.name.upper() != "DICOMDIR" and isDicom(path))


def _readHeaders(folder: Path) -> dict[str, Files]:
    """Headers by series: UID -> list of (path, header)."""
    series = defaultdict(list)
    for path in dicomFiles(folder):
        header = _readHeader(path)
        series[header.SeriesInstanceUID].append((path, header))
    if not series:
        raise InputError(f"The folder {folder} holds no DICOM file; give the folder with the slices, or an image file.")
    return series


def _readHeader(path: Path) -> pydicom.Dataset:
    try:
        # pydicom's warnings quote header values, which may be a patient's.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            header = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=list(HEADER_TAGS))
            values = {tag: header.get(tag) for tag in HEADER_TAGS}
        if not all(value is None or isinstance(value, HEADER_TAGS[tag]) for tag, value in values.items()):
            raise ValueError
    except OSError:
        raise
    except Exception:
        header = pydicom.FileDataset(path, {})
    if not header.get("SeriesInstanceUID"):
        raise InputError(f"The DICOM file {path.name} is damaged or incomplete; copy or export the series again.")
    return header


def _seriesOf(path: Path) -> Files:
    """The series a file belongs to."""
    slices = _readHeaders(path.parent)[_readHeader(path).SeriesInstanceUID]
    reason = _reasonAgainst(slices)
    if reason:
        raise InputError(f"The DICOM series of {path.name} {reason}.")
    return slices


def _onlySeries(series: Mapping[str, Files], folder: Path) -> tuple[Files, list[str]]:
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


def _modality(header: pydicom.Dataset) -> str:
    """As stated, or else, for public sets without patient data may lack it, by what kind of object the file holds."""
    isCt = getattr(header, "file_meta", {}).get("MediaStorageSOPClassUID") in CT_CLASSES
    return str(header.get("Modality") or ("CT" if isCt else "unknown"))


def _reasonAgainst(slices: Files) -> str | None:
    """Why a series is no CT volume, to follow "The series ...", or None."""
    headers = [header for _, header in slices]
    modalities = set(map(_modality, headers))
    if modalities != {"CT"}:
        return f"has modality {', '.join(sorted(modalities))}; give a CT"
    if not all(header.get("SamplesPerPixel") and header.get("PhotometricInterpretation") for header in headers):
        return "has slices that are damaged or incomplete; copy or export it again"
    if any(header.get("SamplesPerPixel") != 1 or header.get("PhotometricInterpretation") != "MONOCHROME2"
           for header in headers):
        return "holds colour or inverted pictures, not CT values; give the original CT"
    if any("LOCALIZER" in (header.get("ImageType") or ()) for header in headers):
        return "holds a localizer (scout) picture; give the CT slices alone"
    if any(map(_isMultiFrame, headers)):
        return "has several multi-frame files; give one of them, alone in its folder" if len(headers) > 1 else None
    if not all(map(_statesGeometry, headers)):
        return "does not state size, position, orientation and pixel spacing of each slice; export the original CT"
    if len(slices) < MINIMUM_SLICES:
        return f"has only {len(slices)} slice{'s' if len(slices) > 1 else ''}; give the whole CT"
    return None


def _isMultiFrame(header: pydicom.Dataset) -> bool:
    return int(header.get("NumberOfFrames") or 1) > 1


def _statesGeometry(header: pydicom.Dataset) -> bool:
    return all(_states(header, tag, shape) for tag, shape in GEOMETRY_TAGS.items())


def _states(header: pydicom.Dataset, tag: str, shape: tuple[int, ...]) -> bool:
    """Whether a header has finite numbers of this shape."""
    try:
        numbers = np.array(header.get(tag), float)
    except (TypeError, ValueError):
        return False
    return numbers.shape == shape and bool(np.isfinite(numbers).all())


def _stack(slices: Slices) -> tuple[Slices, tuple[Any, Any, Any], Array]:
    """Order slices along their normal and check that they are an even stack.

    :param slices: list of (path, header).
    :return: (ordered slices, (spacing, origin, direction row-major) in LPS mm, shift in plane per mm along the normal:
        shape (3,), zero without gantry tilt).
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
    shifts = positions - positions[0] - np.outer(depths, normal)
    shift = np.zeros(3)
    if np.linalg.norm(shifts, axis=1).max() > SHIFT_TOLERANCE_MM:
        shift = shifts[-1] / depths[-1]
        angle = np.degrees(np.arctan(np.linalg.norm(shift)))
        if np.linalg.norm(shifts - np.outer(depths, shift), axis=1).max() > SHIFT_TOLERANCE_MM:
            raise InputError("The slices of the DICOM series are shifted against each other in plane, not evenly as by "
                             "a tilted gantry; export it again.")
        if angle > MAXIMUM_TILT_DEGREES:
            raise InputError(f"The slices of the DICOM series are shifted in plane as by a gantry tilted {angle:.1f} "
                             "degrees, which no gantry is; export it again.")

    rowSpacing, columnSpacing = grids[0, 6:8]
    direction = np.column_stack([row / lengths[0], column / lengths[1], normal / lengths[2]])
    spacing = [columnSpacing, rowSpacing, sliceSpacing]
    return [slices[i] for i in order], (spacing, positions[0].tolist(), direction.ravel().tolist()), shift
