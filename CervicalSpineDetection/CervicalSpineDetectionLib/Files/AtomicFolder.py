"""Result files appear together, whole, or not at all."""

import contextlib
import os
import shutil
import tempfile
from pathlib import Path

from CervicalSpineDetectionLib.Errors import InputError


def ensureWritable(folder):
    """Make an output folder, before the long run rather than after.

    :raises InputError: it can't be made or written to.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise InputError(f"The output folder {folder} can't be written ({error.strerror}); choose another.") from None


@contextlib.contextmanager
def atomicFolder(folder):
    """Write files into the yielded temporary folder; they replace those of ``folder`` when the block ends well.

    Other files in ``folder`` stay. If the block raises, ``folder`` is as before.

    :param folder: an existing folder.
    """
    folder = Path(folder)
    temporary = Path(tempfile.mkdtemp(prefix=".unfinished-", dir=folder))
    try:
        yield temporary
        for file in sorted(temporary.iterdir()):
            os.replace(file, folder / file.name)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
