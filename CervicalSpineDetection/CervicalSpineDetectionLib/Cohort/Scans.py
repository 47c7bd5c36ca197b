"""Which CTs lie in a folder tree."""

from __future__ import annotations

import hashlib
import os
import re
import warnings
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import pydicom

from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Imaging.DicomHeader import isDicom
from CervicalSpineDetectionLib.Imaging.ImageFile import IMAGE_SUFFIXES

HEADER_TAGS = ["ImageType", "Modality", "SeriesInstanceUID"]
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
    series = defaultdict(list)
    for path in paths:
        # A DICOMDIR is DICOM too, but an index and no image.
        if path.name.upper() != "DICOMDIR" and path.is_file() and _mayBeDicom(path):
            header = _header(path)
            series[header["SeriesInstanceUID"] or path.name].append((path, header))
    scans = []
    for uid, files in series.items():
        path, header = files[0]
        digest = _digest(path.parent.relative_to(root).as_posix(), uid, len(files))
        scans.append(Scan(f"dicom-{digest}", path, _reasonToLeaveOut(header)))
    return scans


def _mayBeDicom(path):
    try:
        return isDicom(path)
    except OSError:  # nobody knows; reading it will tell why
        return True


def _header(path):
    """Texts of ``HEADER_TAGS``, empty for what is missing or unreadable."""
    try:
        # pydicom's warnings quote header values, which may be a patient's.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            header = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=HEADER_TAGS)
            return {tag: str(header.get(tag) or "") for tag in HEADER_TAGS}
    except Exception:  # whatever a damaged file makes pydicom raise; reading the scan tells the user
        return dict.fromkeys(HEADER_TAGS, "")


def _reasonToLeaveOut(header):
    """A study holds much beside its CT: scouts, structure sets, reports."""
    if header["Modality"] not in ("CT", ""):
        return f"DICOM of modality {re.sub('[^A-Z0-9]', '', header['Modality'])}, not CT."
    return "Localizer (scout) picture, not a CT volume." if "LOCALIZER" in header["ImageType"] else ""


def _digest(*parts):
    return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()[:DIGEST_LENGTH]
