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
    removeUnfinished(folder)
    with tempfile.TemporaryDirectory(prefix=TEMPORARY_PREFIX, dir=folder) as temporary:
        yield Path(temporary)
        for name in names:
            written = Path(temporary, name)
            if written.exists():
                os.replace(written, folder / name)
            else:
                (folder / name).unlink(missing_ok=True)


@contextmanager
def newFolder(target):
    """A temporary folder that takes the name ``target`` when the block ends without an error: it is there whole or not
    at all, however the process ends.

    Where ``target`` exists by then, another process did the same; its folder stays and this one is dropped.

    :param target: folder that does not exist, in one that does.
    :return: context manager giving the Path to write to, absolute.
    """
    target = Path(target).absolute()
    temporary = Path(tempfile.mkdtemp(prefix=TEMPORARY_PREFIX, dir=target.parent))
    try:
        yield temporary
        # mkdtemp makes folders for the owner alone; as its neighbour the folder may be read by whom the parent lets.
        temporary.chmod(target.parent.stat().st_mode & 0o777)
        try:
            os.rename(temporary, target)
        except OSError:
            if not target.is_dir():
                raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def removeUnfinished(folder):
    """Remove what killed processes left in a folder."""
    for leftover in Path(folder).glob(f"{TEMPORARY_PREFIX}*"):
        shutil.rmtree(leftover, ignore_errors=True)
