"""Each measurement in a fresh process: none warms up, fills the memory or sets the threads of another."""

from __future__ import annotations

import concurrent.futures
import multiprocessing
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from CervicalSpineDetectionLib.ProcessTuning import tuneProcess
from CervicalSpineDetectionLib.SafeChildren import endWithStarter, startingSafely

STATUS = Path("/proc/self/status")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Measured(Generic[Result]):
    """:param value: what the function returned. :param peakMemory: MB, most that its process held at a time."""

    value: Result
    peakMemory: float


def inFreshProcess(function: Callable[..., Result], *arguments: Any) -> Measured[Result]:
    """Run a function in a process of its own.

    :param function: importable by name; arguments and result are pickled.
    """
    # A forked process would inherit the memory and the threads of this one.
    context = multiprocessing.get_context("spawn")
    with startingSafely(), concurrent.futures.ProcessPoolExecutor(1, context, endWithStarter) as pool:
        return pool.submit(_measured, function, arguments).result()


def _measured(function: Callable[..., Result], arguments: Sequence[Any]) -> Measured[Result]:
    tuneProcess()
    return Measured(function(*arguments), peakMemory())


def peakMemory() -> float:
    """MB, most that this process held at a time."""
    if STATUS.exists():
        # Not getrusage: on Linux its maximum starts from that of the process that started this one.
        line = next(line for line in STATUS.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    import psutil

    memory = psutil.Process().memory_info()
    return getattr(memory, "peak_wset", memory.rss) / 2**20


def medianSeconds(function: Callable[[], object], repeats: int, warmUp: bool = True) -> float:
    """Median wall time of a call.

    :param warmUp: one call more before, not timed.
    """
    if warmUp:
        function()
    return statistics.median(_seconds(function) for _ in range(repeats))


def bestSeconds(function: Callable[[], object], repeats: int) -> float:
    """Shortest wall time of a call: what the machine can do, whatever else it did at other times."""
    return min(_seconds(function) for _ in range(repeats))


def _seconds(function: Callable[[], object]) -> float:
    started = time.perf_counter()
    function()
    return time.perf_counter() - started
