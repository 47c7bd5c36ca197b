"""Files of the scans to come, fetched from the disk by the system while those before them are worked on."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from CervicalSpineDetectionLib.Cohort.Scans import Scan
from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Imaging.ImageFile import IMAGE_SUFFIXES
from CervicalSpineDetectionLib.Imaging.OpenFile import fileSize, openPlain

# Of one file or folder: larger than most CTs, and not an archive that lies in one folder.
MOST_BYTES = 1 << 30


class ReadAhead:
    """In a thread of its own, which nobody waits for: a disk that hangs must hold up no scan."""

    def __init__(self) -> None:
        self._asked: set[Path] = set()  # files and folders
        self._paths: queue.SimpleQueue[Path] = queue.SimpleQueue()
        threading.Thread(target=self._fetch, daemon=True).start()

    def __call__(self, scans: Iterable[Scan]) -> None:
        """:param scans: that come next; the folder of several is fetched once."""
        for source in (sourceOf(scan.path) for scan in scans):
            if source not in self._asked:
                self._asked.add(source)
                self._paths.put(source)

    def _fetch(self) -> None:
        while True:
            left = MOST_BYTES
            # Reading the scan tells what is wrong with it.
            with suppress(OSError):
                for file in filesOf(self._paths.get()):
                    with suppress(OSError, InputError):
                        left -= fetch(file)
                    if left <= 0:
                        break


def sourceOf(path: Path) -> Path:
    """What a scan is read from: an image file, or the folder of a DICOM series. :param path: see ``Scans.Scan``."""
    return path if path.name.lower().endswith(IMAGE_SUFFIXES) or path.is_dir() else path.parent


def filesOf(source: Path) -> list[Path]:
    """Of a file or folder, see ``sourceOf``. :raises OSError: the folder can't be read."""
    return sorted(source.iterdir()) if source.is_dir() else [source]


def fetch(path: Path) -> int:
    """Ask the system for a file, where it can be asked. :return: its bytes.

    :raises OSError, InputError: see ``openPlain``.
    """
    with openPlain(path) as file:
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_WILLNEED)
        return fileSize(file)
