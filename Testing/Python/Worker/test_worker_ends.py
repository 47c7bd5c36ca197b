"""How a worker process ends: stopped, behind a launcher, with its client."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest
import SimpleITK as sitk
from workerFixtures import (
    COMMAND,
    KILLED_CLIENT,
    TIMEOUT,
    blocks,
    blocksLeft,
    client,
    isGone,
    killWhileIdle,
    makeClient,
    neck,
    outcome,
    processOf,
    reaches,
)

from CervicalSpineDetectionLib.Worker.WorkerClient import Finished

__all__ = ["blocks", "client", "makeClient"]

pytestmark = pytest.mark.skipif(os.name == "nt", reason="sends POSIX signals")


def test_stopEndsTheProcessAndTheRunningDetectionWithoutAnEvent(client, blocks):
    process = processOf(outcome(client)[0])
    client.detect(neck(), device="slow")
    reaches(client, "Detecting")

    client.stop()
    client.stop()

    assert not client.isAlive and not client.isBusy and client.poll() == []
    assert isGone(process) and blocksLeft(blocks) == []
    assert isinstance(outcome(client)[0], Finished)


def test_theProcessBehindALauncherGoesToo(makeClient):
    # PythonSlicer is a launcher: the worker is its child.
    client = makeClient([sys.executable, "-c", f"import subprocess; subprocess.run({COMMAND})"])
    process = processOf(outcome(client)[0])
    assert process != client._process._popen.pid
    # It can't read that its client has gone.
    os.kill(process, signal.SIGSTOP)

    client.stop()

    assert isGone(process)


@pytest.mark.shows("Faults", "kill -9 of Slicer", "the worker ends too")
@pytest.mark.parametrize("stage", ["Starting", "Detecting"])
def test_theWorkerEndsWhenItsClientIsKilled(tmp_path, blocks, stage):
    sitk.WriteImage(neck(), str(tmp_path / "neck.nrrd"))
    arguments = [sys.executable, "-c", KILLED_CLIENT, blocks, str(tmp_path / "neck.nrrd"), stage, *COMMAND]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}

    killed = subprocess.run(arguments, stdout=subprocess.PIPE, env=environment, timeout=TIMEOUT)

    assert killed.returncode == -signal.SIGKILL
    assert isGone(int(killed.stdout))
    left = blocksLeft(blocks)
    assert sum(path.stat().st_size for path in left) == 0
    for path in left:  # Empty: killed in the instant between its making and the telling of its name.
        assert stage == "Starting"
        path.unlink()


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs /proc")
def test_cancelledAndKilledWorkersLeaveNoThreadsAndPipes(client):
    def held():
        return threading.active_count(), len(os.listdir("/proc/self/fd"))

    outcome(client)
    before = held()
    for _ in range(2):
        client.detect(neck(), device="slow")
        client.cancel()
        killWhileIdle(client)
        outcome(client)

    end = time.monotonic() + TIMEOUT
    while held() != before:
        assert time.monotonic() < end, f"{held()} instead of {before}"
        time.sleep(0.01)
