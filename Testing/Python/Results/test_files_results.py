"""Result files: what is written is what was found, whole or not at all."""

import csv
import dataclasses
import json
import os
import subprocess
import sys

import jsonschema
import numpy as np
import pytest

from CervicalSpineDetectionLib.AtomicFiles import atomicFolder, ensureWritable
from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Results.ResultJson import SCHEMA_FILE, fromJson, toJson, writeJson
from CervicalSpineDetectionLib.Results.ResultTable import writeCsv
from CervicalSpineDetectionLib.Spine.Boxes import Bounds, OrientedBox
from CervicalSpineDetectionLib.Spine.Vertebra import DetectionResult, Review, Vertebra

SCHEMA = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def madeVertebra(level="C3", **changes):
    c, s = np.cos(0.2), np.sin(0.2)
    vertebra = Vertebra(
        level=level, confidence=np.float32(0.9731), centre=np.array([1.234567, -20.0, 300.001]),
        bounds=Bounds(np.array([-25.5, -40.125, 290.0]), np.array([25.5, 10.0, 312.5])),
        orientedBox=OrientedBox(np.array([0.0, -15.0, 301.0]), np.array([51.0, 48.0, 17.5]),
                                np.array([[1, 0, 0], [0, c, s], [0, -s, c]])),
    )
    return dataclasses.replace(vertebra, **changes)


def madeResult(vertebrae):
    return DetectionResult(
        vertebrae, ["The HU offset was corrected."],
        image={"size": [512, 512, 100], "spacing": [0.5, 0.5, 2.0], "origin": [-128.0, -128.0, 0.0],
               "direction": np.eye(3).ravel().tolist()},
        model={"name": "cervical-yolov5n", "sha256": "0" * 64}, timings={"network": np.float64(1.23456)},
    )


RESULT = madeResult([madeVertebra("C3"), madeVertebra("C4", inferred=True, complete=False)])


def document():
    """The JSON document of ``RESULT`` as a reader gets it."""
    return json.loads(json.dumps(toJson(RESULT)))


def test_schemaIsASchema():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("result", [RESULT, madeResult([])], ids=["found", "empty"])
def test_documentFitsItsSchema(result):
    VALIDATOR.validate(json.loads(json.dumps(toJson(result))))


def spoilt(change):
    spoiltDocument = document()
    change(spoiltDocument)
    return spoiltDocument


@pytest.mark.parametrize("change", [
    lambda d: d.update(schemaVersion=2),
    lambda d: d.update(frame="RAS"),
    lambda d: d.update(patient="Doe"),
    lambda d: d.pop("model"),
    lambda d: d["model"].update(sha256="abc"),
    lambda d: d["image"].update(size=[512, 512]),
    lambda d: d["timings"].update(network="fast"),
    lambda d: d["vertebrae"][0].update(level="L1"),
    lambda d: d["vertebrae"][0].update(confidence=1.5),
    lambda d: d["vertebrae"][0].update(inferred=0),
    lambda d: d["vertebrae"][0].pop("complete"),
    lambda d: d["vertebrae"][0]["centre"].pop(),
    lambda d: d["vertebrae"][0]["bounds"].update(max=None),
    lambda d: d["vertebrae"][0]["orientedBox"].update(size=[51.0, 0.0, 17.5]),
    lambda d: d["vertebrae"][0]["orientedBox"].update(axes=[[1, 0, 0], [0, 1, 0]]),
])
def test_schemaRefusesAWrongDocument(change):
    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate(spoilt(change))


def test_resultSurvivesJsonToAHundredthOfAMillimetre():
    read = fromJson(document())

    assert [v.level for v in read.vertebrae] == ["C3", "C4"]
    for before, after in zip(RESULT.vertebrae, read.vertebrae, strict=True):
        assert (before.inferred, before.complete) == (after.inferred, after.complete)
        assert after.confidence == pytest.approx(before.confidence, abs=5e-4)
        for path in ("centre", "bounds.minimum", "bounds.maximum", "orientedBox.centre", "orientedBox.size"):
            first, second = before, after
            for name in path.split("."):
                first, second = getattr(first, name), getattr(second, name)
            np.testing.assert_allclose(second, first, atol=0.0051)
        np.testing.assert_allclose(after.orientedBox.axes, before.orientedBox.axes, atol=1e-6)
    assert (read.warnings, read.image, read.model) == (RESULT.warnings, RESULT.image, RESULT.model)
    assert toJson(read) == document()


@pytest.mark.parametrize("change", [
    lambda d: d.update(schemaVersion=2),
    lambda d: d.update(frame="RAS"),
    lambda d: d.pop("vertebrae"),
    lambda d: d["vertebrae"][0].pop("orientedBox"),
    lambda d: d["vertebrae"][0].update(bounds=None),
    lambda d: d["vertebrae"][0].update(level="L1"),
    lambda d: d["vertebrae"][0].update(centre="here"),
    lambda d: d["vertebrae"][0].update(centre=[1.0, 2.0]),
    lambda d: d["vertebrae"][0].update(centre=[1.0, 2.0, float("nan")]),
    lambda d: d["vertebrae"][0]["orientedBox"].update(axes=[[1, 0], [0, 1]]),
])
def test_otherDocumentsAreNotReadAsResults(change):
    with pytest.raises(InputError):
        fromJson(spoilt(change))


