"""Clients of a worker whose detector needs no network, and what is asked of them."""

import contextlib
import os
import signal
import sys
import time
import uuid
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from sceneFixtures import DIRECTIONS

from CervicalSpineDetectionLib.Worker import SharedVoxels as sharedVoxels
from CervicalSpineDetectionLib.Worker import WorkerClient
from CervicalSpineDetectionLib.Worker.WorkerClient import Cancelled, Failed, Finished

COMMAND = [sys.executable, str(Path(__file__).with_name("dummyWorker.py"))]
TIMEOUT = 20.0
# The client's end is killed, without a chance to tidy up.
KILLED_CLIENT = """
import os, signal, sys, time
import SimpleITK as sitk
from CervicalSpineDetectionLib.Worker import SharedVoxels
from CervicalSpineDetectionLib.Worker.WorkerClient import WorkerClient
SharedVoxels.PREFIX = sys.argv[1]
client = WorkerClient(sys.argv[4:])
client.detect(sitk.ReadImage(sys.argv[2]), device="slow")
while not any(getattr(event, "step", "") == sys.argv[3] for event in client.poll()):
    time.sleep(0.01)
print(client._process._popen.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def neck():
    """A bright column in a body, so that the dummy detector has something to find."""
    voxels = np.full((60, 50, 40), -1000, np.int16)
    voxels[:, 5:-5, 5:-5] = 0
    voxels[10:50, 20:36, 12:30] = 600
    image = sitk.GetImageFromArray(voxels)
    image.SetSpacing((1 / 3 + 1, 1.1, 1.2))
    image.SetOrigin((-20.1, 30.2, -400.3))
    image.SetDirection(DIRECTIONS["oblique"].ravel())
    return image


@pytest.fixture(autouse=True)
def blocks(monkeypatch):
    """Name of the shared blocks of this test; none of them must be left."""
    prefix = f"CervicalSpineDetection-{uuid.uuid4().hex}-"
    monkeypatch.setattr(sharedVoxels, "PREFIX", prefix)
    yield prefix
    assert blocksLeft(prefix) == []


def blocksLeft(prefix):
    folders = [Path("/dev/shm"), Path(sharedVoxels.tempfile.gettempdir())]
    return [path for folder in folders if folder.is_dir() for path in folder.glob(f"{prefix}*")]


@pytest.fixture
def makeClient():
    with contextlib.ExitStack() as stack:
        def make(command=COMMAND):
            client = WorkerClient.WorkerClient(command)
            stack.callback(client.stop)
            return client

        yield make


@pytest.fixture
def client(makeClient):
    return makeClient()


def eventsUntil(client, isLast):
    events = []
    end = time.monotonic() + TIMEOUT
    while not (events and isLast(events[-1])):
        assert time.monotonic() < end, f"waited in vain; so far {events}"
        time.sleep(0.005)
        # One by one, so that what follows the last stays to be polled.
        events += client.poll()
    return events


def outcome(client, image=None, device="quick"):
    """(last event, all events) of one detection."""
    client.detect(neck() if image is None else image, device=device)
    events = eventsUntil(client, lambda event: isinstance(event, (Finished, Failed, Cancelled)))
    return events[-1], events


def reaches(client, step):
    return eventsUntil(client, lambda event: getattr(event, "step", "") == step)


def processOf(finished):
    return int(finished.result.model["name"].split()[0])


def killWhileIdle(client):
    os.kill(processOf(outcome(client)[0]), signal.SIGKILL)
    end = time.monotonic() + TIMEOUT
    while client.isAlive:
        assert time.monotonic() < end
        time.sleep(0.005)


def isGone(pid):
    """Waits a moment: a killed process takes some milliseconds to be gone."""
    end = time.monotonic() + TIMEOUT
    while time.monotonic() < end:
        try:
            # A zombie, whose new parent has not asked for it, is gone too.
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.005)
    return False
