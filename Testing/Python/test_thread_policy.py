"""Threads that wait for each other must not keep the cores busy: beside another program it made them ten times slower.

Measured in ``Testing/Performance.md``.
"""

import os

import pytest

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

    monkeypatch.setattr("CervicalSpineDetectionLib.Detection.YoloDetector.loadDetector", loadDetector)
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
