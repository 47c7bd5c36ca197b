"""Processes that work on scans: one that dies or hangs costs the scan it was at, and is followed by another.

They are children of this one and hear it through a pipe. Nothing listens at a port, where any user of the computer
could speak to it.
"""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import multiprocessing.connection
import os
import signal
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from multiprocessing.connection import Connection
from typing import Any, Generic, TypeVar

from CervicalSpineDetectionLib.Errors import InputError, isShortOfMemory
from CervicalSpineDetectionLib.ProcessTuning import coreCount
from CervicalSpineDetectionLib.SafeChildren import endWithStarter, startingSafely

Item = TypeVar("Item")  # a scan, as a rule
# A scan that ends its process (memory, a crash in a library) is tried once more.
ALLOWED_DEATHS = 1
# Read by torch and numpy, ITK, VTK, and Mesa's OpenGL without a graphics card.
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS",
                    "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS", "VTK_SMP_MAX_THREADS", "LP_NUM_THREADS")
# What a process says first. Until then a busy computer may take minutes: torch from a network disk, the first kernels
# of a graphics card.
STARTED = "started"
START_SECONDS = 900
TOO_LATE = "Not done after {seconds:.0f} s, given up; see --time-limit."


class ScanFailed(RuntimeError):
    """What ended or held up the process that worked on a scan, for the user."""


def inProcesses(task: Callable[[Item], object], scans: Iterable[Item], workers: int, secondsEach: float,
                prepare: Callable[[], object] | None = None,
                comingUp: Callable[[Iterable[Item]], object] | None = None) -> Iterator[tuple[Item, Any]]:
    """Run a task on every scan.

    :param task: called with a scan; module-level function or partial of one.
    :param workers: number of processes, which share this computer's cores.
    :param secondsEach: a scan that takes longer is given up.
    :param prepare: called without arguments in each process before its first scan.
    :param comingUp: called here with the next scan of each process whenever scans were handed out.
    :return: generator of (scan, what the task returned, or ScanFailed), in the order they end.
    :raises InputError: a process can't prepare itself.
    :raises OSError: the task raised it.
    """
    waiting, deaths, running = deque(scans), Counter(), []
    try:
        while waiting or any(process.scan for process in running):
            idle = [process for process in running if not process.scan]
            while waiting and (idle or len(running) < workers):
                if not idle:
                    running.append(_ScanProcess(task, prepare, threadsEach(workers)))
                process = idle.pop() if idle else running[-1]
                process.begin(waiting.popleft(), secondsEach)
            if comingUp:
                comingUp(itertools.islice(waiting, workers))
            for process in _nextOf(running):
                scan, answer = process.answer()
                if answer == STARTED:
                    continue
                if isinstance(answer, _Ended):
                    running.remove(process)
                    deaths[scan] += 1
                    if not answer.tooLate and deaths[scan] <= ALLOWED_DEATHS:
                        waiting.appendleft(scan)
                        continue
                    answer = ScanFailed(str(answer))
                elif isinstance(answer, Exception):
                    raise answer
                yield scan, answer
    finally:
        for process in running:
            process.end()


def threadsEach(workers: int) -> int:
    """Threads for each of several processes: together as many as there are cores, for more only wait for each other."""
    return max(1, coreCount() // workers)


class _Ended:
    """A process that ended before it answered. :param tooLate: it was ended for taking too long."""

    def __init__(self, tooLate: bool, seconds: float) -> None:
        self.tooLate, self._seconds = tooLate, seconds

    def __str__(self) -> str:
        if self.tooLate:
            return TOO_LATE.format(seconds=self._seconds)
        return "The process that worked on this scan ended twice (too little memory, or a file that crashes a library)."


class _ScanProcess(Generic[Item]):
    """See ``inProcesses``. :param threads: for its libraries."""

    def __init__(self, task: Callable[[Item], object], prepare: Callable[[], object], threads: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_work, args=(theirs, task, prepare), daemon=True)
        try:
            with startingSafely(), _variables(dict.fromkeys(THREAD_VARIABLES, str(threads))):
                self._process.start()
        except OSError as error:
            raise InputError(f"No process can be started for the scans ({error.strerror or error}); use fewer "
                             "--workers, or close other programs.") from error
        theirs.close()
        self.scan: Item | None = None
        self._hasStarted = False
        self._seconds = self.deadline = 0.0

    def begin(self, scan: Item, seconds: float) -> None:
        """:param seconds: see ``inProcesses``, from now on, or from when the process has started."""
        self.scan, self._seconds = scan, seconds
        self.deadline = time.monotonic() + (seconds if self._hasStarted else START_SECONDS)
        # A process that is gone by now is noticed where its answer is awaited.
        with contextlib.suppress(OSError):
            self._connection.send(scan)

    @property
    def channel(self) -> Connection:
        """Ready when there is an answer, or the process ended."""
        return self._connection

    def answer(self) -> tuple[Item, Any]:
        """:return: (scan, what the task returned or raised, ``STARTED`` or ``_Ended``)."""
        try:
            if self._connection.poll():
                return self._take(self._connection.recv())
            ended = _Ended(True, self._seconds)
        except (EOFError, OSError):
            ended = _Ended(False, self._seconds)
        self.end()
        return self._take(ended)

    def _take(self, answer: Any) -> tuple[Item, Any]:
        scan = self.scan
        if answer == STARTED:
            self._hasStarted = True
            self.deadline = time.monotonic() + self._seconds
        else:
            self.scan = None
        return scan, answer

    def end(self) -> None:
        """At once: what it was at is under its temporary name."""
        self._process.kill()
        self._process.join()
        self._connection.close()


def _nextOf(processes: Sequence[_ScanProcess[Item]]) -> list[_ScanProcess[Item]]:
    """Wait. :return: busy processes that answered, ended or are too late."""
    busy = [process for process in processes if process.scan]
    soonest = min(process.deadline for process in busy)
    ready = multiprocessing.connection.wait([process.channel for process in busy], max(0, soonest - time.monotonic()))
    return [process for process in busy if process.channel in ready or process.deadline <= time.monotonic()]


@contextlib.contextmanager
def _variables(values: Mapping[str, str]) -> Iterator[None]:
    """Environment variables that a child begins with; what the user set stays."""
    added = {name: value for name, value in values.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            del os.environ[name]


def _work(connection: Connection, task: Callable[[Item], object], prepare: Callable[[], object]) -> None:
    """A process from its first scan to its last."""
    # Ctrl+C reaches all processes of a terminal; the parent decides what becomes of its children.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    endWithStarter()
    failure = _failureOf(prepare) if prepare else None
    connection.send(STARTED)
    while True:
        try:
            scan = connection.recv()
        except EOFError:
            return
        try:
            answer = failure or task(scan)
        except Exception as error:
            answer = error
        connection.send(answer)


def _failureOf(prepare: Callable[[], object]) -> Exception | None:
    try:
        prepare()
    except Exception as error:
        if not isShortOfMemory(error):
            return error
    else:
        return None
    return InputError("The memory is too small for the network; use fewer --workers, or close other programs.")
