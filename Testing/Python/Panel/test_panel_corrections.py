"""Corrections through the panel's table, buttons and keys."""

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
    addCt,
    application,
    boxNodes,
    chooseInBox,
    click,
    clickCell,
    detected,
    errors,
    levelsInTable,
    module,
    press,
    settle,
    textInTable,
    ui,
    volumeNode,
)
from PySide6 import QtCore, QtGui
from sceneFixtures import madeResult

from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Panel.VertebraTable import (
    COLOUR,
    CONFIDENCE,
    CONFIRMED,
    LEVEL,
    LOCKED,
    REMARK,
    SIZE,
    VISIBLE,
)
from CervicalSpineDetectionLib.Results.ResultJson import SCHEMA_FILE, readJson
from CervicalSpineDetectionLib.Scene.HeadlessScene import headlessScene
from CervicalSpineDetectionLib.Scene.Levels import levelColour
from CervicalSpineDetectionLib.Scene.VertebraNodes import addVertebrae, readStates

__all__ = ["application", "detected", "errors", "module", "ui", "volumeNode"]

CONTROL, SHIFT, ALT = QtCore.Qt.ControlModifier, QtCore.Qt.ShiftModifier, QtCore.Qt.AltModifier


@pytest.fixture
def row(module, detected):
    """Chooses rows of the table with the mouse."""
    table = module.widget.ui.vertebraTable

    def choose(*rows):
        for index, number in enumerate(rows):
            clickCell(table, number, SIZE, *([CONTROL] if index else []))

    return choose


def rowsOf(module):
    return module.widget.correctionPanel.corrections.rows()


def test_tableShowsWhatTheSceneHolds(ui, detected):
    assert levelsInTable(ui) == ["C2", "C3", "C4", "C5", "C6"]
    assert textInTable(ui, 0, CONFIDENCE) == "0.90"
    assert textInTable(ui, 0, SIZE) == "28 × 24 × 9"
    colour = ui.vertebraTable.item(0, COLOUR).background().color()
    assert np.allclose((colour.redF(), colour.greenF(), colour.blueF()), levelColour("C2"), atol=0.01)
    assert ui.vertebraTable.item(0, VISIBLE).checkState() == QtCore.Qt.Checked
    assert ui.vertebraTable.item(0, CONFIRMED).checkState() == QtCore.Qt.Unchecked


def test_doubtsAreRemarkedInTheTable(ui, volumeNode):
    addVertebrae(slicer.mrmlScene, madeResult(("C3",), inferred=True, complete=False), volumeNode)
    settle()

    remark = textInTable(ui, 0, REMARK)
    assert "not detected" in remark and "partly outside the field of view" in remark


def test_levelChosenInTheTableRenamesTheVertebra(ui, detected):
    chooseInBox(ui.vertebraTable.cellWidget(4, LEVEL), 6)

    assert [node.GetName() for node in boxNodes(detected)] == ["C2", "C3", "C4", "C5", "C7"]
    assert levelsInTable(ui) == ["C2", "C3", "C4", "C5", "C7"]
    assert "edited" in textInTable(ui, 4, REMARK)


def test_refusedLevelIsNotShown(module, ui, detected, errors, monkeypatch):
    def refuse(nodeId, level):
        raise InputError("It is being dragged.")

    monkeypatch.setattr(module.widget.correctionPanel.corrections, "relabel", refuse)
    chooseInBox(ui.vertebraTable.cellWidget(4, LEVEL), 6)

    assert errors == ["It is being dragged."]
    assert levelsInTable(ui) == ["C2", "C3", "C4", "C5", "C6"]


def test_wheelOverALevelRenamesNothing(ui, detected):
    box = ui.vertebraTable.cellWidget(1, LEVEL)
    place = QtCore.QPointF(5, 5)
    event = QtGui.QWheelEvent(
        place, box.mapToGlobal(place), QtCore.QPoint(), QtCore.QPoint(0, -240), QtCore.Qt.NoButton,
        QtCore.Qt.NoModifier, QtCore.Qt.NoScrollPhase, False,
    )
    slicer.app.sendEvent(box, event)
    settle()

    assert levelsInTable(ui) == ["C2", "C3", "C4", "C5", "C6"]


