"""Files and folders that appear whole or not at all, however the process ends."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from CervicalSpineDetectionLib.Errors import InputError

TEMPORARY_PREFIX = ".unfinished-"
FINISHED_PREFIX = ".finished-"
MANIFEST = "written.json"


def ensureWritable(folder: str | Path) -> None:
    """Make a folder and check that files can be written to it.

    :raises InputError: they can't.
    """
    try:
        # Slicer's scene writer takes text only.
        str(folder).encode()
        Path(folder).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except (OSError, UnicodeEncodeError) as error:
        reason = getattr(error, "strerror", "its name is not valid text")
        raise InputError(f"Results can't be written to {folder} ({reason}); choose another folder.") from error


@contextmanager
def atomicFile(path: str | Path) -> Iterator[Path]:
    """A temporary file beside ``path`` that takes its place when the block ends without an error.

    :param path: file that may be there already.
    :return: context manager giving the Path to write to, with the same ending.
    """
    path = Path(path)
    temporary = path.with_name(f"{TEMPORARY_PREFIX}{os.getpid()}-{path.name}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomicFolder(folder: str | Path, names: Sequence[str]) -> Iterator[Path]:
    """A temporary folder whose files replace those of ``folder`` when the block ends without an error.

    Earlier files of these names that were not written anew are removed, so that no folder mixes two runs; all other
    files stay. The temporary folder lies in ``folder``, because only on the same disk files can be moved without a
    copy. A process killed before all files are written leaves the earlier results; one killed while they are put in
    place leaves the new ones in a folder from which ``finishLeftovers``, called by the next run, moves the rest.

    :param folder: existing folder.
    :param names: file names that may be written; the last one is replaced last.
    :return: context manager giving the Path to write to, absolute (Slicer's scene writer takes no other).
    """
    folder = Path(folder).absolute()
    finishLeftovers(folder, names)
    with tempfile.TemporaryDirectory(prefix=TEMPORARY_PREFIX, dir=folder) as temporary:
        yield Path(temporary)
        # A name that is not in the finished folder was put in place already, or is to go: the list tells.
        written = [name for name in names if Path(temporary, name).exists()]
        Path(temporary, MANIFEST).write_text(json.dumps(written), encoding="utf-8")
        finished = folder / Path(temporary).name.replace(TEMPORARY_PREFIX, FINISHED_PREFIX)
        # From here on the results are the new ones, however the process ends.
        os.rename(temporary, finished)
    _putInPlace(finished, folder, names)


def finishLeftovers(folder: str | Path, names: Sequence[str]) -> None:
    """Put in place what a killed process had written whole, remove what it had not.

    :param folder: see ``atomicFolder``.
    :param names: see ``atomicFolder``.
    """
    for finished in sorted(Path(folder).glob(f"{FINISHED_PREFIX}*")):
        _putInPlace(finished, Path(folder), names)
    removeUnfinished(folder)


def _putInPlace(finished: Path, folder: Path, names: Sequence[str]) -> None:
    if (finished / MANIFEST).exists():
        written = json.loads((finished / MANIFEST).read_text(encoding="utf-8"))
        for name in names:
            if name not in written:
                (folder / name).unlink(missing_ok=True)
            elif (finished / name).exists():
                os.replace(finished / name, folder / name)
    shutil.rmtree(finished)


@contextmanager
def newFolder(target: str | Path) -> Iterator[Path]:
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


def removeUnfinished(folder: str | Path) -> None:
    """Remove what killed processes left in a folder."""
    for leftover in Path(folder).glob(f"{TEMPORARY_PREFIX}*"):
        if leftover.is_dir():
            shutil.rmtree(leftover, ignore_errors=True)
        else:
            leftover.unlink(missing_ok=True)
