"""Detection in a worker process: warm, cancelled, silent, shared by none; with a detector that needs no network."""

import dataclasses
import os
import subprocess
import sys
import time

import pytest
from dummyWorker import DummyDetector
from sceneFixtures import assertSameVertebrae
from workerFixtures import (
    TIMEOUT,
    blocks,
    blocksLeft,
    client,
    eventsUntil,
    isGone,
    makeClient,
    neck,
    outcome,
    processOf,
    reaches,
)

from CervicalSpineDetectionLib.Pipeline import detectVertebrae
from CervicalSpineDetectionLib.Worker import Server
from CervicalSpineDetectionLib.Worker.WorkerClient import Cancelled, Failed, Finished, Progress, Ready

__all__ = ["blocks", "client", "makeClient"]

pytestmark = pytest.mark.skipif(os.name == "nt", reason="sends POSIX signals")


def test_theResultIsTheSameAsWithoutAWorkerToTheLastBit(client):
    expected = detectVertebrae(neck(), DummyDetector("quick"))

    result = outcome(client)[0].result

    assert [vertebra.level for vertebra in result.vertebrae] == ["C3", "C4", "C5"]
    assertSameVertebrae(result.vertebrae, expected.vertebrae, millimetres=0)
    assert result.image == expected.image and result.warnings == expected.warnings
    assert result.timings.keys() == expected.timings.keys()


def test_confirmedVertebraeComeBackAsTheyWere(client):
    (found,) = [vertebra for vertebra in outcome(client)[0].result.vertebrae if vertebra.level == "C4"]
    confirmed = dataclasses.replace(found, centre=found.centre + 1 / 3, confidence=1 / 7)

    client.detect(neck(), device="quick", confirmed=[confirmed])
    result = eventsUntil(client, lambda event: isinstance(event, (Finished, Failed)))[-1].result

    assertSameVertebrae([v for v in result.vertebrae if v.level == "C4"], [confirmed], millimetres=0)


def test_theSecondDetectionFindsTheNetworkLoaded(client):
    first, second = outcome(client), outcome(client)

    assert first[0].result.model == second[0].result.model
    assert "Loading the network" not in [getattr(event, "step", "") for event in second[1]]


def test_progressGoesFromTheStartThroughTheSlices(client):
    client.start()
    eventsUntil(client, lambda event: isinstance(event, Ready))

    _, events = outcome(client, device="cpu")

    assert events[:-2] == [
        Progress("Starting", 0, 1), Progress("Loading the network", 0, 1), Progress("Preparing the slices", 0, 1)
    ]
    assert events[-2].step == "Detecting" and events[-2].done == events[-2].total > 1


def test_startWarmsUpAndSaysWhereItRuns(client):
    client.start()

    assert eventsUntil(client, lambda event: True) == [Ready("dummy")]
    assert client.isAlive and not client.isBusy


def test_startingAWorkerThatRunsChangesNothing(client):
    process = processOf(outcome(client)[0])
    client.start()

    assert processOf(outcome(client)[0]) == process


def test_cancelEndsTheProcessAndTheNextDetectionWorks(client, blocks):
    first = processOf(outcome(client)[0])
    client.detect(neck(), device="slow")
    reaches(client, "Detecting")

    client.cancel()

    assert not client.isBusy and client.isAlive
    assert client.poll() == [Cancelled()]
    assert isGone(first) and blocksLeft(blocks) == []
    second = outcome(client)[0]
    assert isinstance(second, Finished) and processOf(second) != first


def test_cancelBeforeTheWorkerHasSaidAnythingWorks(client):
    client.detect(neck())
    client.cancel()

    assert [type(event) for event in client.poll()] == [Progress, Cancelled]
    assert isinstance(outcome(client)[0], Finished)


def test_cancelWithoutADetectionChangesNothing(client):
    process = processOf(outcome(client)[0])
    client.cancel()

    assert client.poll() == []
    assert processOf(outcome(client)[0]) == process


def test_oneDetectionAtATime(client):
    client.detect(neck(), device="slow")

    with pytest.raises(RuntimeError, match="running"):
        client.detect(neck())


def test_anIdleWorkerSaysNothing(client):
    """A thread of the application's wakes up for every word, and needs the interpreter for it."""
    outcome(client)
    time.sleep(1.5 * Server.HEARTBEAT_SECONDS)
    heard = client._process.lastHeard
    time.sleep(2.5 * Server.HEARTBEAT_SECONDS)

    assert client._process.lastHeard == heard


def test_aLongPauseBetweenDetectionsIsNoSilence(client):
    outcome(client)
    client.silenceLimit = 50
    client._process.lastHeard -= 100

    client.detect(neck())
    assert client.poll() and client.isBusy


def test_aFrozenApplicationDoesNotTakeTheWorkerForHanging(client):
    client.detect(neck(), device="slow")
    reaches(client, "Detecting")
    client.silenceLimit = client.progressLimit = 50
    # As after the computer slept: everything is long ago.
    client._process.lastHeard -= 100
    client._lastProgress -= 100
    client._lastPoll -= 100

    assert not any(isinstance(event, Failed) for event in client.poll())
    assert client.isBusy


def test_twoClientsDoNotDisturbEachOther(makeClient):
    cancelled, other = makeClient(), makeClient()
    for one in (cancelled, other):
        one.detect(neck(), device="slow")
    for one in (cancelled, other):
        reaches(one, "Detecting")

    cancelled.cancel()

    assert other.isBusy and not any(isinstance(event, (Failed, Cancelled)) for event in other.poll())
    other.cancel()
    assert processOf(outcome(cancelled)[0]) != processOf(outcome(other)[0])


def test_theClientImportsNoNetwork():
    code = ("import sys, CervicalSpineDetectionLib.Worker.WorkerClient\n"
            "print(*{'torch', 'ultralytics', 'cv2', 'slicer', 'vtk'} & set(sys.modules))")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}

    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=TIMEOUT)

    assert (run.returncode, run.stdout.strip()) == (0, "")


def test_changedWeightsAreLoadedAnew(tmp_path):
    weights = tmp_path / "own.safetensors"
    weights.write_bytes(b"first")
    server = Server.Server(lambda weights, device: object(), None, None, open(os.devnull, "wb"))
    first = server._detector(weights, "cpu")
    assert server._detector(weights, "cpu") is first

    os.utime(weights, (0, 0))

    assert server._detector(weights, "cpu") is not first
    server._answers.close()
