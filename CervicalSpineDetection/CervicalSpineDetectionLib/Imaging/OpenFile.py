"""Files of others are opened only where they are plain files of a bounded size."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO

from CervicalSpineDetectionLib.Errors import InputError

# The header of an image file: a few kB, with all of a DICOM header copied into it a few 100 kB.
MAXIMUM_HEADER_BYTES = 1 << 20


def openPlain(path: Path) -> BinaryIO:
    """Open a file, unless it is a pipe or a device, which may have no end or never begin.

    :return: file, to be closed by the caller.
    :raises InputError: no plain file. :raises OSError: it can't be opened.
    """
    # Opening a pipe without this waits for somebody who writes into it.
    nonBlocking = getattr(os, "O_NONBLOCK", 0)
    file = open(path, "rb", opener=lambda name, flags: os.open(name, flags | nonBlocking))
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise InputError(f"{path} is no plain file (a pipe or a device, perhaps); copy the CT into a file.")
    return file


def fileSize(file: BinaryIO) -> int:
    """:return: bytes of an open file."""
    return os.fstat(file.fileno()).st_size


def dataFile(header: Path, name: str) -> Path:
    """The data file that a header names.

    :param header: file with the header.
    :param name: as the header states it. Headers come from anyone and may name any file of the disk, so only files in
        the same folder are taken, also where links lead.
    :return: path of the file.
    :raises InputError: missing or in another folder.
    """
    plain = name.removeprefix("./")
    if plain in ("", ".", "..") or any(one in '/\\:*?"<>|' or ord(one) < 32 for one in plain):
        raise InputError(f"{header} names a data file that does not lie beside it; put both into one folder, and the "
                         "file's name alone into the header.")
    path = header.parent / plain
    if not path.is_file():
        raise InputError(f"{header} is damaged or incomplete: its data file is not beside it; copy both together.")
    if path.resolve().parent not in (header.parent.resolve(), header.resolve().parent):
        raise InputError(f"{header} names a data file that is a link into another folder; copy the file itself there.")
    return path
