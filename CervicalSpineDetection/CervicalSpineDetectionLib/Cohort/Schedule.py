"""Scans one after the other, on several processes of this computer, or on other computers with Dask."""

from __future__ import annotations

import queue
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from CervicalSpineDetectionLib.Cohort.Processes import ALLOWED_DEATHS, TOO_LATE, ScanFailed, inProcesses
from CervicalSpineDetectionLib.Errors import InputError

if TYPE_CHECKING:
    from distributed import Client

    from CervicalSpineDetectionLib.Cohort.Scans import Scan

CONNECT_TIMEOUT = "15s"
# So that one file that holds up a library does not cost the night; a neck CT takes a few.
SECONDS_EACH = 600
OPEN_SCHEDULER = ("Warning: {address} is not encrypted and asks nobody for a password: whoever reaches the scheduler "
                  "can run programs as you, and read these CTs. Use tls:// (Dask's documentation, TLS/SSL) or a "
                  "network of your own.")


def outcomes(task: Callable[[Scan], object], scans: Sequence[Scan], workers: int = 0, scheduler: str | None = None,
             secondsEach: float = SECONDS_EACH,
             prepare: Callable[[], object] | None = None) -> Iterator[tuple[Scan, Any]]:
    """Run a task on every scan.

    :param task: called with a Scan; module-level function or partial of one.
    :param scans: list of Scan.
    :param workers: processes on this computer; with 0 all is done in this process, which a crash then ends.
    :param scheduler: address of a Dask scheduler whose workers see the same files under the same names.
    :param secondsEach: see ``Processes.inProcesses``. What holds up a Dask worker goes on beside the scans after it.
    :param prepare: see ``Processes.inProcesses``.
    :return: generator of (scan, what the task returned, or ScanFailed), in the order they end.
    :raises InputError: Dask is missing, nothing answers at the address any more, or a worker can't do this.
    """
    if scheduler is not None:
        yield from _onDask(partial(_inTime, task, secondsEach, prepare), scans, scheduler)
    elif workers:
        # Not at file scope: the command line's help waits for no library.
        from CervicalSpineDetectionLib.Cohort.ReadAhead import ReadAhead

        yield from inProcesses(task, scans, workers, secondsEach, prepare, ReadAhead())
    else:
        for scan in scans:
            yield scan, task(scan)


def _onDask(task: Callable[[Scan], object], scans: Sequence[Scan], scheduler: str) -> Iterator[tuple[Scan, Any]]:
    try:
        import dask
        from distributed import Client
    except ImportError as error:
        raise InputError(f"A scheduler needs Dask ({error}): pip install distributed, or use --workers.") from error
    if not scheduler.startswith("tls://"):
        print(OPEN_SCHEDULER.format(address=scheduler), file=sys.stderr, flush=True)
    settings = {
        "distributed.scheduler.allowed-failures": ALLOWED_DEATHS,
        # No scan waits at a worker: when one dies, only the scan it was at is to blame.
        "distributed.scheduler.worker-saturation": 1.0,
    }
    with dask.config.set(settings):
        try:
            client = Client(scheduler, timeout=CONNECT_TIMEOUT)
        except (OSError, ValueError, TypeError) as error:
            raise InputError(f"No Dask scheduler answers at {scheduler}; start one with `dask scheduler`, or use "
                             "--workers.") from error
        with client:
            if not client.scheduler_info()["workers"]:
                print(f"Waiting for Dask workers: none has joined {scheduler} yet.", file=sys.stderr, flush=True)
            yield from _gather(client, task, scans)


def _inTime(task: Callable[[Scan], object], seconds: float, prepare: Callable[[], object] | None,
            scan: Scan) -> object:
    """What a Dask worker does: its thread can't be ended, so the scan gets one that is left alone when time is up."""
    if prepare is not None:
        prepare()
    answers: queue.SimpleQueue[tuple[object, BaseException | None]] = queue.SimpleQueue()

    def work() -> None:
        try:
            answers.put((task(scan), None))
        except BaseException as error:
            answers.put((None, error))

    threading.Thread(target=work, daemon=True).start()
    try:
        answer, error = answers.get(timeout=seconds)
    except queue.Empty:
        return ScanFailed(TOO_LATE.format(seconds=seconds))
    if error is not None:
        raise error
    return answer


def _gather(client: Client, task: Callable[[Scan], object], scans: Sequence[Scan]) -> Iterator[tuple[Scan, Any]]:
    from concurrent.futures import CancelledError

    from distributed import KilledWorker, as_completed

    futures = client.map(task, scans, pure=False)
    scanOf = dict(zip(futures, scans, strict=True))
    for future in as_completed(futures):
        try:
            yield scanOf[future], future.result()
        except KilledWorker:
            yield scanOf[future], ScanFailed("The process that worked on this scan ended twice (too little memory?).")
        except CancelledError as error:
            raise InputError("The connection to the Dask scheduler is lost; start it again, and run the same command "
                             "to go on.") from error
        except ImportError as error:
            raise InputError(f"A Dask worker lacks what a detection needs ({error}); install the same packages "
                             "there.") from error
