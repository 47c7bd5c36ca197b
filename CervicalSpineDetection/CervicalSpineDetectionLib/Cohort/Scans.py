"""Which CTs lie in a folder tree."""

from __future__ import annotations

import hashlib
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Imaging.DicomHeader import DicomHeader, isDicom, readDicomHeader
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
    :param path: what ``ReadImage.readImage`` takes: an image file, one file of a DICOM series, or the folder of one.
    :param leftOut: why it is not looked at, empty for a CT.
    """

    name: str
    path: Path
    leftOut: str = ""


def findScans(root: Path, pattern: str = "*", without: Path | None = None) -> list[Scan]:
    """Image files, and DICOM series by folder, below a folder.

    Hidden files and folders are passed over. Links are followed, each folder once: patients' folders are often links,
    and a link may lead above itself.

    :param root: folder.
    :param pattern: of the names of image files, such as "*_ct.nii.gz"; DICOM is found whatever its name.
    :param without: folder that is passed over.
    :return: list of Scan, in the order of their paths.
    :raises InputError: a folder can't be read.
    """
    root = Path(root).resolve()
    seen = {_identity(without)} if without and Path(without).is_dir() else set()
    scans, places = [], defaultdict(list)
    for folder, subFolders, names in os.walk(root, onerror=_refuse, followlinks=True):
        if _identity(folder) in seen:
            subFolders.clear()
            continue
        seen.add(_identity(folder))
        subFolders[:] = sorted(name for name in subFolders if not name.startswith("."))
        files = [Path(folder, name) for name in sorted(names) if not name.startswith(".")]
        images = [file for file in files if file.name.lower().endswith(IMAGE_SUFFIXES)]
        scans += [_imageScan(file, root) for file in images if file.match(pattern)]
        for scan, key in _dicomScans([file for file in files if file not in images], root):
            scans.append(scan)
            places[key].append(scan)
    return _joinedParts(scans, [parts for key, parts in places.items() if key[1] == "CT" and len(parts) > 1], root)


def _identity(folder: str | Path) -> tuple[int, int]:
    """The same for all paths and links that lead to a folder."""
    status = os.stat(folder)
    return status.st_dev, status.st_ino


def _refuse(error: OSError) -> None:
    """What lies in such a folder must not be missing without a word."""
    raise InputError(f"{error.filename} can't be read ({error.strerror}); correct the permissions.") from error


def _imageScan(path: Path, root: Path) -> Scan:
    stem = path.name[: -len(next(end for end in sorted(IMAGE_SUFFIXES, key=len, reverse=True)
                                 if path.name.lower().endswith(end)))]
    stem = re.sub(r"[^A-Za-z0-9._-]+", "_", stem).strip("._-")[:LONGEST_NAME] or "image"
    # A link that leads nowhere is a scan too, which reading will refuse.
    size = path.stat().st_size if path.is_file() else 0
    return Scan(f"{stem}-{_digest(path.relative_to(root).as_posix(), size)}", path)


def _dicomScans(paths: Iterable[Path], root: Path) -> list[tuple[Scan, tuple[str, str]]]:
    """:return: list of (Scan, its series UID and modality), one a CT or other series of a folder."""
    series, damaged = defaultdict(list), []
    for path in paths:
        if not _mayBeDicom(path):
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
    scans = [(_dicomScan(key[0], headers, root), key) for key, headers in series.items()]
    scans += [(_damagedScan(path, root), (path.name, "")) for path in damaged]
    return sorted(scans, key=lambda scan: scan[0].path)


def _mayBeDicom(path: Path) -> bool:
    try:
        return path.is_symlink() and not path.exists() or path.is_file() and isDicom(path)
    except OSError:  # nobody knows; reading it will tell why
        return True


def _dicomScan(uid: str, headers: list[DicomHeader], root: Path) -> Scan:
    slices, _ = withoutScouts(headers)
    digest = _digest(slices[0].path.parent.relative_to(root).as_posix(), uid, len(headers))
    return Scan(f"dicom-{digest}", slices[0].path, _reasonToLeaveOut(slices))


def _damagedScan(path: Path, root: Path) -> Scan:
    return Scan(f"dicom-{_digest(path.parent.relative_to(root).as_posix(), path.name, 1)}", path)


def _joinedParts(scans: list[Scan], split: Iterable[list[Scan]], root: Path) -> list[Scan]:
    """Series whose slices lie in several folders as one scan each: the folder that holds them all, where it holds no
    other CT. Copies of a series are scans of their own.

    :param split: lists of scans that are, by their UID, one series.
    """
    for parts in split:
        if _areCopies([part.path.parent for part in parts]):
            continue
        folder = Path(os.path.commonpath([part.path.parent for part in parts]))
        others = [scan for scan in scans if scan not in parts and not scan.leftOut and folder in scan.path.parents]
        name = f"dicom-{_digest(folder.relative_to(root).as_posix(), *(part.name for part in parts))}"
        reason = "The series lies in several folders that hold other CTs too; put its files into one." if others else ""
        joined = Scan(name, parts[0].path if others else folder, reason)
        scans = [joined if scan == parts[0] else scan for scan in scans if scan not in parts[1:]]
    return scans


def _areCopies(folders: Iterable[Path]) -> bool:
    """Whether the same slice lies in more than one folder."""
    seen = set()
    for folder in folders:
        slices = set(_slicesOf(folder))
        if seen & slices:
            return True
        seen |= slices
    return False


def _slicesOf(folder: Path) -> Iterator[str]:
    """UIDs."""
    for path in sorted(folder.iterdir()):
        with suppress(InputError, OSError):
            if path.is_file() and isDicom(path):
                yield readDicomHeader(path).sopUid


def _reasonToLeaveOut(headers: Sequence[DicomHeader]) -> str:
    """A study holds much beside its CT: scouts, structure sets, reports."""
    if headers[0].modality != "CT":
        return f"DICOM of modality {headers[0].modality}, not CT."
    if not any(header.holdsImage for header in headers):
        return "DICOM without a picture."
    return "Localizer (scout) picture, not a CT volume." if all(SCOUT in one.imageType for one in headers) else ""


def _digest(*parts: object) -> str:
    return hashlib.sha256("\0".join(map(str, parts)).encode("utf-8", "surrogateescape")).hexdigest()[:DIGEST_LENGTH]
