"""``cervical-spine dataset`` and ``evaluate``, the real ones, on as little as possible."""

import json

from CervicalSpineDetectionLib.CommandLine.Main import main


def test_aDataSetIsMadeOnceAndGoneOnWith(tmp_path, capsys):
    arguments = ["dataset", "--output", str(tmp_path), "--phantoms", "1", "--workers", "1"]
    assert main(arguments) == 0
    assert "1 made: 1 of 1 volumes" in capsys.readouterr().out
    pictures = sorted(path.stem for path in tmp_path.glob("images/*/*.png"))
    assert 8 < len(pictures) <= 16
    assert pictures == sorted(path.stem for path in tmp_path.glob("labels/*/*.txt"))
    description = json.loads((tmp_path / "dataset.json").read_text())
    assert description["sources"][0]["licence"] == "Apache-2.0" and description["geometry"]["pixelSize"] == 1.0
    assert main(arguments) == 0
    assert "there already" in capsys.readouterr().out


def test_anEvaluationGivesItsFigures(tmp_path, capsys):
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
