"""One CT series of DICOM slices as a volume: which files are its slices, and what else lies beside them."""

from __future__ import annotations

import itertools
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
import SimpleITK as sitk

from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Imaging.DicomFrames import readFrames
from CervicalSpineDetectionLib.Imaging.DicomHeader import DicomHeader, isDicom, readDicomHeader
from CervicalSpineDetectionLib.Imaging.DicomPixels import readSlices
from CervicalSpineDetectionLib.Imaging.DicomStack import MINIMUM_SLICES, stackOf, straightened

# Series UID and modality: what belongs together. Structure sets and doses often bear the UID of their CT.
SeriesKey: TypeAlias = tuple[str, str]
Series: TypeAlias = dict[SeriesKey, list[DicomHeader]]
# A study's folder holds a few thousand; more is a whole archive, whose headers would take minutes to read.
MAXIMUM_FILES = 20_000
# Disks have patient, study and series each in a folder of its own below one for all.
MAXIMUM_DEPTH = 6
INDEX_NAME = "DICOMDIR"
SCOUT = "LOCALIZER"
OWN_SERIES = "Each slice states to be a series of its own; they were taken as one CT."


def readDicomSeries(path: str | Path) -> tuple[sitk.Image, list[str]]:
    """Read a CT series.

    :param path: folder with the slices of one CT series, also in folders below it; a DICOMDIR, for its folder; or one
        file of a series, whose other slices lie beside it.
    :return: (sitk float32 image in HU and LPS mm, slices along their normal; list of warnings).
    :raises InputError: no CT series or several, or slices that are missing, doubled, uneven, shifted or damaged.
    """
    path = Path(path)
    if path.name.upper() == INDEX_NAME:
        path = path.parent
    if path.is_dir():
        headers, notes = _onlySeries(seriesBelow(path), path)
    else:
        headers, notes = _seriesOf(path)
    if headers[0].frames > 1:
        stack, image = readFrames(headers[0])
    else:
        stack = stackOf(headers)
        image = readSlices(stack.slices)
    image.SetSpacing(stack.spacing)
    image.SetOrigin(stack.origin)
    image.SetDirection(stack.direction)
    if stack.leftOut:
        notes.append(f"{_pictures(stack.leftOut)} of another size or orientation in the CT's series were left out.")
    if stack.shift.any():
        angle = np.degrees(np.arctan(np.linalg.norm(stack.shift)))
        notes.append(f"The gantry was tilted {angle:.1f} degrees; the slices were moved to a straight grid.")
        image = straightened(image, stack.shift)
    return image, notes


def dicomFiles(folder: Path) -> Iterator[Path]:
    """DICOM files of a folder by name, then those of the folders below it. Not a DICOMDIR, which is but an index.

    :raises InputError: more files than any CT has.
    """
    paths = list(itertools.islice(_filesBelow(folder), MAXIMUM_FILES + 1))
    if len(paths) > MAXIMUM_FILES:
        raise InputError(f"The folder {folder} holds more than {MAXIMUM_FILES} files; give a folder with one CT.")
    return (path for path in paths if path.name.upper() != INDEX_NAME and path.is_file() and isDicom(path))


def _filesBelow(folder: Path) -> Iterator[Path]:
    def refuse(error: OSError) -> None:
        raise error

    for root, folders, names in os.walk(folder, onerror=refuse):
        depth = len(Path(root).relative_to(folder).parts)
        folders[:] = sorted(name for name in folders if not name.startswith(".")) if depth < MAXIMUM_DEPTH else []
        yield from (Path(root, name) for name in sorted(names))


def seriesBelow(folder: Path) -> Series:
    """Headers of all images of a folder, by series, and of those below it: all of them, or what of them belongs to the
    CTs in the folder itself.

    :raises InputError: none, or a damaged file.
    """
    files = list(dicomFiles(folder))
    series = seriesIn(path for path in files if path.parent == folder)
    own = set(series)
    hasCt = any(modality == "CT" for _, modality in own)
    for key, headers in seriesIn(path for path in files if path.parent != folder).items():
        if not hasCt or key in own:
            series[key] = series.get(key, []) + headers
    if not series:
        what = "no DICOM file with a picture" if files else "no DICOM file"
        raise InputError(f"The folder {folder} holds {what}; give the folder with the slices, or an image file.")
    return series


def seriesIn(paths: Iterable[Path]) -> Series:
    """Headers of images by series. Files that hold no image are passed over. :raises InputError: a damaged file."""
    series = defaultdict(list)
    for path in paths:
        header = readDicomHeader(path)
        if header.holdsImage:
            series[header.seriesUid, header.modality].append(header)
    return dict(series)


