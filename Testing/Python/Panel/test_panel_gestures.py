"""What a user does with keys and mouse that once went wrong: focus, double clicks, several rows, a scrolled panel."""

import io

import numpy as np
import pytest
import slicer
from panelFixtures import (
    addCt,
    application,
    boxNodes,
    chooseInBox,
    click,
    clickCell,
    client,
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
from PySide6 import QtCore, QtTest, QtWidgets
from sceneFixtures import madeResult
from viewFixtures import LPS_TO_RAS, chosen, shown, views

from CervicalSpineDetectionLib.Panel.VertebraTable import CONFIDENCE, LEVEL, REMARK, SIZE
from CervicalSpineDetectionLib.Scene.VertebraNodes import addVertebrae, vertebraeFromNodes
from CervicalSpineDetectionLib.Spine.Vertebra import DetectionResult, NameBasis
from CervicalSpineDetectionLib.Worker.Messages import encode, readMessages, resultFromMessage, resultToMessage
from CervicalSpineDetectionLib.Worker.WorkerClient import Finished, Progress

__all__ = ["application", "client", "detected", "errors", "module", "shown", "ui", "views", "volumeNode"]

CONTROL, SHIFT, ALT = QtCore.Qt.ControlModifier, QtCore.Qt.ShiftModifier, QtCore.Qt.AltModifier
Key = QtCore.Qt
POLLED = 80
LEVELS = ["C2", "C3", "C4", "C5", "C6"]
WARNING = ("Neither C1, C2 nor the first ribs can be recognized in this CT: all names may be off by one or more. The "
           "next most probable naming is C5 to T1 (23 %). Check, and use Shift levels up or down.")


def focused():
    return QtWidgets.QApplication.focusWidget()


def rowsOf(module):
    return module.widget.correctionPanel.corrections.rows()


# Levels are renamed by an opened list only


def test_escapedLevelListLeavesTheKeysToTheTable(module, ui, detected):
    """Open a level's list, Esc, Alt+Down, Down: C2 became C3."""
    clickCell(ui.vertebraTable, 0, SIZE)
    box = ui.vertebraTable.cellWidget(0, LEVEL)
    QtTest.QTest.mouseClick(box, QtCore.Qt.LeftButton)
    settle(50)
    assert box.view().isVisible()
    press(box.view(), Key.Key_Escape)
    assert not box.view().isVisible() and focused() is ui.vertebraTable
    press(focused(), Key.Key_Down, ALT)
    press(focused(), Key.Key_Down)

    assert levelsInTable(ui) == LEVELS
    assert chosen(module) == [boxNodes(detected)[2].GetID()]


@pytest.mark.parametrize("key", [Key.Key_Down, Key.Key_Up, Key.Key_End, Key.Key_C, Key.Key_Space, Key.Key_F4])
def test_keysOnAClosedLevelBoxRenameNothing(ui, detected, key):
    box = ui.vertebraTable.cellWidget(1, LEVEL)
    box.setFocus()
    press(box, key)

    assert not box.view().isVisible()
    assert levelsInTable(ui) == LEVELS


def test_levelListIsOpenedByKey(ui, detected):
    clickCell(ui.vertebraTable, 4, SIZE)
    press(ui.vertebraTable, Key.Key_F2)
    view = ui.vertebraTable.cellWidget(4, LEVEL).view()
    assert view.isVisible()
    press(view, Key.Key_Down)
    press(view, Key.Key_Return)

    assert levelsInTable(ui) == ["C2", "C3", "C4", "C5", "C7"]
    assert focused() is ui.vertebraTable


def test_tabLeavesTheTable(ui, detected):
    clickCell(ui.vertebraTable, 1, SIZE)
    press(ui.vertebraTable, Key.Key_Tab)

    assert focused() is ui.fitViewsButton


def test_openedLevelListChoosesItsRow(ui, detected):
    """Else F2 opens a second list, of the row that was chosen before, and one of the two stays open."""
    clickCell(ui.vertebraTable, 1, SIZE)
    click(ui.vertebraTable.cellWidget(4, LEVEL))
    press(ui.vertebraTable, Key.Key_F2)
    view = ui.vertebraTable.cellWidget(4, LEVEL).view()
    press(view, Key.Key_Down)
    press(view, Key.Key_Return)

    assert levelsInTable(ui) == ["C2", "C3", "C4", "C5", "C7"]
    assert not any(ui.vertebraTable.cellWidget(row, LEVEL).view().isVisible() for row in range(5))


# Keys


def test_keysWorkWhereverTheFocusIsInTheWindow(module, ui, detected):
    """After a drag it is in a view."""
    view = QtWidgets.QLineEdit(module.panel)
    view.setReadOnly(True)
    view.show()
    click(ui.shiftDownButton)
    view.setFocus()
    press(view, Key.Key_Z, CONTROL)
    assert levelsInTable(ui) == LEVELS
    press(view, Key.Key_Z, CONTROL, SHIFT)
    assert levelsInTable(ui) == ["C3", "C4", "C5", "C6", "C7"]


def test_keysAreLeftToOtherModules(module, ui, detected):
    click(ui.shiftDownButton)
    module.exit()
    press(ui.vertebraTable, Key.Key_Z, CONTROL)

    assert levelsInTable(ui) == ["C3", "C4", "C5", "C6", "C7"]
    module.enter()


def test_deleteKeyInTheTableDeletesTheChosenRows(ui, detected):
    clickCell(ui.vertebraTable, 0, SIZE)
    clickCell(ui.vertebraTable, 1, SIZE, CONTROL)
    press(ui.vertebraTable, Key.Key_Delete)

    assert levelsInTable(ui) == ["C4", "C5", "C6"]


def test_oneKeyConfirmsAndGoesOn(module, ui, detected):
    clickCell(ui.vertebraTable, 0, SIZE)
    for _ in range(5):
        press(ui.vertebraTable, Key.Key_Return, CONTROL)

    assert all(row.confirmed for row in rowsOf(module))
    assert chosen(module) == [boxNodes(detected)[4].GetID()]


# Buttons


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


# Views


def fieldsOfView(views):
    return [views[name].node.GetFieldOfView()[:2] for name in ("Red", "Yellow", "Green")]


def isInView(view, ras):
    place = view.toPixels(ras) / view.window.GetSize()
    return bool(np.all((place > 0.02) & (place < 0.98)))


@pytest.fixture
def smallNeck(module, shown):
    """C2 to C6 are found in a part of a large CT, whose slices were fitted to all of it."""
    node = addCt(module, "large", size=(60, 200, 200), spacing=(2.0, 2.0, 2.0))
    slicer.util.setSliceViewerLayers(background=node, fit=True)
    module.widget.correctionPanel.watchViews()
    for view in shown.values():
        view.picture()
    return node


def detect(ui, client, result):
    click(ui.detectButton)
    client.say(Finished(result))
    settle(POLLED)


def test_firstDetectionFitsAllViewsAndTheNextLeavesThem(module, ui, client, shown, smallNeck):
    far = madeResult(LEVELS)
    assert max(max(field) for field in fieldsOfView(shown)) > 300
    detect(ui, client, far)

    assert max(max(field) for field in fieldsOfView(shown)) < 160
    centres = [vertebra.centre * LPS_TO_RAS for vertebra in far.vertebrae]
    assert all(isInView(shown[name], centre) for name in ("Yellow", "Green") for centre in centres)
    camera = shown["1"].managers.GetDisplayableManagerByClassName("vtkMRMLCameraDisplayableManager").GetCameraNode()
    assert camera.GetFocalPoint() == pytest.approx(np.mean(centres, axis=0), abs=20)
    assert shown["1"].picture()[..., :3].std() > 5

    # All stay in view where the slices go from one to the next.
    clickCell(ui.vertebraTable, 0, SIZE)
    assert all(isInView(shown["Yellow"], centre) for centre in centres)

    for name in ("Red", "Yellow", "Green"):
        shown[name].node.SetFieldOfView(50, 50, 1)
    detect(ui, client, far)
    assert fieldsOfView(shown) == [(50, 50)] * 3
    click(ui.fitViewsButton)
    assert min(max(field) for field in fieldsOfView(shown)) > 100


def test_handlesAreSmallAndOnTheChosenBoxOnly(module, ui, client, shown, smallNeck):
    detect(ui, client, madeResult(LEVELS))

    displayNodes = [node.GetDisplayNode() for node in boxNodes(smallNeck)]
    assert [bool(node.GetHandlesInteractive()) for node in displayNodes] == [False, False, True, False, False]
    assert displayNodes[2].GetInteractionHandleScale() <= 1.5


def nameIsDrawn(view, centresNode, index):
    """Whether another name changes the picture."""
    before, name = view.picture(), centresNode.GetNthControlPointLabel(index)
    centresNode.SetNthControlPointLabel(index, "################")
    changed = view.picture()
    centresNode.SetNthControlPointLabel(index, name)
    return bool(np.any(before != changed))


def test_namesOfAllAreShownInASliceUnlessSwitchedOff(ui, views, detected):
    from CervicalSpineDetectionLib.Scene.OwnNodes import centresNodeOf

    centresNode = centresNodeOf(slicer.mrmlScene, detected)
    position = np.array(centresNode.GetNthControlPointPosition(1))
    # A scoliotic neck: C3 lies 8 mm beside the slice.
    centresNode.SetNthControlPointPosition(1, *(position + [8, 0, 0]))
    settle()
    assert nameIsDrawn(views["Yellow"], centresNode, 1) and nameIsDrawn(views["Green"], centresNode, 1)
    click(ui.namesCheckBox)
    assert not nameIsDrawn(views["Yellow"], centresNode, 1)
    click(ui.namesCheckBox)
    # Axial slices would show all names in one place.
    assert not nameIsDrawn(views["Red"], centresNode, 1)


def test_fillIsAdjusted(ui, detected, volumeNode):
    addVertebrae(slicer.mrmlScene, DetectionResult([
        *madeResult(("C3",)).vertebrae, *madeResult(("C4",), inferred=True).vertebrae]), volumeNode)
    settle()
    ui.fillSlider.value = 30
    settle()

    sure, doubtful = (node.GetDisplayNode() for node in sorted(boxNodes(detected), key=lambda node: node.GetName()))
    assert sure.GetFillOpacity() == pytest.approx(0.3) and doubtful.GetFillOpacity() == 0
    ui.fillSlider.value = 5


def test_undoPastTheDetectionLeavesNothingInTheViews(module, ui, client, shown, smallNeck):
    detect(ui, client, madeResult(LEVELS))
    names = ("Red", "Yellow", "Green", "1")
    withBoxes = {name: shown[name].picture() for name in names}
    # Nothing but what a view itself finds to be out of date is drawn again.
    updated = []
    tags = [(shown[name].managers, shown[name].managers.AddObserver(
        "UpdateEvent", lambda *_, name=name: updated.append(name))) for name in names]
    click(ui.undoButton)
    for managers, tag in tags:
        managers.RemoveObserver(tag)

    assert set(updated) == set(names)
    assert boxNodes(smallNeck) == []
    for name in names:
        assert np.any(shown[name].picture() != withBoxes[name])
    assert ui.statusLabel.text == "Undone. No vertebrae in this CT."
    click(ui.redoButton)
    assert ui.statusLabel.text == "Redone. C2, C3, C4, C5, C6"
    assert chosen(module) == [boxNodes(smallNeck)[2].GetID()]
    for name in names[1:3]:
        assert np.array_equal(shown[name].picture(), withBoxes[name])


def test_statusLineFollowsCorrections(ui, client, volumeNode):
    detect(ui, client, madeResult(("C3", "C4")))
    click(ui.shiftDownButton)
    assert ui.statusLabel.text == "C4, C5 (2 edited)"
    click(ui.confirmAllButton)
    assert ui.statusLabel.text == "C4, C5 (2 confirmed; 2 edited)"


# What the names rest on


def doubtfulResult(levels=("C4", "C5", "C6", "C7"), anchors=(), shift=1, probability=0.23, doubt="the name is unsure",
                   warnings=(WARNING,)):
    """As it comes from a worker."""
    result = DetectionResult(madeResult(levels, doubt=doubt).vertebrae, list(warnings),
                             basis=NameBasis(anchors, shift, probability))
    (message,) = readMessages(io.BytesIO(encode(resultToMessage(result))))
    return resultFromMessage(message)


def test_doubtfulNamesAreSaidInTheColourOfWarnings(module, ui, client, volumeNode):
    detect(ui, client, doubtfulResult())

    assert f"\u26a0 {WARNING}" in ui.statusLabel.text
    assert "\u26a0 Uncertain: C4, C5, C6, C7; see Remarks." in ui.statusLabel.text
    assert ui.statusLabel.styleSheet == ui.conflictsLabel.styleSheet and "color" in ui.statusLabel.styleSheet
    # All of it is read in the panel's width.
    label = ui.statusLabel
    assert label.wordWrap and label.height >= label.heightForWidth(label.width)
    click(ui.shiftDownButton)
    assert ui.statusLabel.text == "C5, C6, C7, T1 (4 edited)" and ui.statusLabel.styleSheet == ""


def test_sureNamesAreSaidWithWhatTheyRestOn(ui, client, volumeNode):
    detect(ui, client, doubtfulResult(("C2", "C3"), ("C2", "first ribs"), 1, 0.02, doubt="",
                                      warnings=["The HU offset was corrected."]))

    assert "The names rest on: C2, first ribs." in ui.statusLabel.text
    assert "\u26a0" not in ui.statusLabel.text and ui.statusLabel.styleSheet == ""
    assert not ui.otherNamingButton.isVisible()


def test_nextMostProbableNamingIsOneClickAndOneUndoAway(module, ui, client, volumeNode):
    assert not ui.otherNamingButton.isVisible()
    detect(ui, client, doubtfulResult())
    assert ui.otherNamingButton.text == "Use the next most probable naming: C5 to T1 (23 %)"
    click(ui.otherNamingButton)
    assert levelsInTable(ui) == ["C5", "C6", "C7", "T1"]
    assert [node.GetName() for node in boxNodes(volumeNode)] == ["C5", "C6", "C7", "T1"]
    assert not ui.otherNamingButton.isVisible()
    click(ui.undoButton)

    assert levelsInTable(ui) == ["C4", "C5", "C6", "C7"]
    assert ui.otherNamingButton.isVisible()
    click(ui.clearAllButton)
    assert not ui.otherNamingButton.isVisible()


@pytest.mark.parametrize("settings", [
    {"shift": 0, "probability": 0.0},
    {"probability": 0.009},
    {"anchors": ("C2",), "doubt": ""},
    # T4 would become T5.
    {"levels": ("T3", "T4")},
])
def test_noOtherNamingIsOfferedWhereThereIsNone(ui, client, volumeNode, settings):
    detect(ui, client, doubtfulResult(**settings))

    assert ui.vertebraTable.rowCount and not ui.otherNamingButton.isVisible()


def test_otherNamingIsOfferedWhereAnchoredNamesAreUncertain(ui, client, volumeNode):
    detect(ui, client, doubtfulResult(("C6",), ("first ribs",), -1, 0.4))

    assert ui.otherNamingButton.text == "Use the next most probable naming: C5 (40 %)"


def test_otherNamingContradictsNoLevelThatAPersonSettled(ui, client, volumeNode):
    detect(ui, client, doubtfulResult())
    clickCell(ui.vertebraTable, 3, SIZE)
    click(ui.confirmButton)
    # C6 would be a second C7.
    assert not ui.otherNamingButton.isVisible()
    click(ui.confirmButton)
    assert ui.otherNamingButton.isVisible()


def test_otherNamingLeavesWhatAPersonSettled(module, ui, client, volumeNode):
    detect(ui, client, doubtfulResult(("C4", "C5", "T1")))
    for row, button in ((2, ui.lockButton), (1, ui.deleteButton)):
        clickCell(ui.vertebraTable, row, SIZE)
        click(button)
    assert ui.otherNamingButton.text == "Use the next most probable naming: C5 (23 %)"
    click(ui.otherNamingButton)

    assert levelsInTable(ui) == ["C5", "T1"]
    assert [row.edited for row in rowsOf(module)] == [True, False]


def test_otherNamingCantBeChosenDuringADetectionAndGoesWithTheNext(ui, client, volumeNode):
    detect(ui, client, doubtfulResult())
    click(ui.detectButton)
    assert ui.otherNamingButton.isVisible() and not ui.otherNamingButton.enabled
    client.say(Finished(madeResult(("C3", "C4"))))
    settle(POLLED)
    assert not ui.otherNamingButton.isVisible()
    # The former vertebrae are back, and so is what was said of them.
    click(ui.undoButton)
    assert ui.otherNamingButton.isVisible() and ui.otherNamingButton.enabled


def test_otherNamingBelongsToTheCtAndIsSavedWithTheScene(module, ui, client, volumeNode, tmp_path):
    detect(ui, client, doubtfulResult())
    addCt(module, "second")
    settle()
    assert not ui.otherNamingButton.isVisible()
    ui.inputSelector.setCurrentNode(volumeNode)
    settle()
    assert ui.otherNamingButton.isVisible() and WARNING in ui.statusLabel.text
    assert slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    slicer.mrmlScene.Clear()
    settle()
    assert not ui.otherNamingButton.isVisible()
    slicer.util.loadScene(str(tmp_path / "scene.mrb"))
    settle()
    click(ui.otherNamingButton)

    assert levelsInTable(ui) == ["C5", "C6", "C7", "T1"]


def test_remarksSayTheDoubtUntilAPersonSettlesTheLevel(ui, client, volumeNode):
    detect(ui, client, doubtfulResult())
    assert [textInTable(ui, row, REMARK) for row in range(4)] == ["the name is unsure"] * 4
    clickCell(ui.vertebraTable, 1, SIZE)
    click(ui.confirmButton)
    chooseInBox(ui.vertebraTable.cellWidget(3, LEVEL), 7)

    remarks = [textInTable(ui, row, REMARK) for row in range(4)]
    assert remarks == ["the name is unsure", "", "the name is unsure", "edited"]
    assert [node.GetName() for node in boxNodes(volumeNode)] == ["C4 ?", "C5", "C6 ?", "T1"]
