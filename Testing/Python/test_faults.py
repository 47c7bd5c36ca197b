"""What the user is told, and what is left of earlier results, where files, disk, memory or the process fail."""

import errno
import os
import resource
import subprocess
import sys

import pytest
from commandFixtures import RESULTS, SeesNothing, asOtherUser, assertRefused, contents, ct, earlier, folder

from CervicalSpineDetectionLib import ResultFiles
from CervicalSpineDetectionLib.ResultFiles import RESULT_FILES
from CervicalSpineDetectionLib.SliceDetector import YoloDetector

__all__ = ["asOtherUser", "ct", "earlier", "folder"]


def test_inputThatMayNotBeReadIsRefused(folder, earlier, ct, asOtherUser, capfd):
    unreadable = folder / "unreadable.nrrd"
    if os.getuid() == 0:
        os.seteuid(0)
    unreadable.write_bytes(ct.read_bytes())
    unreadable.chmod(0)
    if os.getuid() == 0:
        os.seteuid(65534)

    assertRefused([unreadable, "--output", earlier], "Permission denied", earlier, capfd)


@pytest.mark.shows("Faults", "output folder read-only", "earlier files; told before the network is loaded")
def test_outputThatMayNotBeWrittenIsRefusedBeforeTheNetworkIsLoaded(
        folder, earlier, ct, asOtherUser, capfd, monkeypatch):
    monkeypatch.setattr(YoloDetector, "loadDetector", None)
    if os.getuid():
        earlier.chmod(0o555)

    assertRefused([ct, "--output", earlier], "Permission denied", earlier, capfd)


@pytest.mark.shows("Faults", "disk full, file size limit", "earlier files; one sentence")
def test_diskFullWhileWritingIsToldAndKeepsEarlierResults(earlier, ct, capfd, monkeypatch):
    monkeypatch.setattr(YoloDetector, "loadDetector", lambda *_, **__: SeesNothing())

    def writeJson(path, result):
        path.write_text("half of")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(ResultFiles, "writeJson", writeJson)

    assertRefused([ct, "--output", earlier], "No space left on device", earlier, capfd)


def test_memoryTooSmallWhileWritingIsNoFaultOfTheDisk(earlier, ct, capfd, monkeypatch):
    monkeypatch.setattr(YoloDetector, "loadDetector", lambda *_, **__: SeesNothing())

    def writeJson(path, result):
        raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))

    monkeypatch.setattr(ResultFiles, "writeJson", writeJson)

    assertRefused([ct, "--output", earlier], "memory is too small", earlier, capfd)


def test_memoryTooSmallIsTold(earlier, ct, capfd, monkeypatch):
    def loadDetector(*_, **__):
        raise MemoryError

    monkeypatch.setattr(YoloDetector, "loadDetector", loadDetector)

    assertRefused([ct, "--output", earlier], "memory is too small", earlier, capfd)


KILLED = """
import os, signal, sys
from CervicalSpineDetectionLib import AtomicFiles
output, stage, names = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
calls = 0
def killing(function):
    def call(*arguments, **options):
        global calls
        calls += 1
        if calls == stage:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*arguments, **options)
    return call
# Every step on the disk from the first file on.
with AtomicFiles.atomicFolder(output, names) as folder:
    AtomicFiles.os.replace, AtomicFiles.os.rename = killing(os.replace), killing(os.rename)
    AtomicFiles._remove = killing(AtomicFiles._remove)
    AtomicFiles.Path.write_text = killing(AtomicFiles.Path.write_text)
    for name in names[1:]:
        (folder / name).write_text("new " + name)
print("done")
"""
# Writing four files and the list, the commit, four files put in place, the rest; not killed.
STAGES = range(1, 13)


def withoutLock(folder):
    """A killed process leaves the file of its lock, which the system has opened."""
    return {name: content for name, content in contents(folder).items() if not name.startswith(".lock")}


@pytest.mark.shows("Faults", "kill -9 at each of the 11 steps of writing results",
                   "all earlier files, or (once all are written) all new ones after the next run")
@pytest.mark.parametrize("stage", STAGES)
def test_killedWhileWritingLeavesAllEarlierOrAllNewResultsToTheNextRun(folder, earlier, stage):
    from CervicalSpineDetectionLib.AtomicFiles import finishLeftovers

    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    names = list(RESULT_FILES)

    killed = subprocess.run([sys.executable, "-c", KILLED, str(earlier), str(stage), *names], env=environment,
                            capture_output=True, text=True)
    finishLeftovers(earlier)

    new = {name: f"new {name}".encode() for name in names[1:]}
    assert killed.returncode == (0 if stage == STAGES[-1] else -9), killed.stderr
    assert withoutLock(earlier) == (RESULTS if stage <= 6 else new)


@pytest.mark.shows("Faults", "disk full, file size limit")
def test_fileThatMayGrowNoFurtherKeepsEarlierResults(earlier):
    """As on a full disk: the system itself stops the writing."""
    from CervicalSpineDetectionLib.AtomicFiles import atomicFolder

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            with atomicFolder(earlier, RESULT_FILES) as temporary:
                (temporary / "preview.png").write_bytes(bytes(500))
                (temporary / "vertebrae.json").write_bytes(bytes(5000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    assert contents(earlier) == RESULTS
