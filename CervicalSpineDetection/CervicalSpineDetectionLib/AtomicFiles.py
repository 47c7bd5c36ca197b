"""Files and folders that appear whole or not at all, however the process or the power ends."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.FolderLock import lockedFolder

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
        # A folder that is not finished is waited for as a whole.
        if not path.absolute().parent.name.startswith(TEMPORARY_PREFIX):
            toDisk(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomicFolder(folder: str | Path, names: Sequence[str], locked: bool = False) -> Iterator[Path]:
    """A temporary folder whose files replace those of ``folder`` when the block ends without an error.

    Earlier files of these names that were not written anew are removed, so that no folder mixes two runs; all other
    files stay. The temporary folder lies in ``folder``, because only on the same disk files can be moved without a
    copy. A process killed before all files are written leaves the earlier results; one killed while they are put in
    place leaves the new ones in a folder from which ``finishLeftovers``, called by the next run, moves the rest. Only
    one process does so at a time.

    :param folder: existing folder.
    :param names: file names that may be written; the last one is replaced last.
    :param locked: the caller holds the folder, see ``FolderLock``.
    :return: context manager giving the Path to write to, absolute (Slicer's scene writer takes no other).
    :raises InputError: another process writes to the folder.
    """
    folder = Path(folder).absolute()
    with nullcontext() if locked else lockedFolder(folder):
        finishLeftovers(folder)
        with tempfile.TemporaryDirectory(prefix=TEMPORARY_PREFIX, dir=folder) as temporary:
            yield Path(temporary)
            finished = _finish(Path(temporary), names)
        _putInPlace(finished, folder)


def _finish(temporary: Path, names: Sequence[str]) -> Path:
    """Declare a folder's files whole: from here on the results are the new ones, however the process ends."""
    # A name that is not in the finished folder was put in place already, or is to go: the list tells.
    plan = {name: (temporary / name).exists() for name in names}
    (temporary / MANIFEST).write_text(json.dumps(plan), encoding="utf-8")
    toDisk(temporary)
    finished = temporary.with_name(temporary.name.replace(TEMPORARY_PREFIX, FINISHED_PREFIX))
    os.rename(temporary, finished)
    return finished


def finishLeftovers(folder: str | Path) -> None:
    """Put in place what a killed process had written whole, whichever command it ran; remove what it had not.

    :param folder: see ``atomicFolder``.
    """
    for finished in _entries(folder, FINISHED_PREFIX):
        _putInPlace(finished, Path(folder))
    removeUnfinished(folder)


def _putInPlace(finished: Path, folder: Path) -> None:
    for name, written in _planOf(finished).items():
        if not written:
            (folder / name).unlink(missing_ok=True)
        elif (finished / name).exists():
            os.replace(finished / name, folder / name)
    _remove(finished)


def _planOf(finished: Path) -> dict[str, bool]:
    """File name -> whether it was written, else it is to go. Empty where there is no such list: nothing was finished,
    and what is in place stays.
    """
    try:
        plan = json.loads((finished / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    # A name of this folder, and no path out of it.
    whole = isinstance(plan, dict) and all(Path(name).name == name != "" for name in plan)
    return plan if whole else {}


def toDisk(path: Path) -> None:
    """Wait until a file, or a folder with its files, is on the disk: after a loss of power no name may lead to an empty
    file.
    """
    for file in path.rglob("*") if path.is_dir() else (path,):
        if file.is_file():
            with open(file, "r+b") as opened:
                os.fsync(opened.fileno())
    if path.is_dir() and os.name != "nt":
        descriptor = os.open(path, os.O_RDONLY)
        try:
            # Not every file system can do this with a folder.
            with suppress(OSError):
                os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _entries(folder: str | Path, prefix: str) -> list[Path]:
    """What is called so in a folder, whose own name may be a pattern to ``glob``."""
    return sorted(Path(folder, name) for name in os.listdir(folder) if name.startswith(prefix))


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


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
        toDisk(temporary)
        try:
            os.rename(temporary, target)
        except OSError:
            if not target.is_dir():
                raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def removeUnfinished(folder: str | Path) -> None:
    """Remove what killed processes left in a folder."""
    for leftover in _entries(folder, TEMPORARY_PREFIX):
        _remove(leftover)
