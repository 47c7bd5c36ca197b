"""Result files that appear in a folder all together or not at all."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path

from CervicalSpineDetectionLib.Errors import InputError


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
    files stay. The temporary folder lies in ``folder``: files can be moved without a copy only on the same disk.

    :param folder: existing folder.
    :param names: file names that may be written; the last one is replaced last.
    :return: context manager giving the Path to write to.
    """
    folder = Path(folder)
    with tempfile.TemporaryDirectory(prefix=".unfinished-", dir=folder) as temporary:
        yield Path(temporary)
        for name in names:
            written = Path(temporary, name)
            if written.exists():
                os.replace(written, folder / name)
            else:
                (folder / name).unlink(missing_ok=True)
