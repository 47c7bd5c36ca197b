"""What a user does with buttons and table that once went wrong: several rows, double clicks, a scrolled panel."""

import numpy as np
import pytest
import slicer
from panelFixtures import (
    CONTROL,
    LEVELS,
    POLLED,
    application,
    boxNodes,
    click,
    clickCell,
    client,
    detect,
    detected,
    errors,
    levelsInTable,
    module,
    rowsOf,
    settle,
    textInTable,
    ui,
    volumeNode,
)
from PySide6 import QtTest, QtWidgets
from sceneFixtures import madeResult
from viewFixtures import LPS_TO_RAS, shown, views

from CervicalSpineDetectionLib.Panel.VertebraTable import CONFIDENCE, REMARK, SIZE
from CervicalSpineDetectionLib.Scene.VertebraNodes import addVertebrae, vertebraeFromNodes
from CervicalSpineDetectionLib.Worker.WorkerClient import Finished, Progress

__all__ = ["application", "client", "detected", "errors", "module", "shown", "ui", "views", "volumeNode"]


def test_buttonsForSeveralRowsTurnTheirWords(module, ui, detected):
    clickCell(ui.vertebraTable, 1, SIZE)
    clickCell(ui.vertebraTable, 3, SIZE, CONTROL)
    for button, done, undone, flag in ((ui.confirmButton, "Unconfirm", "Confirm", "confirmed"),
                                       (ui.lockButton, "Unlock", "Lock", "locked")):
        assert button.text == undone
        click(button)
        assert [getattr(row, flag) for row in rowsOf(module)] == [False, True, False, True, False]
        assert button.text == done
        click(button)
        assert not any(getattr(row, flag) for row in rowsOf(module))
    click(ui.deleteButton)

    assert levelsInTable(ui) == ["C2", "C4", "C6"]


@pytest.fixture
def scroll(module):
    """The panel in a scroll area, lower than it, as in Slicer's main window."""
    area = QtWidgets.QScrollArea()
    module.panel.resize(560, 1200)
    area.setWidget(module.panel)
    area.resize(580, 300)
    area.show()
    area.activateWindow()
    QtTest.QTest.qWaitForWindowActive(area)
    yield area
    area.takeWidget().setParent(None)
    area.close()


def test_buttonSwitchedOffDoesNotScrollThePanel(ui, detected, scroll):
    """Qt hands its focus on, and the scroll area follows: the next click missed."""
    clickCell(ui.vertebraTable, 0, SIZE)
    scroll.ensureWidgetVisible(ui.deleteButton)
    settle()
    place = scroll.verticalScrollBar().value
    ui.deleteButton.setFocus()
    click(ui.deleteButton)
    assert not ui.deleteButton.enabled

    assert scroll.verticalScrollBar().value == place


def test_doubleClickOnDetectDoesNotCancelIt(ui, client, volumeNode):
    click(ui.detectButton)
    click(ui.detectButton)
    assert client.isBusy
    settle(slicer.app.doubleClickInterval + 50)
    click(ui.detectButton)

    assert not client.isBusy


def test_stepWithoutPartsIsShownAsBusy(ui, client, volumeNode):
    click(ui.detectButton)
    client.say(Progress("Starting", 0, 1))
    settle(POLLED)

    assert (ui.progressBar.minimum, ui.progressBar.maximum) == (0, 0)
    assert ui.statusLabel.text == "Starting, 0 s"


def test_conflictStandsOutWithASign(ui, detected, module):
    module.widget.correctionPanel.corrections.relabel(boxNodes(detected)[2].GetID(), "C5")
    settle()

    assert ui.conflictsLabel.text.startswith("\u26a0 ")
    assert "color" in ui.conflictsLabel.styleSheet and "background" in ui.conflictsLabel.styleSheet


# The table


