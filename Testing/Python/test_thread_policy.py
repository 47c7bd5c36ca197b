"""Settings of processes that run the network, see ``ProcessTuning``; measured in ``Testing/Performance.md``.

Threads that wait for each other must not keep the cores busy: beside another program it made them ten times slower.
"""

import os
import subprocess
import sys
import threading

import pytest

from CervicalSpineDetectionLib import ProcessTuning
from CervicalSpineDetectionLib.CommandLine.Main import main
from CervicalSpineDetectionLib.Worker import __main__ as worker

SPINS = "GOMP_SPINCOUNT"


class Detector:
    def detect(self, slices):
        pass


@pytest.fixture
def loaded(monkeypatch):
    """The setting at the time when the detector, and with it torch, is loaded."""
    settings = []

    def loadDetector(*_):
        settings.append(os.environ.get(SPINS))
        return Detector()

    monkeypatch.setattr("CervicalSpineDetectionLib.SliceDetector.YoloDetector.loadDetector", loadDetector)
    monkeypatch.setenv(SPINS, "kept for the end of the test")
    return settings


def test_theWorkersThreadsSpinShortly(loaded, monkeypatch):
    monkeypatch.delenv(SPINS)
    worker.loadDetector(None, "cpu")
    assert loaded == ["2000"]


def test_thoseOfTheCommandLineToo(loaded, monkeypatch):
    monkeypatch.delenv(SPINS)
    main(["evaluate", "--negatives", "nonesuch.nii.gz", "--output", os.devnull])
    assert os.environ[SPINS] == "2000"


def test_whatTheUserSetStays(loaded, monkeypatch):
    monkeypatch.setenv(SPINS, "30")
    worker.loadDetector(None, "cpu")
    main(["evaluate", "--output", os.devnull])
    assert loaded == ["30"] and os.environ[SPINS] == "30"


PAGE_FAULTS = """
import resource, sys
import numpy as np
from CervicalSpineDetectionLib.ProcessTuning import giveBack, keepVolumes, tuneProcess
if "tuned" in sys.argv:
    tuneProcess()
if "volumes" in sys.argv:
    keepVolumes()
for step in range(6):
    if step == 2:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    pieces = [np.ones(2**17 * int(sys.argv[1])) for _ in range(3)]
    below = np.ones(9)  # which stays
    del pieces
faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
if "back" in sys.argv:
    giveBack()
resident = int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize() // 2**20
print(faults, resident)
"""


def faultsAndMegabytes(*arguments):
    """Of a process that makes three pieces of memory again and again. :param arguments: MB of each, settings."""
    library = os.path.dirname(os.path.dirname(worker.__file__)).removesuffix("CervicalSpineDetectionLib")
    output = subprocess.run([sys.executable, "-c", PAGE_FAULTS, *arguments], env={**os.environ, "PYTHONPATH": library},
                            capture_output=True, text=True, check=True).stdout
    return map(int, output.split())


@pytest.mark.skipif(sys.platform != "linux", reason="memory is tuned for glibc only")
def test_memoryOfOnePictureIsThereForTheNext():
    (plain, _), (tuned, _) = faultsAndMegabytes("16"), faultsAndMegabytes("16", "tuned")
    assert tuned < 0.1 * plain


@pytest.mark.skipif(sys.platform != "linux", reason="memory is tuned for glibc only")
def test_memoryOfOneVolumeIsThereForTheNextUntilItIsGivenBack():
    tuned, _ = faultsAndMegabytes("40", "tuned")
    kept, megabytes = faultsAndMegabytes("40", "tuned", "volumes")
    _, left = faultsAndMegabytes("40", "tuned", "volumes", "back")
    assert kept < 0.1 * tuned and megabytes - left > 100


@pytest.mark.parametrize(("given", "threads"), [("3", 3), ("4,2", 4), ("", 7), ("0", 7), ("all", 7), (" 2 ", 2)])
def test_librariesThatDoNotAskOpenMpTakeItsThreads(monkeypatch, given, threads):
    monkeypatch.setattr(ProcessTuning, "coreCount", lambda: 7)
    monkeypatch.setenv("OMP_NUM_THREADS", given)
    assert ProcessTuning.threadCount() == threads


@pytest.mark.parametrize(("count", "beside"), [("1", False), ("2", True)])
def test_oneThreadIsNotSharedByPiecesOfWork(monkeypatch, count, beside):
    monkeypatch.setenv("OMP_NUM_THREADS", count)
    wasBegun, here = threading.Event(), threading.get_ident()

    def work():
        wasBegun.set()
        return threading.get_ident()

    result = ProcessTuning.begun(work)

    assert wasBegun.wait(5 if beside else 0) == beside
    assert (result() != here) == beside
    assert ProcessTuning.onThreads(lambda item: (item, threading.get_ident() != here), [3, 1, 2]) == [
        (3, beside), (1, beside), (2, beside)]
