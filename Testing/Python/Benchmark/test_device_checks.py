"""Checks of a graphics card, with what its processes would answer: no test machine has one."""

from dataclasses import replace

import numpy as np
import pytest
from goldenResults import GOLDEN

from CervicalSpineDetectionLib.Benchmark import DeviceChecks, Measure
from CervicalSpineDetectionLib.Benchmark.DeviceCandidates import _resamplings, _tryAll
from CervicalSpineDetectionLib.Benchmark.Processes import Measured
from CervicalSpineDetectionLib.Benchmark.SameResult import BOX_MM, CENTRE_MM, CONFIDENCE, apart
from CervicalSpineDetectionLib.CommandLine import Benchmark
from CervicalSpineDetectionLib.CommandLine.Main import main
from CervicalSpineDetectionLib.Imaging.ReadImage import readImage
from CervicalSpineDetectionLib.Imaging.Resampling import resampleSagittal
from CervicalSpineDetectionLib.Spine.Boxes import Bounds, OrientedBox
from CervicalSpineDetectionLib.Spine.Vertebra import DetectionResult, Vertebra
from CervicalSpineDetectionLib.Worker.Server import NO_GPU_MEMORY, ON_CPU_INSTEAD


def vertebra(level, z):
    centre = np.array([0.0, 0.0, z])
    return Vertebra(level, 0.9, centre, Bounds(centre - 10, centre + 10),
                    OrientedBox(centre, np.full(3, 20.0), np.eye(3)))


RESULT = DetectionResult([vertebra("C3", 40.0), vertebra("C4", 20.0)])


def changed(**fields):
    return DetectionResult([replace(RESULT.vertebrae[0], **fields), RESULT.vertebrae[1]])


@pytest.mark.parametrize("other, same", [
    (RESULT, True),
    (changed(centre=np.array([0.0, 0.0, 40 + 0.9 * CENTRE_MM])), True),
    (changed(centre=np.array([0.0, 0.0, 40 + 1.1 * CENTRE_MM])), False),
    (changed(bounds=Bounds(np.array([-10 - 1.1 * BOX_MM, -10, 30]), np.array([10.0, 10, 50]))), False),
    (changed(confidence=0.9 - 1.1 * CONFIDENCE), False),
    (changed(level="C2"), False),
    (DetectionResult([]), False),
])
def test_resultsAreTheSameWithinTheTolerances(other, same):
    assert apart(RESULT, other).same is same


def test_whatMovedIsTold():
    distance = apart(RESULT, changed(centre=np.array([0.0, 3.0, 40.0]), confidence=0.5))
    assert (distance.centre, distance.box) == (3.0, 0.0) and distance.confidence == pytest.approx(0.4)
    assert "other levels: C3 C4 and none" in str(apart(RESULT, DetectionResult([])))


def answers(found=RESULT, reserved=(100.0, 120.0, 120.0), runs=(), outcomes=None, gpuMemory=300.0):
    """What ``inFreshProcess`` gives on a card."""
    told = {"auto": (RESULT, ON_CPU_INSTEAD), "cuda": (None, NO_GPU_MEMORY), "again": (RESULT, "")}

    def inFreshProcess(function, *arguments):
        return Measured({
            "detections": lambda: {"results": [RESULT if arguments[2] == "cpu" else found] * 2,
                                   "precision": arguments[3], "gpuMemory": gpuMemory},
            "scarce": lambda: {"expected": RESULT, "needed": 200.0, "reserved": list(reserved), "runs": list(runs)},
            "workerWithoutMemory": lambda: {**told, **(outcomes or {})},
        }[function.__name__](), 1.0)

    return inFreshProcess


def failedChecks(monkeypatch, tmp_path, **kinds):
    monkeypatch.setattr(DeviceChecks, "inFreshProcess", answers(**kinds))
    monkeypatch.setattr(DeviceChecks, "makeCts", lambda folder: [folder / "a.nii", folder / "b.nii"])
    found, _ = DeviceChecks.check("cuda", None, tmp_path, lambda one: None)
    return [one["name"] for one in found if not one["passed"]]


def run(**fields):
    return {"left": 100.0, "batch": 8, "result": RESULT, "error": "", "known": False, **fields}


@pytest.mark.parametrize("kinds, failed", [
    ({}, []),
    ({"found": changed(level="C2")}, ["precision on cuda"] * 4),
    ({"gpuMemory": 5000.0}, ["memory of the card"] * 2),
    ({"reserved": (100.0, 120.0, 300.0)}, ["memory does not grow"]),
    ({"runs": [run(), run(result=None, known=True, error="CUDA out of memory")]}, []),
    ({"runs": [run(result=None, error="illegal memory access")]}, ["100 MB left"]),
    ({"runs": [run(result=DetectionResult([]))]}, ["100 MB left"]),
    ({"outcomes": {"auto": (None, "The detection failed")}}, ["worker on auto, no memory left"]),
    ({"outcomes": {"auto": (RESULT, "")}}, ["worker on auto, no memory left"]),
    ({"outcomes": {"cuda": (None, "The detection failed")}}, ["worker on cuda"]),
    ({"outcomes": {"again": (RESULT, ON_CPU_INSTEAD)}}, ["worker on auto, memory there again"]),
])
def test_aCardThatDoesSomethingElseIsTold(kinds, failed, monkeypatch, tmp_path):
    names = failedChecks(monkeypatch, tmp_path, **kinds)
    assert len(names) == len(failed) and all(part in name for part, name in zip(failed, names, strict=True)), names


def test_withoutACardThoseChecksAreNotRun(monkeypatch, tmp_path):
    monkeypatch.setattr(DeviceChecks, "inFreshProcess", answers(gpuMemory=None))
    monkeypatch.setattr(DeviceChecks, "makeCts", lambda folder: [folder / "a.nii", folder / "b.nii"])
    found, _ = DeviceChecks.check("cpu", None, tmp_path, lambda one: None)
    assert [one["passed"] for one in found] == [True] * 4 + [None]


@pytest.mark.parametrize("passed, status", [(True, 0), (None, 0), (False, 1)])
def test_aFailedCheckIsTheExitStatus(passed, status, monkeypatch, tmp_path):
    monkeypatch.setattr(Measure, "measureWithChecks", lambda *_: {"checks": [{"passed": passed}]})
    monkeypatch.setattr("CervicalSpineDetectionLib.Benchmark.Report.table", lambda figures: [])
    monkeypatch.setattr("CervicalSpineDetectionLib.Benchmark.Report.picture", lambda path, _: path.write_bytes(b""))
    assert main(["benchmark", "--checks", "--devices", "cpu", "--output", str(tmp_path)]) == status
    assert Benchmark.FAILED == 1


@pytest.mark.parametrize("pixelSize, tolerance", [(1.0, 0.1), (7.0, 1.0)])
def test_theDeviceResamplesAsSimpleItkDoes(pixelSize, tolerance):
    # Averaged first where pixels are larger; SimpleITK rounds the averages to whole HU.
    ct = readImage(GOLDEN / "oblique.nrrd")
    ways = dict(_resamplings(ct, resampleSagittal(ct, pixelSize, 6.0), "cpu", 1))
    assert ways["resampling, grid_sample, HU"]() < tolerance


def test_aWayThatDoesNotWorkIsAFinding():
    found = {}
    _tryAll(found, [("bad", lambda: 1 / 0), ("good", lambda: 2.0)])
    assert found == {"bad": "does not work: ZeroDivisionError: division by zero", "good": 2.0}
