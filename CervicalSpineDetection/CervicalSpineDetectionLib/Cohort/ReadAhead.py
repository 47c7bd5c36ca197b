"""Files of the scans to come, fetched from the disk by the system while those before them are worked on."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from CervicalSpineDetectionLib.Cohort.Scans import Scan
from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Imaging.ImageFile import IMAGE_SUFFIXES
from CervicalSpineDetectionLib.Imaging.OpenFile import openPlain


class ReadAhead:
    """In a thread of its own, which nobody waits for: a disk that hangs must hold up no scan."""

    def __init__(self) -> None:
        self._asked: set[Path] = set()
        self._paths: queue.SimpleQueue[Path] = queue.SimpleQueue()
        threading.Thread(target=self._fetch, daemon=True).start()

    def __call__(self, scans: Iterable[Scan]) -> None:
        """:param scans: that come next; each is fetched once."""
        for scan in scans:
            if scan.path not in self._asked:
                self._asked.add(scan.path)
                self._paths.put(scan.path)

    def _fetch(self) -> None:
        while True:
            path = self._paths.get()
            # Reading the scan tells what is wrong with it.
            with suppress(OSError):
                for file in filesOf(path):
                    with suppress(OSError, InputError):
                        fetch(file)


def filesOf(path: Path) -> Iterator[Path]:
    """Files of a scan: an image file itself, or all that lie beside a file of a DICOM series, or in its folder."""
    if path.name.lower().endswith(IMAGE_SUFFIXES):
        yield path
    else:
        yield from sorted(path.iterdir() if path.is_dir() else path.parent.iterdir())


def fetch(path: Path) -> None:
    """Ask the system for a file, where it can be asked. :raises OSError, InputError: see ``openPlain``."""
    if hasattr(os, "posix_fadvise"):
        with openPlain(path) as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_WILLNEED)
