"""The benchmark of the whole command: its files, its ratios, its table. What it runs are stand-ins here."""

import json
import os
from types import SimpleNamespace

import numpy as np
import pytest
import SimpleITK as sitk

from CervicalSpineDetectionLib.Benchmark import SampleCts, Whole
from CervicalSpineDetectionLib.Benchmark.Processes import Measured
from CervicalSpineDetectionLib.CommandLine.Main import main
from CervicalSpineDetectionLib.Imaging.ReadImage import readImage

STAGES = {"read": 1.0, "resample": 0.5, "network": 2.0, "fusion": 0.1, "levels": 0.1}


def madeCt():
    voxels = np.random.default_rng(2).integers(-1000, 1500, (12, 16, 14)).astype(np.int16)
    image = sitk.GetImageFromArray(voxels)
    image.SetSpacing((0.5, 0.5, 1.5))
    image.SetOrigin((-4, 7, 30))
    return image


@pytest.fixture
def smallCt(monkeypatch):
    monkeypatch.setattr(SampleCts, "writeSampleCt", lambda path, size, spacing: sitk.WriteImage(madeCt(), str(path)))


def test_everyKindOfFileHoldsTheSameCt(smallCt, tmp_path):
    paths = SampleCts.writeInputs(tmp_path, 12)

    assert tuple(paths) == SampleCts.INPUTS
    for kind, path in paths.items():
        image = readImage(path)
        assert np.array_equal(sitk.GetArrayViewFromImage(image), sitk.GetArrayViewFromImage(madeCt())), kind
        for field in ("Spacing", "Origin", "Direction"):
            np.testing.assert_allclose(getattr(image, f"Get{field}")(), getattr(madeCt(), f"Get{field}")(), atol=1e-5)
    sizes = {kind: SampleCts.byteCount(path) for kind, path in paths.items()}
    assert sizes["NIfTI"] == paths["NIfTI"].stat().st_size and sizes["DICOM"] > 12 * 16 * 14 * 2


def test_theColdCommandIsTimedAsAWholeAndItsStagesAreThoseOfItsResult(monkeypatch, tmp_path):
    marks = iter([10.0, 15.0])
    monkeypatch.setattr(Whole.time, "perf_counter", lambda: next(marks))
    used = iter([(1.0, 0.5), (5.0, 1.0)])
    monkeypatch.setattr(Whole.os, "times", lambda: SimpleNamespace(
        **dict(zip(("children_user", "children_system"), next(used), strict=True))))
    commands = []

    def run(command, **_):
        commands.append(command)
        (tmp_path / "vertebrae.json").write_text(json.dumps({"timings": STAGES}), encoding="utf-8")

    monkeypatch.setattr(Whole.subprocess, "run", run)
    figures = Whole._command("ct.nii", None, tmp_path, ("--no-scene",))
    assert figures["seconds"] == 5.0 and figures["imports and files"] == pytest.approx(1.3)
    assert figures["processor"] == (None if os.name == "nt" else 4.5)
    assert commands[0][3:] == ["detect", "ct.nii", "--output", str(tmp_path), "--device", "cpu", "--no-scene"]


def test_ratiosAreOfMediansToReadingAlone():
    laps = [{"seconds": seconds, "processor": None} for seconds in (9.0, 3.0, 6.0)]
    assert Whole._summary(laps, 2.0) == {"seconds": 6.0, "processor": None, "overReading": 3.0}


def test_theCommandWritesAndShowsEveryFigure(monkeypatch, tmp_path, capsys):
    kinds = {"DICOM": tmp_path / "ct", "NIfTI": tmp_path / "ct.nii"}
    kinds["DICOM"].mkdir()
    for path in (kinds["DICOM"] / "0.dcm", kinds["NIfTI"]):
        path.write_bytes(bytes(2_000_000))
    answers = {
        "writeInputs": kinds, "warmStages": {**STAGES, "scene": 0.4}, "networkCost": {"parameters": 1, "flops": 1},
        "machine": {"flops": {"single": 1e10}, "bandwidth": 1e9},
        "detectionStages": {"precision": "single", "slices": (2, 10, 10), "flops": 1e9, "voxels": (10, 10, 10),
                            "voxelBytes": 2},
    }
    monkeypatch.setattr(Whole, "inFreshProcess", lambda function, *_: Measured(answers[function.__name__], 1.0))
    monkeypatch.setattr(Whole, "_command", lambda *_: {"seconds": 6.0, "processor": 8.0, **STAGES,
                                                       "imports and files": 2.3})
    monkeypatch.setattr(Whole.subprocess, "run", lambda *_, **__: SimpleNamespace(stdout="1.5\n"))
    assert main(["benchmark", "--whole", "--slices", "40", "--repeats", "2", "-o", str(tmp_path / "out")]) == 0
    written = json.loads((tmp_path / "out" / "whole.json").read_text(encoding="utf-8"))
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["whole.json"]
    assert written["slices"] == 40 and written["bytes"] == {"DICOM": 2_000_000, "NIfTI": 2_000_000}
    assert written["cold"]["DICOM"]["all"]["overReading"] == 4.0
    assert written["floor"]["network"] == pytest.approx(0.1)
    printed = capsys.readouterr().out
    line = next(line for line in printed.splitlines() if line.startswith("  all"))
    assert line.split()[1:4] == ["6.00", "8.00", "4.0"] and "network 2.00" in line
    assert next(line for line in printed.splitlines() if line.startswith("scene")).split()[2:] == ["0.400", "0.400"]
