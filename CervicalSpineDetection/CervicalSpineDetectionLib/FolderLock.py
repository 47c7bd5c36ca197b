"""A folder that one run at a time writes to."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from CervicalSpineDetectionLib.Errors import InputError

LOCK_FILE = ".lock"
HOLDER_FILE = ".lock-holder"


@contextmanager
def lockedFolder(folder: str | Path) -> Iterator[None]:
    """Keep other runs out of a folder for as long as the block lasts, or the process.

    :param folder: existing folder that can be written to.
    :raises InputError: another run holds it; the message says which.
    """
    import filelock  # not at file scope: Slicer's panel loads this file before it has installed packages

    folder = Path(folder)
    # A file of its own, for filelock may empty its file when it opens it.
    holder = folder / HOLDER_FILE
    lock = filelock.FileLock(folder / LOCK_FILE, timeout=0)
    try:
        lock.acquire()
    except filelock.Timeout:
        raise InputError(f"Another run writes to {folder}{_describe(holder)}; wait for it, stop it, or choose another "
                         "folder.") from None
    except OSError as error:
        raise InputError(f"Results can't be written to {folder} ({error.strerror or error}); choose another "
                         "folder.") from error
    try:
        # A full disk is told where the results are written.
        with suppress(OSError):
            holder.write_text(json.dumps({"process": os.getpid(), "computer": platform.node(),
                                          "since": time.strftime("%Y-%m-%d %H:%M")}), encoding="utf-8")
        yield
    finally:
        for file in (holder, folder / LOCK_FILE):
            with suppress(OSError):  # on Windows it is open
                file.unlink(missing_ok=True)
        lock.release()


def _describe(holder: Path) -> str:
    """Who, as far as it is known."""
    try:
        who = json.loads(holder.read_text(encoding="utf-8"))
        return f" (process {who['process']:d} on {who['computer']!s:.60}, since {who['since']!s:.20})"
    except (OSError, ValueError, KeyError, TypeError):
        return ""
