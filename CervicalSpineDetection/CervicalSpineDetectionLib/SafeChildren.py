"""Python processes that take no module from the current folder, which may be a CD of somebody else, and that end with
the one that started them.

``python -c``, ``python -m`` and multiprocessing's children (which begin with ``python -c``) look for modules in the
current folder first: a folder ``vtkmodules`` beside the slices of a CT would run.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# Holds this package alone, or is the folder that all packages are installed in.
SAFE_FOLDER = Path(__file__).resolve().parents[1]
VARIABLE = "PYTHONSAFEPATH"  # Python 3.11 and later; see python --help-env


def runPython(code: str, timeout: float) -> int | None:
    """Run Python code in a process of its own, unheard.

    :param timeout: seconds; then the process is ended.
    :return: exit status, None where the process can't be started or did not end in time.
    """
    try:
        return subprocess.run([sys.executable, "-c", code], cwd=SAFE_FOLDER, timeout=timeout, env=safeEnvironment(),
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL).returncode
    except (OSError, subprocess.SubprocessError):
        return None


def startModule(module: str, *arguments: str, **pipes: Any) -> subprocess.Popen[bytes]:
    """Start a module of this package as a program of its own, whose errors are unheard.

    :param pipes: as of ``subprocess.Popen``.
    :raises OSError: it can't be started.
    """
    environment = safeEnvironment()
    path = os.pathsep.join(filter(None, [str(SAFE_FOLDER), environment.get("PYTHONPATH")]))
    return subprocess.Popen([sys.executable, "-m", module, *arguments], cwd=SAFE_FOLDER,
                            env={**environment, "PYTHONPATH": path}, stderr=subprocess.DEVNULL,
                            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0), **pipes)


def safeEnvironment() -> dict[str, str]:
    """The variables of this process, for a child."""
    return {**os.environ, VARIABLE: "1"}


def endWithStarter() -> None:
    """To be called in a child of multiprocessing: it ends when the process that started it does, however that ends. One
    that is killed stops no child.
    """
    threading.Thread(target=_waitForEnd, daemon=True).start()


def _waitForEnd() -> None:
    from multiprocessing import connection, parent_process

    starter = parent_process()
    if starter is not None:
        connection.wait([starter.sentinel])
        os._exit(1)


@contextmanager
def startingSafely() -> Iterator[None]:
    """Children that multiprocessing starts within the block find modules where this process does, and nowhere else."""
    before, folder = os.environ.get(VARIABLE), os.getcwd()
    os.environ[VARIABLE] = "1"
    # What a child of an older Python does; later it goes to the folder that its parent began in.
    if sys.version_info < (3, 11):
        os.chdir(SAFE_FOLDER)
    try:
        yield
    finally:
        if sys.version_info < (3, 11):
            os.chdir(folder)
        if before is None:
            del os.environ[VARIABLE]
        else:
            os.environ[VARIABLE] = before
