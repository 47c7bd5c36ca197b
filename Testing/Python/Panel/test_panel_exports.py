"""What the panel exports: JSON, CSV, markups, label map, scene, segmentation."""

import csv
import dataclasses
import json
import zipfile

import jsonschema
import numpy as np
import pytest
import SimpleITK as sitk
import slicer
from panelFixtures import (
    application,
    boxNodes,
    chooseInBox,
    click,
    detected,
    errors,
    module,
    row,
    settle,
    ui,
    volumeNode,
)

from CervicalSpineDetectionLib.Panel.VertebraTable import (
    LEVEL,
)
from CervicalSpineDetectionLib.Results.ResultJson import SCHEMA_FILE, readJson
from CervicalSpineDetectionLib.Scene.HeadlessScene import headlessScene
from CervicalSpineDetectionLib.Scene.VertebraNodes import addVertebrae, readStates

__all__ = ["application", "detected", "errors", "module", "row", "ui", "volumeNode"]


@pytest.fixture
def saveAs(monkeypatch, tmp_path):
    """What the user types in the file dialog."""
    import qt

    def choose(name):
        path = str(tmp_path / name) if name else ""
        monkeypatch.setattr(qt.QFileDialog, "getSaveFileName", staticmethod(lambda *arguments: path))
        return tmp_path / name

    return choose


def test_correctionsAreExportedAsJson(ui, detected, saveAs):
    path = saveAs("result.json")
    click(ui.shiftDownButton)
    click(ui.exportJsonButton)

    document = json.loads(path.read_text(encoding="utf-8"))
    assert [vertebra["level"] for vertebra in document["vertebrae"]] == ["C3", "C4", "C5", "C6", "C7"]
    assert str(path) in ui.exportStatusLabel.text


def test_correctionsAreExportedAsCsvWithTheEndingAdded(ui, detected, saveAs):
    path = saveAs("result")
    click(ui.exportCsvButton)

    with open(path.with_name("result.csv"), newline="", encoding="utf-8") as file:
        assert [line["level"] for line in csv.DictReader(file)] == ["C2", "C3", "C4", "C5", "C6"]


def test_exportsSayWhatAPersonMadeOfEachVertebra(ui, row, detected, saveAs):
    """One is confirmed, one edited, one inserted by hand, one locked, and one as it was detected."""
    row(0)
    click(ui.confirmButton)
    boxNodes(detected)[1].SetSize(30, 30, 12)
    settle()
    row(2)
    click(ui.deleteButton)
    click(ui.insertButton)
    row(3)
    click(ui.lockButton)
    path = saveAs("result.json")
    click(ui.exportJsonButton)
    csvPath = saveAs("result.csv")
    click(ui.exportCsvButton)

    flags = ("confirmed", "edited", "inserted", "locked")
    expected = {"C2": (True, False, False, False), "C3": (False, True, False, False), "C4": (False, True, True, False),
                "C5": (False, False, False, True), "C6": (False, False, False, False)}
    document = json.loads(path.read_text(encoding="utf-8"))
    jsonschema.validate(document, json.loads(SCHEMA_FILE.read_text(encoding="utf-8")))
    assert {each["level"]: tuple(each["review"][flag] for flag in flags)
            for each in document["vertebrae"]} == expected
    # No detector saw the inserted one.
    assert [each["confidence"] for each in document["vertebrae"]] == [1.0, 0.9, None, 0.9, 0.9]
    with open(csvPath, newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert {line["level"]: tuple(line[flag] == "true" for flag in flags) for line in lines} == expected
    assert [line["confidence"] for line in lines][1:3] == ["0.9", ""]

    # Read back, into another scene's nodes too.
    result = readJson(path)
    assert {each.level: dataclasses.astuple(each.review) for each in result.vertebrae} == expected
    with headlessScene() as (scene, _):
        addVertebrae(scene, result)
        assert {state.level: (state.confirmed, state.edited, state.inserted, state.locked)
                for state in readStates(scene)} == expected


def test_correctionsAreExportedAsMarkups(ui, detected, saveAs):
    path = saveAs("result.mrk.json")
    click(ui.exportMarkupsButton)

    names = [markup["name"] for markup in json.loads(path.read_text(encoding="utf-8"))["markups"]]
    assert names[:5] == ["C2", "C3", "C4", "C5", "C6"]


def test_correctionsAreExportedAsLabelMapOnTheGridOfTheCt(ui, detected, saveAs):
    path = saveAs("result.nii.gz")
    click(ui.exportLabelsButton)

    labels = sitk.ReadImage(str(path))
    assert labels.GetSize() == (90, 90, 90)
    assert set(np.unique(sitk.GetArrayViewFromImage(labels))) == {0, 2, 3, 4, 5, 6}


def test_correctionsAreExportedAsASceneToLearnFrom(ui, row, detected, saveAs):
    from CervicalSpineDetectionLib.Scene.SceneCases import casesOfScene

    detected.SetName("Doe, Jane")
    row(2)
    click(ui.confirmButton)
    path = saveAs("corrected.mrb")
    click(ui.exportBundleButton)

    (case,) = casesOfScene(path)
    assert case.image.GetSize() == (90, 90, 90)
    assert [vertebra.level for vertebra in case.settled] == ["C4"]
    assert len(case.others) == 4
    bundle = zipfile.ZipFile(path)
    assert not any(b"Doe" in name.encode() + bundle.read(name) for name in bundle.namelist())


def test_boneIsAddedAsSegmentation(ui, detected):
    slicer.util.arrayFromVolume(detected)[:, 30:60, 20:70] = 600
    click(ui.segmentationButton)

    node = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLSegmentationNode")
    assert node.GetSegmentation().GetNumberOfSegments() == 5


def test_noFileIsWrittenWhenTheDialogIsCancelled(ui, detected, saveAs, tmp_path):
    saveAs("")
    click(ui.exportJsonButton)

    assert list(tmp_path.iterdir()) == []


def test_contradictionIsNotExportedAndTheOldFileStays(ui, detected, saveAs, errors):
    path = saveAs("result.json")
    path.write_text("old", encoding="utf-8")
    chooseInBox(ui.vertebraTable.cellWidget(2, LEVEL), 4)
    click(ui.exportJsonButton)

    assert len(errors) == 1 and "C5 is assigned twice" in errors[0]
    assert path.read_text(encoding="utf-8") == "old"


def test_fileThatCanNotBeWrittenIsSaid(ui, detected, saveAs, errors):
    saveAs("missing/result.csv")
    click(ui.exportCsvButton)

    assert len(errors) == 1 and "missing" in errors[0]