@pytest.mark.parametrize(
    ("button", "keys", "levels"),
    [
        ("shiftUpButton", (QtCore.Qt.Key_Up, CONTROL, SHIFT), ["C1", "C2", "C3", "C4", "C5"]),
        ("shiftDownButton", (QtCore.Qt.Key_Down, CONTROL, SHIFT), ["C3", "C4", "C5", "C6", "C7"]),
    ],
)
@pytest.mark.parametrize("by", ["mouse", "keyboard"])
def test_allLevelsAreShifted(ui, detected, button, keys, levels, by):
    if by == "mouse":
        click(getattr(ui, button))
    else:
        press(ui.vertebraTable, *keys)

    assert levelsInTable(ui) == levels
    assert [node.GetName() for node in boxNodes(detected)] == levels


def test_shiftBeyondTheFirstLevelIsRefusedAndSaid(ui, detected, errors):
    click(ui.shiftUpButton)
    click(ui.shiftUpButton)

    assert len(errors) == 1 and "can't be shifted" in errors[0]
    assert levelsInTable(ui) == ["C1", "C2", "C3", "C4", "C5"]


@pytest.mark.parametrize("by", ["mouse", "keyboard"])
def test_correctionsAreUndoneAndRedone(ui, detected, by):
    click(ui.shiftDownButton)
    if by == "mouse":
        click(ui.undoButton)
    else:
        press(ui.vertebraTable, QtCore.Qt.Key_Z, CONTROL)
    assert levelsInTable(ui) == ["C2", "C3", "C4", "C5", "C6"]
    if by == "mouse":
        click(ui.redoButton)
    else:
        press(ui.vertebraTable, QtCore.Qt.Key_Y, CONTROL)

    assert levelsInTable(ui) == ["C3", "C4", "C5", "C6", "C7"]


def test_nothingToRedoAfterADetection(ui, detected):
    assert not ui.redoButton.enabled


def test_missedLevelIsInsertedBetweenItsNeighbours(module, ui, row, detected):
    row(2)
    click(ui.deleteButton)
    chooseInBox(ui.insertLevelComboBox, 3)
    click(ui.insertButton)

    assert levelsInTable(ui) == ["C2", "C3", "C4", "C5", "C6"]
    inserted = boxNodes(detected)[2]
    assert inserted.GetName().startswith("C4")
    assert module.widget.correctionPanel.table.selectedIds() == [inserted.GetID()]


def test_insertedLevelThatIsThereIsRefusedAndSaid(ui, detected, errors):
    chooseInBox(ui.insertLevelComboBox, 3)
    click(ui.insertButton)

    assert len(errors) == 1 and "C4 exists already" in errors[0]
    assert ui.vertebraTable.rowCount == 5


def test_chosenVertebraIsDeleted(ui, row, detected):
    row(0)
    click(ui.deleteButton)

    assert levelsInTable(ui) == ["C3", "C4", "C5", "C6"]
    assert [node.GetName() for node in boxNodes(detected)] == ["C3", "C4", "C5", "C6"]


def test_chosenVertebraIsSplit(ui, row, detected):
    row(4)
    before = boxNodes(detected)[4].GetSize()[2]
    click(ui.splitButton)

    assert levelsInTable(ui) == ["C2", "C3", "C4", "C5", "C6", "C7"]
    assert [node.GetSize()[2] for node in boxNodes(detected)[4:]] == pytest.approx([before / 2, before / 2])


def test_twoChosenVertebraeAreMerged(ui, row, detected):
    row(1, 2)
    click(ui.mergeButton)

    assert levelsInTable(ui) == ["C2", "C3", "C5", "C6"]
    assert boxNodes(detected)[1].GetSize()[2] == pytest.approx(9 + 13, abs=4)


def test_buttonsForOneAreOffWhenTwoAreChosen(ui, row, detected):
    row(1, 2)

    assert ui.mergeButton.enabled
    assert not any(button.enabled for button in (ui.splitButton, ui.resetButton))


def test_chosenVertebraIsResetToTheDetection(ui, row, detected):
    box = boxNodes(detected)[1]
    box.SetSize(50, 50, 50)
    chooseInBox(ui.vertebraTable.cellWidget(1, LEVEL), 0)
    row(0)
    click(ui.resetButton)

    assert box.GetName() == "C3"
    assert box.GetSize() == pytest.approx((28, 24, 9))


@pytest.mark.parametrize("by", ["button", "table"])
def test_vertebraIsConfirmedAndNoMore(module, ui, row, detected, by):
    row(3)
    for confirmed in (True, False):
        if by == "button":
            click(ui.confirmButton)
        else:
            clickCell(ui.vertebraTable, 3, CONFIRMED, onTick=True)
        assert rowsOf(module)[3].confirmed is confirmed


def test_allAreConfirmed(module, ui, detected):
    click(ui.confirmAllButton)

    assert all(row.confirmed for row in rowsOf(module))
    assert ui.vertebraTable.item(4, CONFIRMED).checkState() == QtCore.Qt.Checked


