"""Settings of processes that run the network, see ``ProcessTuning``; measured in ``Testing/Performance.md``.

Threads that wait for each other must not keep the cores busy: beside another program it made them ten times slower.
"""

import os
import subprocess
import sys

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
from CervicalSpineDetectionLib.ProcessTuning import tuneProcess
if sys.argv[1] == "tuned":
    tuneProcess()
for step in range(6):
    if step == 2:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    layers = [np.ones(2**21) for _ in range(8)]  # 16 MB each
    del layers
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="memory is tuned for glibc only")
def test_memoryOfOnePictureIsThereForTheNext():
    library = os.path.dirname(os.path.dirname(worker.__file__)).removesuffix("CervicalSpineDetectionLib")
    plain, tuned = (
        int(subprocess.run([sys.executable, "-c", PAGE_FAULTS, kind], env={**os.environ, "PYTHONPATH": library},
                           capture_output=True, text=True, check=True).stdout) for kind in ("plain", "tuned"))
    assert tuned < 0.1 * plain


@pytest.mark.parametrize(("given", "threads"), [("3", 3), ("4,2", 4), ("", 7), ("0", 7), ("all", 7), (" 2 ", 2)])
def test_librariesThatDoNotAskOpenMpTakeItsThreads(monkeypatch, given, threads):
    monkeypatch.setattr(ProcessTuning, "coreCount", lambda: 7)
    monkeypatch.setenv("OMP_NUM_THREADS", given)
    assert ProcessTuning.threadCount() == threads
