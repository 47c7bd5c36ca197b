"""Corrections through the panel's table, buttons and keys."""

import dataclasses

import numpy as np
import pytest
import slicer
from panelFixtures import (
    ALT,
    CONTROL,
    SHIFT,
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
    row,
    rowsOf,
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
from CervicalSpineDetectionLib.Scene.Levels import levelColour
from CervicalSpineDetectionLib.Scene.VertebraNodes import addVertebrae

__all__ = ["application", "detected", "errors", "module", "row", "ui", "volumeNode"]


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
