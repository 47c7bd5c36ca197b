"""``cervical-spine dataset`` and ``evaluate``, the real ones, on as little as possible."""

import json

import pytest
import SimpleITK as sitk

from CervicalSpineDetectionLib.CommandLine.Main import main
from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.SliceDetector.Weights import findWeights, readCard
from CervicalSpineDetectionLib.Training import MadeDataset
from CervicalSpineDetectionLib.Training.Dataset import SliceGeometry, checkGeometry, geometryOf, writeDescription


def test_aDataSetIsMadeOnceAndGoneOnWith(tmp_path, capsys):
    arguments = ["dataset", "--output", str(tmp_path), "--phantoms", "1", "--workers", "1"]
    assert main(arguments) == 0
    assert "Making: 1 of 1 volumes" in capsys.readouterr().out
    pictures = sorted(path.stem for path in tmp_path.glob("images/*/*.png"))
    assert 8 < len(pictures) <= 16
    assert pictures == sorted(path.stem for path in tmp_path.glob("labels/*/*.txt"))
    description = json.loads((tmp_path / "dataset.json").read_text())
    # Training may go on from the shipped weights.
    shipped = readCard(findWeights())
    assert description["sources"][0]["licence"] == "Apache-2.0"
    assert description["geometry"]["pixelSize"] == shipped["pixelSize"]
    assert main(arguments) == 0
    assert "there already" in capsys.readouterr().out


def test_defaultGeometryIsThatOfTheShippedWeights():
    assert geometryOf() == SliceGeometry()


def keeps(*_):
    """Goes to another process by its name."""
    return "kept"


@pytest.mark.parametrize("option", ["--teacher", "--weights"])
def test_slicesAreCutAsTheNamedWeightsLookAtThem(tmp_path, monkeypatch, option):
    """Those that a teacher labels were described with another pixel size than they had."""
    ct = tmp_path / "ct.nii.gz"
    sitk.WriteImage(sitk.Image([9, 9, 9], sitk.sitkInt16), str(ct))
    card = {**readCard(findWeights()), "pixelSize": 1.25}
    monkeypatch.setattr("CervicalSpineDetectionLib.Training.Dataset.readCard", lambda path: card)
    monkeypatch.setattr("CervicalSpineDetectionLib.Training.Dataset.findWeights", lambda name=None: name)
    monkeypatch.setattr(MadeDataset, "_writeTaught", keeps)

    assert main(["dataset", "-o", str(tmp_path / "set"), "--unlabelled", str(ct), "--teacher", "own", option, "own",
                 "--workers", "1"]) == 0

    assert json.loads((tmp_path / "set" / "dataset.json").read_text())["geometry"]["pixelSize"] == 1.25


def test_aFolderOfOtherSlicesIsNotGoneOnWith(tmp_path):
    writeDescription(tmp_path, SliceGeometry(pixelSize=1.0), {"sources": []})

    with pytest.raises(InputError, match="other pixels"):
        checkGeometry(tmp_path, SliceGeometry())
    checkGeometry(tmp_path, SliceGeometry(pixelSize=1.0))


def test_anEvaluationGivesItsFigures(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("CervicalSpineDetectionLib.Evaluation.Report.SLICE_RESAMPLES", 20)
    assert main(["evaluate", "--phantoms", "1", "--first-seed", "900", "--output", str(tmp_path)]) == 0
    figures = json.loads((tmp_path / "evaluation.json").read_text())
    assert figures["cases"] == 1 and figures["levels"] >= 3
    assert 0 <= figures["identificationRate8mm"] <= figures["identificationRate20mm"] <= 1
    assert "phantom 900" in capsys.readouterr().out


def test_anEvaluationOfNothingIsRefused(tmp_path, capsys):
    assert main(["evaluate", "--output", str(tmp_path)]) == 2
    assert "--cases" in capsys.readouterr().err


def test_aFolderWithoutLabelsIsTold(tmp_path, capsys):
    assert main(["evaluate", "--cases", str(tmp_path), "--output", str(tmp_path / "out")]) == 2
    assert "no JSON files" in capsys.readouterr().err


@pytest.mark.shows("Faults", "loss of power")
@pytest.mark.parametrize("text", ["", "[", "[]", "{}", '{"geometry": 1}', "[" * 100_000])
def test_aDamagedDescriptionOfADataSetIsRefused(tmp_path, capsys, text):
    (tmp_path / "dataset.json").write_text(text)

    assert main(["train", "--dataset", str(tmp_path), "-o", str(tmp_path / "run"), "--device", "cpu"]) == 2

    error = capsys.readouterr().err
    assert "dataset.json is damaged or describes no data set" in error and len(error.splitlines()) == 1
    with pytest.raises(InputError, match="damaged"):
        checkGeometry(tmp_path, SliceGeometry())
