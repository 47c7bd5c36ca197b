"""What goes wrong in a worker process, and what the user reads of it."""

import logging
import os
import sys
from pathlib import Path

import pytest
import SimpleITK as sitk
from dummyWorker import REFUSAL
from workerFixtures import (
    TIMEOUT,
    blocks,
    client,
    eventsUntil,
    isGone,
    killWhileIdle,
    makeClient,
    neck,
    outcome,
    processOf,
)

from CervicalSpineDetectionLib.Worker import Server, WorkerClient
from CervicalSpineDetectionLib.Worker import SharedVoxels as sharedVoxels
from CervicalSpineDetectionLib.Worker.WorkerClient import Cancelled, Failed, Finished

__all__ = ["blocks", "client", "makeClient"]

pytestmark = pytest.mark.skipif(os.name == "nt", reason="sends POSIX signals")


@pytest.mark.shows("Faults", "kill -9 of the worker, while idle or busy; out of memory; graphics card error; hang",
                   "a sentence, and the next click works")
@pytest.mark.parametrize(("device", "sentence"), [
    ("killed", WorkerClient.KILLED),
    ("memory", Server.NO_MEMORY),
    ("itk", Server.NO_MEMORY),
    ("packageless", Server.NO_PACKAGE.format(name="torch")),
    ("gpu", Server.GPU_ERROR),
    ("hanging", WorkerClient.SILENT),
    ("frozen", WorkerClient.SILENT),
    ("broken", Server.UNEXPECTED.format(reason="FileNotFoundError")),
])
def test_afterAFaultTheUserReadsWhyAndTheNextDetectionWorks(client, device, sentence):
    process = processOf(outcome(client)[0])
    client.progressLimit = 1.0 if device == "hanging" else TIMEOUT
    client.silenceLimit = 2.5 if device == "frozen" else TIMEOUT

    last, events = outcome(client, device=device)

    client.progressLimit = client.silenceLimit = TIMEOUT
    assert last == Failed(sentence) and not client.isBusy
    assert sum(isinstance(event, (Finished, Failed, Cancelled)) for event in events) == 1
    assert isGone(process)
    assert isinstance(outcome(client)[0], Finished)


@pytest.mark.shows("Faults", "kill -9 of the worker, while idle or busy; out of memory; graphics card error; hang")
@pytest.mark.parametrize("polled", [True, False])
def test_aWorkerThatWasKilledWhileIdleIsStartedAgain(client, polled):
    killWhileIdle(client)
    if polled:
        assert client.poll() == []

    assert isinstance(outcome(client)[0], Finished)


def test_aRefusedVolumeIsToldInTheDetectionsWordsAndTheWorkerStays(client):
    process = processOf(outcome(client)[0])

    assert outcome(client, device="refusing")[0] == Failed(REFUSAL)
    assert processOf(outcome(client)[0]) == process


@pytest.mark.parametrize("image", [sitk.Image(), sitk.Image(0, 0, 0, sitk.sitkInt16)], ids=["default", "3D"])
def test_aVolumeWithoutVoxelsIsRefused(client, image):
    assert outcome(client, image)[0] == Failed(WorkerClient.NO_VOXELS)


def test_aHeaderThatIsNotANumberIsRefusedByTheDetection(client):
    image = neck()
    image.SetOrigin((0.0, float("nan"), 0.0))

    last, _ = outcome(client, image)

    assert isinstance(last, Failed) and "origin" in last.message


def test_wrongWeightsAreToldInTheirOwnWords(client):
    client.detect(neck(), weights="nonesuch")

    last = eventsUntil(client, lambda event: isinstance(event, (Finished, Failed)))[-1]
    assert isinstance(last, Failed) and "nonesuch" in last.message
    assert isinstance(outcome(client)[0], Finished)


def test_theLogOfAFaultNamesNeitherPatientNorFolder(client, caplog):
    with caplog.at_level(logging.DEBUG):
        last, _ = outcome(client, device="broken")

    assert "dummyWorker.py" in caplog.text and "FileNotFoundError: No such file" in caplog.text
    for text in (caplog.text, last.message):
        assert "Miller" not in text and "/home" not in text and str(Path(__file__).parent) not in text


def test_whatLibrariesPrintDisturbsNothing(client):
    assert isinstance(outcome(client, device="noisy")[0], Finished)


@pytest.mark.shows("Faults", "kill -9 of the worker, while idle or busy; out of memory; graphics card error; hang")
def test_aFullGraphicsCardLeadsToTheCpu(client):
    last, _ = outcome(client, device="auto")

    assert last.result.warnings[-1] == Server.ON_CPU_INSTEAD and last.result.vertebrae


def test_aWorkerThatTalksNonsenseIsEnded(makeClient, caplog):
    client = makeClient([sys.executable, "-c", "import time; print('hello', flush=True); time.sleep(1000)"])

    assert outcome(client)[0] == Failed(WorkerClient.UNREADABLE)


def test_theLastWordsOfADyingWorkerAreLogged(makeClient, caplog):
    client = makeClient([sys.executable, "-c", "import sys; sys.exit('no torch here')"])

    assert outcome(client)[0] == Failed(WorkerClient.ENDED.format(reason="exit status 1"))
    assert "no torch here" in caplog.text


def test_aWorkerThatDiesAtOnceWasStarted(makeClient, monkeypatch):
    client = makeClient([sys.executable, "-c", "raise SystemExit(1)"])
    start = client.start

    def startAndLetDie():
        start()
        client._process._popen.wait()

    monkeypatch.setattr(client, "start", startAndLetDie)
    assert outcome(client)[0] == Failed(WorkerClient.ENDED.format(reason="exit status 1"))


def test_aProgramThatIsNotThereIsTold(makeClient):
    assert outcome(makeClient(["/nonesuch/PythonSlicer"]))[0] == Failed(
        WorkerClient.NOT_STARTED.format(reason="No such file or directory")
    )


def test_noRoomForTheVolumeIsToldAndTheNextDetectionWorks(client, monkeypatch):
    def fill(self):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as context:
        context.setattr(sharedVoxels.SharedVoxels, "fill", fill)
        assert outcome(client)[0] == Failed(WorkerClient.NO_ROOM.format(reason="No space left on device"))
    assert isinstance(outcome(client)[0], Finished)