def _seriesOf(path: Path) -> tuple[list[DicomHeader], list[str]]:
    """The series a file belongs to, of which all lies beside it, and warnings."""
    header = readDicomHeader(path)
    if not header.holdsImage:
        raise InputError(f"{path} is DICOM, but holds no picture; give the CT.")
    beside = seriesIn(one for one in dicomFiles(path.parent) if one.parent == path.parent)
    headers, notes = withoutScouts(beside.get((header.seriesUid, header.modality), [header]))
    joined = joinedSlices(beside)
    if len(headers) == 1 and header.frames == 1 and any(header.path == one.path for one in joined):
        headers, notes = joined, [OWN_SERIES]
    reason = _reasonAgainst(headers)
    if reason:
        raise InputError(f"The DICOM series of {path.name} {reason}.")
    return headers, notes


def _onlySeries(series: Mapping[SeriesKey, Sequence[DicomHeader]],
                folder: Path) -> tuple[list[DicomHeader], list[str]]:
    """The only CT volume among the series of a folder, and warnings."""
    cleaned = {key: withoutScouts(headers) for key, headers in series.items()}
    reasons = {key: _reasonAgainst(headers) for key, (headers, _) in cleaned.items()}
    volumes = [key for key, reason in reasons.items() if reason is None]
    if not volumes:
        joined = joinedSlices(series)
        if joined and _reasonAgainst(joined) is None:
            others = len(series) - len({header.seriesUid for header in joined})
            return joined, [OWN_SERIES, *_others(others)]
    if len(volumes) > 1:
        listed = ", ".join(f"{len(series[key])} slices ({series[key][0].path.name} ...)" for key in volumes)
        raise InputError(f"The folder {folder} holds {len(volumes)} CT series: {listed}; give one of these files.")
    if not volumes:
        # Of a whole study, why its CT isn't used.
        key = next((key for key in reasons if key[1] == "CT"), next(iter(reasons)))
        raise InputError(f"The DICOM series in {folder} {reasons[key]}.")
    headers, notes = cleaned[volumes[0]]
    return headers, [*notes, *_others(len(series) - 1)]


def _others(count: int) -> list[str]:
    return [f"The folder holds {count} more DICOM series, which were left out."] if count else []


def withoutScouts(headers: Sequence[DicomHeader]) -> tuple[list[DicomHeader], list[str]]:
    """Some scanners put the scout into the CT's series.

    :return: (headers of the slices, sentences for the user); of a series that is no more than scouts, all of it.
    """
    slices = [header for header in headers if SCOUT not in header.imageType]
    scouts = len(headers) - len(slices)
    if not scouts or len(slices) < MINIMUM_SLICES:
        return list(headers), []
    return slices, [f"{_pictures(scouts)} (localizer, scout) in the CT's series were left out."]


def _pictures(count: int) -> str:
    return f"{count} picture{'s' if count > 1 else ''}"


def joinedSlices(series: Mapping[SeriesKey, Sequence[DicomHeader]]) -> list[DicomHeader]:
    """Slices of one CT that were each given a series UID of its own, by some programs that make files anonymous.

    :return: the most that share study, frame of reference and size; none where they don't state both.
    """
    groups = defaultdict(list)
    for headers in series.values():
        one = headers[0]
        if len(headers) == 1 and one.frames == 1 and one.studyUid and one.frameOfReference and (
                SCOUT not in one.imageType):
            groups[one.studyUid, one.frameOfReference, one.modality, one.rows, one.columns].append(one)
    largest = max(groups.values(), key=len, default=[])
    return largest if len(largest) >= MINIMUM_SLICES else []


def _reasonAgainst(headers: Sequence[DicomHeader]) -> str | None:
    """Why a series is no CT volume, to follow "The series ...", or None."""
    modalities = {header.modality for header in headers}
    if modalities != {"CT"}:
        return f"has modality {', '.join(sorted(modalities))}; give a CT"
    if not all(header.samples and header.photometric and header.pixelOffset for header in headers):
        return "has slices that are damaged or incomplete; copy or export it again"
    if any(header.samples != 1 or header.photometric != "MONOCHROME2" for header in headers):
        return "holds colour or inverted pictures, not CT values; give the original CT"
    if any(SCOUT in header.imageType for header in headers):
        return "holds a localizer (scout) picture; give the CT slices alone"
    if any(header.frames > 1 for header in headers):
        return "has several multi-frame files; give one of them, alone in its folder" if len(headers) > 1 else None
    if not all(header.statesGeometry for header in headers):
        return "does not state size, position, orientation and pixel spacing of each slice; export the original CT"
    if len(headers) < MINIMUM_SLICES:
        return f"has only {len(headers)} slice{'s' if len(headers) > 1 else ''}; give the whole CT"
    return None
