"""Detection in a worker process: warm, cancelled, killed, frozen, refused; with a detector that needs no network."""

import contextlib
import dataclasses
import logging
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from dummyWorker import REFUSAL, DummyDetector
from sceneFixtures import DIRECTIONS, assertSameVertebrae

from CervicalSpineDetectionLib.Pipeline import detectVertebrae
from CervicalSpineDetectionLib.Worker import Server, WorkerClient
from CervicalSpineDetectionLib.Worker import SharedVoxels as sharedVoxels
from CervicalSpineDetectionLib.Worker.WorkerClient import Cancelled, Failed, Finished, Progress, Ready

pytestmark = pytest.mark.skipif(os.name == "nt", reason="sends POSIX signals")

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


def test_twoClientsDoNotDisturbEachOther(makeClient):
    cancelled, other = makeClient(), makeClient()
    for client in (cancelled, other):
        client.detect(neck(), device="slow")
    for client in (cancelled, other):
        reaches(client, "Detecting")

    cancelled.cancel()

    assert other.isBusy and not any(isinstance(event, (Failed, Cancelled)) for event in other.poll())
    other.cancel()
    assert processOf(outcome(cancelled)[0]) != processOf(outcome(other)[0])


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
