"""Which CTs lie in a folder tree."""

from __future__ import annotations

import hashlib
import os
import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Imaging.DicomHeader import isDicom, readDicomHeader
from CervicalSpineDetectionLib.Imaging.DicomSeries import SCOUT, joinedSlices, withoutScouts
from CervicalSpineDetectionLib.Imaging.ImageFile import IMAGE_SUFFIXES

LONGEST_NAME = 60
DIGEST_LENGTH = 12


@dataclass(frozen=True)
class Scan:
    """One CT, or what might have been one.

    :param name: of its result folder: letters, digits, ".", "_" and "-" only, the same in every run, another one when
        the data change in size. From an image file's own name; of DICOM nothing but a digest, for its file and folder
        names and identifiers may be a patient's.
    :param path: what ``ReadImage.readImage`` takes: an image file, or one file of a DICOM series.
    :param leftOut: why it is not looked at, empty for a CT.
    """

    name: str
    path: Path
    leftOut: str = ""


def findScans(root: Path, pattern: str = "*", without: Path | None = None) -> list[Scan]:
    """Image files, and DICOM series by folder, below a folder.

    Hidden files and folders are passed over, linked folders not followed.

    :param root: folder.
    :param pattern: of the names of image files, such as "*_ct.nii.gz"; DICOM is found whatever its name.
    :param without: folder that is passed over.
    :return: list of Scan, in the order of their paths.
    :raises InputError: a folder can't be read.
    """
    root = Path(root).resolve()
    without = Path(without).resolve() if without else None
    scans = []
    for folder, subFolders, names in os.walk(root, onerror=_refuse):
        subFolders[:] = sorted(name for name in subFolders
                               if not name.startswith(".") and Path(folder, name) != without)
        files = [Path(folder, name) for name in sorted(names) if not name.startswith(".")]
        images = [file for file in files if file.name.lower().endswith(IMAGE_SUFFIXES)]
        scans += [_imageScan(file, root) for file in images if file.match(pattern)]
        scans += _dicomScans([file for file in files if file not in images], root)
    return scans


def _refuse(error):
    """What lies in such a folder must not be missing without a word."""
    raise InputError(f"{error.filename} can't be read ({error.strerror}); correct the permissions.") from error


def _imageScan(path, root):
    stem = path.name[: -len(next(end for end in sorted(IMAGE_SUFFIXES, key=len, reverse=True)
                                 if path.name.lower().endswith(end)))]
    stem = re.sub(r"[^A-Za-z0-9._-]+", "_", stem).strip("._-")[:LONGEST_NAME] or "image"
    # A link that leads nowhere is a scan too, which reading will refuse.
    size = path.stat().st_size if path.is_file() else 0
    return Scan(f"{stem}-{_digest(path.relative_to(root).as_posix(), size)}", path)


def _dicomScans(paths, root):
    series, damaged = defaultdict(list), []
    for path in paths:
        if not path.is_file() or not _mayBeDicom(path):
            continue
        try:
            header = readDicomHeader(path)
        except (InputError, OSError):  # reading the scan tells the user
            damaged.append(path)
            continue
        if not header.isIndex:
            series[header.seriesUid or path.name, header.modality].append(header)
    joined = joinedSlices(series)
    for header in joined:
        del series[header.seriesUid, header.modality]
    if joined:
        series[joined[0].studyUid, joined[0].modality] = joined
    scans = [_dicomScan(uid, headers, root) for (uid, _), headers in series.items()]
    return sorted([*scans, *(_damagedScan(path, root) for path in damaged)], key=lambda scan: scan.path)


def _mayBeDicom(path):
    try:
        return isDicom(path)
    except OSError:  # nobody knows; reading it will tell why
        return True


def _dicomScan(uid, headers, root):
    slices, _ = withoutScouts(headers)
    digest = _digest(slices[0].path.parent.relative_to(root).as_posix(), uid, len(headers))
    return Scan(f"dicom-{digest}", slices[0].path, _reasonToLeaveOut(slices))


def _damagedScan(path, root):
    return Scan(f"dicom-{_digest(path.parent.relative_to(root).as_posix(), path.name, 1)}", path)


def _reasonToLeaveOut(headers):
    """A study holds much beside its CT: scouts, structure sets, reports."""
    if headers[0].modality != "CT":
        return f"DICOM of modality {headers[0].modality}, not CT."
    if not any(header.holdsImage for header in headers):
        return "DICOM without a picture."
    return "Localizer (scout) picture, not a CT volume." if all(SCOUT in one.imageType for one in headers) else ""


def _digest(*parts):
    return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()[:DIGEST_LENGTH]
