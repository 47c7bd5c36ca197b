"""Threads that wait for each other must not keep the cores busy: beside another program that made it ten times slower.

Measured in ``Testing/Performance.md``.
"""

import os

import pytest

from CervicalSpineDetectionLib.CommandLine.Main import main
from CervicalSpineDetectionLib.Worker import __main__ as worker

POLICY = "OMP_WAIT_POLICY"


class Detector:
    def detect(self, slices):
        pass


@pytest.fixture
def loaded(monkeypatch):
    """The policy at the time when the detector, and with it torch, is loaded."""
    policies = []

    def loadDetector(*_):
        policies.append(os.environ.get(POLICY))
        return Detector()

    monkeypatch.setattr("CervicalSpineDetectionLib.Detection.YoloDetector.loadDetector", loadDetector)
    monkeypatch.setenv(POLICY, "kept for the end of the test")
    return policies


def test_theWorkersThreadsWaitAsleep(loaded, monkeypatch):
    monkeypatch.delenv(POLICY)
    worker.loadDetector(None, "cpu")
    assert loaded == ["PASSIVE"]


def test_thoseOfTheCommandLineToo(loaded, monkeypatch):
    monkeypatch.delenv(POLICY)
    main(["evaluate", "--negatives", "nonesuch.nii.gz", "--output", os.devnull])
    assert os.environ[POLICY] == "PASSIVE"


def test_whatTheUserSetStays(loaded, monkeypatch):
    monkeypatch.setenv(POLICY, "ACTIVE")
    worker.loadDetector(None, "cpu")
    main(["evaluate", "--output", os.devnull])
    assert loaded == ["ACTIVE"] and os.environ[POLICY] == "ACTIVE"
