"""Scans one after the other, or on several processes or computers with Dask."""

from __future__ import annotations

import logging

from CervicalSpineDetectionLib.Errors import InputError

# A scan that ends its process (memory, a crash in a library) is tried once more, elsewhere.
ALLOWED_DEATHS = 1
CONNECT_TIMEOUT = "15s"
# Read by torch and numpy, ITK, VTK, and Mesa's OpenGL without a graphics card.
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS",
                    "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS", "VTK_SMP_MAX_THREADS", "LP_NUM_THREADS")


class WorkerDied(RuntimeError):
    """The process that worked on a scan ended, time and again."""


def outcomes(task, scans, workers=1, scheduler=None):
    """Run a task on every scan.

    :param task: called with a Scan; module-level function or partial of one.
    :param scans: list of Scan.
    :param workers: processes on this computer, which share its cores; with 1 all is done in this process.
    :param scheduler: address of a Dask scheduler whose workers see the same files under the same names.
    :return: generator of (scan, what the task returned, or WorkerDied), in the order they end.
    :raises InputError: Dask is missing, or nothing answers at the address.
    """
    if scheduler is None and workers == 1:
        for scan in scans:
            yield scan, task(scan)
        return
    try:
        import dask
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise InputError(f"More than one process needs Dask ({error}): pip install distributed, or use "
                         "--workers 1.") from error
    settings = {
        "distributed.scheduler.allowed-failures": ALLOWED_DEATHS,
        # No scan waits at a worker: when one dies, only the scan it was at is to blame.
        "distributed.scheduler.worker-saturation": 1.0,
        # Set before a process starts, so also for one that follows a dead one; what the user set wins.
        "distributed.nanny.pre-spawn-environ": dict.fromkeys(THREAD_VARIABLES, threadsEach(workers)),
    }
    with dask.config.set(settings):
        if scheduler is None:
            with LocalCluster(n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=None,
                              silence_logs=logging.CRITICAL) as cluster, Client(cluster) as client:
                yield from _gather(client, task, scans)
        else:
            try:
                client = Client(scheduler, timeout=CONNECT_TIMEOUT)
            except (OSError, ValueError) as error:
                raise InputError(f"No Dask scheduler answers at {scheduler}; start one with `dask scheduler`, or use "
                                 "--workers.") from error
            with client:
                yield from _gather(client, task, scans)


def threadsEach(workers):
    """Threads for each of several processes: together as many as there are cores, for more only wait for each other."""
    from dask.system import CPU_COUNT

    return max(1, CPU_COUNT // workers)


def _gather(client, task, scans):
    from distributed import KilledWorker, as_completed

    futures = client.map(task, scans, pure=False)
    scanOf = dict(zip(futures, scans, strict=True))
    for future in as_completed(futures):
        try:
            yield scanOf[future], future.result()
        except KilledWorker:
            yield scanOf[future], WorkerDied("The process that worked on this scan ended twice (too little memory?).")
