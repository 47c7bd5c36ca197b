"""Settings of a process of our own that runs the network; each measured in ``Testing/Performance.md``."""

import contextlib
import ctypes
import os
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from CervicalSpineDetectionLib.SafeChildren import endWithStarter

Item = TypeVar("Item")
Result = TypeVar("Result")

# glibc's names of what mallopt sets (malloc.h).
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_MMAP_MAX = -1, -3, -4
KEPT_BYTES = 2**29
MAPPED_BYTES = 2**25  # the most that mallopt takes
CGROUP_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def tuneProcess() -> None:
    """Make threads wait asleep and freed memory stay at hand. To be called before torch is imported; else half of it
    is lost. Not for an application of other people.
    """
    # Linux. By default threads spin long while they wait for each other, which makes the network ten times slower where
    # another program keeps one of the cores busy.
    os.environ.setdefault("GOMP_SPINCOUNT", "2000")
    # By default glibc gives the layers' memory back after each picture, and the system clears it again for the next.
    _glibc("mallopt", M_MMAP_THRESHOLD, MAPPED_BYTES)
    _glibc("mallopt", M_TRIM_THRESHOLD, KEPT_BYTES)


def keepVolumes() -> None:
    """Make freed memory of whole volumes stay at hand too, for a process that sees CT after CT; see ``giveBack``."""
    _glibc("mallopt", M_MMAP_MAX, 0)


def giveBack() -> None:
    """Give the system what is free of this process's memory."""
    _glibc("malloc_trim", 0)


def _glibc(function: str, *numbers: int) -> None:
    """Call a function of the C library, where it is glibc."""
    if sys.platform == "linux" and hasattr(ctypes.CDLL(None), function):
        getattr(ctypes.CDLL(None), function)(*numbers)


def threadCount() -> int:
    """Threads for a library that does not ask OpenMP: as many as the user set for OpenMP, or as there are cores."""
    # "4,2" sets those of nested parts too.
    first = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return int(first) if first.isdecimal() and int(first) else coreCount()


def onThreads(work: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """Pieces of work beside each other, that leave Python's lock to others for most of their time.

    One after the other where one thread computes: several would only wait for each other.
    """
    if threadCount() == 1:
        return [work(item) for item in items]
    with ThreadPoolExecutor(threadCount()) as pool:
        return list(pool.map(work, items))


def begun(work: Callable[[], Result]) -> Callable[[], Result]:
    """The same of one piece of work, which is begun. :return: gives its result; waits for it, or does it by then."""
    if threadCount() == 1:
        return work
    pool = ThreadPoolExecutor(1)
    future = pool.submit(work)
    pool.shutdown(wait=False)
    return future.result


def coreCount() -> int:
    """Cores that this process may use: of a container, as many as its quota holds."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with contextlib.suppress(OSError, ValueError):
        quota, period = CGROUP_QUOTA.read_text().split()
        cores = min(cores, max(1, int(quota) // int(period)))  # "max" is no number
    return cores


def useOneThread() -> None:
    """For a process beside as many others as there are cores. What is not loaded yet is told by OpenMP's variable."""
    import SimpleITK as sitk

    os.environ["OMP_NUM_THREADS"] = "1"
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)


def beginAsOneOfMany() -> None:
    """The same in a child of multiprocessing, which ends with the process that started it."""
    endWithStarter()
    useOneThread()