def test_reviewIsReadBack():
    result = madeResult([
        madeVertebra("C3", review=Review(confirmed=True)),
        madeVertebra("C4", review=Review(edited=True, inserted=True)),
        madeVertebra("C5"),
    ])
    text = json.loads(json.dumps(toJson(result)))
    VALIDATOR.validate(text)

    assert [vertebra["confidence"] for vertebra in text["vertebrae"]] == [0.973, None, 0.973]
    assert [vertebra.review for vertebra in fromJson(text).vertebrae] == [v.review for v in result.vertebrae]
    others = {"edited": False, "inserted": False, "locked": False}
    for review in ({"confirmed": True}, {"confirmed": 3, **others}, {"sure": True, **others}, None):
        text["vertebrae"][0]["review"] = review
        with pytest.raises(InputError):
            fromJson(text)


def test_onlyAnInsertedVertebraLacksAConfidence():
    with pytest.raises(InputError):
        fromJson(spoilt(lambda d: d["vertebrae"][0].update(confidence=None)))


def test_numbersJsonCannotHoldAreNotWritten(tmp_path):
    with pytest.raises(ValueError):
        writeJson(tmp_path / "vertebrae.json", madeResult([madeVertebra(confidence=float("nan"))]))

    assert not (tmp_path / "vertebrae.json").exists()


def test_csvHasOneRowAVertebraWithItsNumbers(tmp_path):
    writeCsv(tmp_path / "vertebrae.csv", RESULT)

    with open(tmp_path / "vertebrae.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(row["level"], row["inferred"], row["complete"]) for row in rows] == [
        ("C3", "false", "true"), ("C4", "true", "false")]
    assert [float(rows[0][f"centre{axis}_mm"]) for axis in "LPS"] == [1.23, -20.0, 300.0]
    assert [float(rows[0][f"min{axis}_mm"]) for axis in "LPS"] == [-25.5, -40.12, 290.0]
    assert [float(rows[0][f"orientedBox{edge}_mm"]) for edge in ("Width", "Depth", "Height")] == [51.0, 48.0, 17.5]


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_newFilesReplaceEarlierOnesAndLeaveOthersAlone(tmp_path):
    (tmp_path / "a").write_text("old")
    (tmp_path / "mine").write_text("kept")

    with atomicFolder(tmp_path, ["a", "b"]) as folder:
        (folder / "a").write_text("new")
        (folder / "b").write_text("new too")
        assert contents(tmp_path / folder.name) != {} and (tmp_path / "a").read_text() == "old"

    assert contents(tmp_path) == {"a": b"new", "b": b"new too", "mine": b"kept"}


def test_folderToWriteToIsAbsoluteWhereTheGivenOneIsNot(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    with atomicFolder(".", ["a"]) as folder:
        assert folder.is_absolute()
        (folder / "a").write_text("new")

    assert contents(tmp_path) == {"a": b"new"}


def test_failureMidwayLeavesTheFolderAsItWas(tmp_path):
    (tmp_path / "a").write_text("old")
    (tmp_path / "b").write_text("old")

    with pytest.raises(RuntimeError, match="disk"):
        with atomicFolder(tmp_path, ["a", "b"]) as folder:
            (folder / "a").write_text("new")
            raise RuntimeError("disk")

    assert contents(tmp_path) == {"a": b"old", "b": b"old"}


def test_killedRunKeepsEarlierResultsAndTheNextRunTidiesUp(tmp_path):
    (tmp_path / "a").write_text("old")
    code = """
import os, sys
from CervicalSpineDetectionLib.AtomicFiles import atomicFolder
with atomicFolder(sys.argv[1], ["a"]) as folder:
    (folder / "a").write_text("new")
    os._exit(9)
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    killed = subprocess.run([sys.executable, "-c", code, str(tmp_path)], env=environment)

    assert killed.returncode == 9
    assert (tmp_path / "a").read_text() == "old"
    with atomicFolder(tmp_path, ["a"]) as folder:
        (folder / "a").write_text("new")
    assert contents(tmp_path) == {"a": b"new"}


def test_fileOfAnEarlierRunThatWasNotWrittenAnewIsGone(tmp_path):
    (tmp_path / "a").write_text("old")
    (tmp_path / "b").write_text("old")

    with atomicFolder(tmp_path, ["a", "b"]) as folder:
        (folder / "b").write_text("new")

    assert contents(tmp_path) == {"b": b"new"}


def test_outputFolderIsMadeAndLeftEmpty(tmp_path):
    ensureWritable(tmp_path / "new" / "folder")

    assert contents(tmp_path / "new" / "folder") == {}


@pytest.mark.parametrize("name", ["file", "file/folder"])
def test_outputThatCannotBeAFolderIsRefused(tmp_path, name):
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(InputError, match="can't be written"):
        ensureWritable(tmp_path / name)
