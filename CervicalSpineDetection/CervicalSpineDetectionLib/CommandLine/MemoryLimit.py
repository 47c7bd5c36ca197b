"""A command whose memory is limited (``ulimit -v``) ends in a sentence, also where a library without memory ends it."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Callable

# A larger limit is not a likelier cause than a fault of this program.
SMALL_LIMIT = 8 << 30
# With less, numpy can't be loaded (145 MB), and its own library ends the process.
LEAST_BYTES = 160 << 20
DONE = b"done"
# Of libraries that end the process (numpy's) or wait for ever (ITK) where a thread gets no memory for its stack.
SINGLE_THREAD_VARIABLES = ("OPENBLAS_NUM_THREADS", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS")


def smallLimit() -> int | None:
    """Bytes of memory that this process may use, None where nothing or much is allowed."""
    try:
        import resource
    except ImportError:  # Windows has none.
        return None
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    return limit if limit != resource.RLIM_INFINITY and limit < SMALL_LIMIT else None


def told(limit: int) -> str:
    """The limit, for a sentence."""
    return f"{limit / 2**20:.0f} MB of memory (ulimit -v)"


def tooLittle(least: int, limit: int) -> str:
    """A sentence. :param least: bytes that are needed."""
    return f"This command needs {least >> 20} MB or more, and may use only {told(limit)}; raise that limit."


def inChild(command: Callable[[], int]) -> int | None:
    """Run a command in a copy of this process.

    :param command: called without arguments, in the copy.
    :return: what it returned; None where it ended before, by a signal or by a library, or can't be begun.
    """
    end, begin = os.pipe()
    try:
        child = os.fork()
    except OSError:
        return None
    if not child:
        _endWithParent()
        os.close(end)
        status = command()
        os.write(begin, DONE)
        sys.exit(status)
    os.close(begin)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: os.kill(child, number))
    # Ctrl+C reaches both; the copy says what becomes of the results.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    with os.fdopen(end, "rb") as pipe:
        return status if pipe.read() == DONE else None


def _endWithParent() -> None:
    """However it ends (Linux)."""
    with contextlib.suppress(AttributeError, OSError):
        setDeathSignal = 1  # PR_SET_PDEATHSIG
        ctypes.CDLL(None).prctl(setDeathSignal, signal.SIGKILL)