@pytest.mark.parametrize("by", ["button", "table"])
def test_lockedVertebraIsKeptFromChanges(ui, row, detected, errors, by):
    row(3)
    if by == "button":
        click(ui.lockButton)
    else:
        clickCell(ui.vertebraTable, 3, LOCKED, onTick=True)
    assert boxNodes(detected)[3].GetLocked()
    assert not ui.vertebraTable.cellWidget(3, LEVEL).enabled
    assert not any(button.enabled for button in (ui.deleteButton, ui.splitButton, ui.resetButton))
    clickCell(ui.vertebraTable, 3, SIZE)
    press(ui.vertebraTable, QtCore.Qt.Key_Delete)
    click(ui.shiftDownButton)

    assert len(errors) == 2 and all("C5 is locked" in error for error in errors)
    assert levelsInTable(ui) == ["C2", "C3", "C4", "C5", "C6"]


def test_vertebraIsHiddenAndShown(ui, detected):
    for visible in (False, True):
        clickCell(ui.vertebraTable, 2, VISIBLE, onTick=True)
        assert bool(boxNodes(detected)[2].GetDisplayVisibility()) is visible


def test_longRemarksStayInsideANarrowTable(module, ui, detected, monkeypatch):
    panel = module.widget.correctionPanel
    rows = [dataclasses.replace(row, remark="The upper end of C1 was not seen: the levels may be wrong.")
            for row in panel.corrections.rows()]
    monkeypatch.setattr(panel.corrections, "rows", lambda: rows)
    # Slicer's letters may be larger than those here.
    font = ui.vertebraTable.font
    font.setPointSizeF(1.2 * font.pointSizeF())
    ui.vertebraTable.font = font
    ui.vertebraTable.horizontalHeader().font = font
    module.panel.resize(560, 1000)
    panel.refresh()
    settle(30)

    table = ui.vertebraTable
    width = table.columnWidth(REMARK)
    assert width > 60 and table.columnViewportPosition(REMARK) + width <= table.viewport().width
    assert not table.horizontalScrollBar().isVisible()
    assert "The upper end" in table.item(0, REMARK).toolTip()


def test_conflictIsShownWithTheWayToMendItAndGoesWhenMended(ui, detected):
    assert not ui.conflictsLabel.isVisible()
    chooseInBox(ui.vertebraTable.cellWidget(2, LEVEL), 4)
    assert "C5 is assigned twice" in ui.conflictsLabel.text and ui.conflictsLabel.isVisible()
    click(ui.undoButton)

    assert not ui.conflictsLabel.isVisible()


def test_choosingARowTurnsItsHandlesOnAndTheOthersOff(row, detected):
    row(1)
    row(3)

    handles = [bool(node.GetDisplayNode().GetHandlesInteractive()) for node in boxNodes(detected)]
    assert handles == [False, False, False, True, False]


def test_keysGoFromLevelToLevelAndStayInTheTable(module, ui, row, detected):
    row(1)
    chosen = []
    for key in (QtCore.Qt.Key_Down, QtCore.Qt.Key_Up, QtCore.Qt.Key_Up, QtCore.Qt.Key_Up):
        press(ui.vertebraTable, key, ALT)
        chosen.extend(module.widget.correctionPanel.table.selectedIds())

    ids = [node.GetID() for node in boxNodes(detected)]
    assert chosen == [ids[2], ids[1], ids[0], ids[0]]


def test_tableFollowsABoxThatIsChangedInTheScene(ui, detected):
    boxNodes(detected)[0].SetSize(31, 42, 13)
    settle()

    assert textInTable(ui, 0, SIZE) == "31 × 42 × 13"
    assert "edited" in textInTable(ui, 0, REMARK)


def test_tableFollowsTheChosenCt(module, ui, detected):
    addCt(module, "other")
    assert ui.vertebraTable.rowCount == 0
    chooseInBox(ui.inputSelector._box, 0)

    assert ui.vertebraTable.rowCount == 5


def test_fortyCorrectionsInARowAreFollowedAndUndone(ui, detected):
    for _ in range(20):
        click(ui.shiftDownButton)
        click(ui.shiftUpButton)
    chooseInBox(ui.vertebraTable.cellWidget(4, LEVEL), 6)
    for _ in range(41):
        press(ui.vertebraTable, QtCore.Qt.Key_Z, CONTROL)

    assert levelsInTable(ui) == ["C2", "C3", "C4", "C5", "C6"]
    assert not any("edited" in textInTable(ui, index, REMARK) for index in range(5))


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
