"""Each measurement in a fresh process: none warms up, fills the memory or sets the threads of another."""

from __future__ import annotations

import concurrent.futures
import multiprocessing
import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from CervicalSpineDetectionLib.ProcessTuning import tuneProcess
from CervicalSpineDetectionLib.SafeChildren import startingSafely

STATUS = Path("/proc/self/status")


@dataclass(frozen=True)
class Measured:
    """:param value: what the function returned. :param peakMemory: MB, most that its process held at a time."""

    value: Any
    peakMemory: float


def inFreshProcess(function, *arguments):
    """Run a function in a process of its own.

    :param function: importable by name; arguments and result are pickled.
    :return: Measured.
    """
    # A forked process would inherit the memory and the threads of this one.
    context = multiprocessing.get_context("spawn")
    with startingSafely(), concurrent.futures.ProcessPoolExecutor(1, context) as pool:
        return pool.submit(_measured, function, arguments).result()


def _measured(function, arguments):
    tuneProcess()
    return Measured(function(*arguments), peakMemory())


def peakMemory():
    """MB, most that this process held at a time."""
    if STATUS.exists():
        # Not getrusage: on Linux its maximum starts from that of the process that started this one.
        line = next(line for line in STATUS.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    import psutil

    memory = psutil.Process().memory_info()
    return getattr(memory, "peak_wset", memory.rss) / 2**20


def medianSeconds(function, repeats, warmUp=True):
    """Median wall time of a call.

    :param warmUp: one call more before, not timed.
    """
    if warmUp:
        function()
    return statistics.median(_seconds(function) for _ in range(repeats))


def bestSeconds(function, repeats):
    """Shortest wall time of a call: what the machine can do, whatever else it did at other times."""
    return min(_seconds(function) for _ in range(repeats))


def _seconds(function):
    started = time.perf_counter()
    function()
    return time.perf_counter() - started
