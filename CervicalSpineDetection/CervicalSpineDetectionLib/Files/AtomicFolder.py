"""Result files that appear in a folder all together or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path

from CervicalSpineDetectionLib.Errors import InputError

TEMPORARY_PREFIX = ".unfinished-"


def ensureWritable(folder):
    """Make a folder and check that files can be written to it.

    :raises InputError: they can't.
    """
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise InputError(f"Results can't be written to {folder} ({error.strerror}); choose another folder.") from error


@contextmanager
def atomicFolder(folder, names):
    """A temporary folder whose files replace those of ``folder`` when the block ends without an error.

    Earlier files of these names that were not written anew are removed, so that no folder mixes two runs; all other
    files stay. What a killed run left is removed too. The temporary folder lies in ``folder``, because only on the
    same disk files can be moved without a copy.

    :param folder: existing folder.
    :param names: file names that may be written; the last one is replaced last.
    :return: context manager giving the Path to write to, absolute (Slicer's scene writer takes no other).
    """
    folder = Path(folder).absolute()
    for leftover in folder.glob(f"{TEMPORARY_PREFIX}*"):
        shutil.rmtree(leftover, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=TEMPORARY_PREFIX, dir=folder) as temporary:
        yield Path(temporary)
        for name in names:
            written = Path(temporary, name)
            if written.exists():
                os.replace(written, folder / name)
            else:
                (folder / name).unlink(missing_ok=True)