def test_elevenRowsFitWithoutScrolling(module, ui, volumeNode):
    addVertebrae(slicer.mrmlScene, madeResult([*(f"C{n}" for n in range(1, 8)), *(f"T{n}" for n in range(1, 5))]),
                 volumeNode)
    module.panel.resize(540, 1400)
    settle(30)
    table = ui.vertebraTable

    assert not table.verticalScrollBar().isVisible() and not table.horizontalScrollBar().isVisible()
    assert table.visualItemRect(table.item(10, SIZE)).bottom() <= table.viewport().height


def test_insertOffersTheMissingLevelAndHasNoConfidence(ui, detected):
    clickCell(ui.vertebraTable, 2, SIZE)
    click(ui.deleteButton)
    assert ui.insertLevelComboBox.currentText == "C4"
    click(ui.insertButton)

    assert levelsInTable(ui) == LEVELS
    assert textInTable(ui, 2, CONFIDENCE) == "" and "inserted by hand" in textInTable(ui, 2, REMARK)
    assert ui.insertLevelComboBox.currentText == "C7"
    # There is no detection to go back to.
    assert not ui.resetButton.enabled


# From scratch


def test_vertebraeAreAnnotatedWhereNothingWasFound(module, ui, client, views, detected):
    click(ui.clearAllButton)
    assert ui.vertebraTable.rowCount == 0
    ui.insertLevelComboBox.setCurrentIndex(4)
    place = np.array([-30.0, 40.0, 500.0])
    for name in ("Red", "Yellow", "Green"):
        views[name].node.JumpSliceByCentering(*place)
    click(ui.insertAtButton)
    views["Yellow"].click(*views["Yellow"].toPixels(place))
    settle()
    assert levelsInTable(ui) == ["C5"]
    assert vertebraeFromNodes(slicer.mrmlScene, detected)[0].centre * LPS_TO_RAS == pytest.approx(place, abs=0.5)

    # Higher up stands the next one, without a word about which.
    click(ui.insertAtButton)
    views["Yellow"].click(*views["Yellow"].toPixels(place + [0, 0, 17]))
    settle()
    assert levelsInTable(ui) == ["C4", "C5"]


def test_firstVertebraIsInsertedWhereTheSlicesMeet(ui, shown, volumeNode):
    place = np.array([-25.0, 35.0, 510.0])
    for name in ("Red", "Yellow", "Green"):
        shown[name].node.JumpSliceByCentering(*place)
    ui.insertLevelComboBox.setCurrentIndex(2)
    click(ui.insertButton)

    (vertebra,) = vertebraeFromNodes(slicer.mrmlScene, volumeNode)
    assert vertebra.level == "C3"
    assert vertebra.centre * LPS_TO_RAS == pytest.approx(place, abs=0.01)


def test_clearedVertebraeAreBroughtBack(ui, detected):
    click(ui.clearAllButton)
    assert boxNodes(detected) == []
    click(ui.undoButton)

    assert levelsInTable(ui) == LEVELS


def test_detectionFromScratchIgnoresWhatIsThere(module, ui, client, detected):
    click(ui.shiftDownButton)
    click(ui.confirmAllButton)
    click(ui.detectFromScratchButton)
    assert client.jobs[0]["confirmed"] == []
    client.say(Finished(madeResult(LEVELS)))
    settle(POLLED)
    assert levelsInTable(ui) == LEVELS and not any(row.confirmed for row in rowsOf(module))
    click(ui.undoButton)

    assert levelsInTable(ui) == ["C3", "C4", "C5", "C6", "C7"] and all(row.confirmed for row in rowsOf(module))


def test_statusLineFollowsCorrections(ui, client, volumeNode):
    detect(ui, client, madeResult(("C3", "C4")))
    click(ui.shiftDownButton)
    assert ui.statusLabel.text == "C4, C5 (2 edited)"
    click(ui.confirmAllButton)
    assert ui.statusLabel.text == "C4, C5 (2 confirmed; 2 edited)"
