"""``cervical-spine detect``: exit status, what is written, and where."""

import json
import sys

import jsonschema
import numpy as np
import pytest
import SimpleITK as sitk
from detectFixtures import ALL_FILES, LIBRARY, ct, detect, fileNames, standIns

from CervicalSpineDetectionLib.Results.ResultJson import SCHEMA_FILE
from CervicalSpineDetectionLib.Terminal import canDraw

__all__ = ["ct", "standIns"]


def test_resultIsWrittenAndTabled(standIns, ct, tmp_path, capfd):
    status = detect(ct, tmp_path)

    printed = capfd.readouterr()
    assert status == 0
    assert fileNames(tmp_path / "out") == ALL_FILES
    document = json.loads((tmp_path / "out" / "vertebrae.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))).validate(document)
    assert [vertebra["level"] for vertebra in document["vertebrae"]] == ["C5", "C6", "C7"]
    assert set(document["timings"]) == {"read", "network"}
    rows = [line for line in printed.out.splitlines() if line.startswith("C")]
    assert rows[0].split() == ["C5", "0.97", "1.2", "-20.0", "60.0", "51", "x", "45", "x", "16"]
    assert rows[1].endswith("interpolated (not detected)")
    assert rows[2].endswith("partly outside the field of view")
    assert "Note: Look twice." in printed.out
    assert str(tmp_path / "out") in printed.out
    assert printed.err == ""


def test_librariesPrintNothing(standIns, ct, tmp_path, capfd):
    detect(ct, tmp_path)

    printed = capfd.readouterr()
    assert "scene.mrb" in standIns.written
    assert "noise" not in printed.out + printed.err


def test_optionsReachTheDetector(standIns, ct, tmp_path):
    detect(ct, tmp_path, "--weights", "mine", "--device", "cpu", "--batch", "4", "--precision", "single")

    assert standIns.loaded == [("mine", "cpu", 4, "single")]


def test_axisAlignedBoxesInSceneAndTable(standIns, ct, tmp_path, capsys):
    detect(ct, tmp_path, "--axis-aligned")

    assert standIns.written["scene.mrb"]["oriented"] is False
    assert "52 x 48 x 18" in capsys.readouterr().out


def test_volumeInTheSceneIsNotNamedAfterTheInput(standIns, ct, tmp_path):
    detect(ct, tmp_path)

    assert standIns.written["scene.mrb"]["name"] == "CT"


@pytest.mark.parametrize(("option", "left"), [("--no-scene", "scene.mrb"), ("--no-preview", "preview.png")])
def test_whatIsNotWantedIsNotWrittenAndNotLeftFromBefore(standIns, ct, tmp_path, option, left):
    detect(ct, tmp_path)
    detect(ct, tmp_path, option)

    assert fileNames(tmp_path / "out") == ALL_FILES - {left}


def test_withoutSlicerCoreTheNumbersAreWrittenAndTheRestExplained(standIns, ct, tmp_path, capsys, monkeypatch):
    # Imports as a missing module does.
    monkeypatch.setitem(sys.modules, f"{LIBRARY}.Scene.SceneFiles", None)

    status = detect(ct, tmp_path)

    assert status == 0
    assert fileNames(tmp_path / "out") == {"vertebrae.json", "vertebrae.csv", "preview.png"}
    assert "need slicer-core" in capsys.readouterr().out


@pytest.mark.parametrize(("code", "works"), [("pass", True), ("import os; os.abort()", False)])
def test_graphicsThatEndTheProcessAreFoundOut(monkeypatch, code, works):
    monkeypatch.setattr(f"{LIBRARY}.Terminal.DRAW_NOTHING", code)

    assert canDraw() is works


def test_pictureAndSceneAreInHuWhereTheFileIsOffset(standIns, tmp_path):
    # A third air, a third soft tissue, a third bone, all 1024 too high.
    voxels = np.repeat([24, 1064, 1500], 4).repeat(80).reshape(12, 10, 8).astype(np.int16)
    sitk.WriteImage(sitk.GetImageFromArray(voxels), str(tmp_path / "offset.nrrd"))

    detect(tmp_path / "offset.nrrd", tmp_path)

    for name in ("scene.mrb", "preview.png"):
        assert sitk.GetArrayFromImage(standIns.written[name]["image"]).min() == -1000


def test_nothingFoundIsAnEmptyResultOfItsOwnStatus(standIns, ct, tmp_path, capsys):
    standIns.vertebrae = []

    status = detect(ct, tmp_path)

    assert status == 3
    assert json.loads((tmp_path / "out" / "vertebrae.json").read_text(encoding="utf-8"))["vertebrae"] == []
    assert "No cervical vertebra was found." in capsys.readouterr().out


def test_aGpuIsChosenByItsNumber(standIns, ct, tmp_path):
    detect(ct, tmp_path, "--device", "cuda:1")

    assert standIns.loaded[0][1] == "cuda:1"
