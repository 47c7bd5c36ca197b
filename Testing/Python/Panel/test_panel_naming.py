"""What the names rest on, and the next most probable naming."""

import io

import pytest
import slicer
from panelFixtures import (
    POLLED,
    addCt,
    application,
    boxNodes,
    chooseInBox,
    click,
    clickCell,
    client,
    detect,
    errors,
    levelsInTable,
    module,
    rowsOf,
    settle,
    textInTable,
    ui,
    volumeNode,
)
from sceneFixtures import madeResult

from CervicalSpineDetectionLib.Panel.VertebraTable import LEVEL, REMARK, SIZE
from CervicalSpineDetectionLib.Spine.Vertebra import DetectionResult, NameBasis
from CervicalSpineDetectionLib.Worker.Messages import encode, readMessages, resultFromMessage, resultToMessage
from CervicalSpineDetectionLib.Worker.WorkerClient import Finished

__all__ = ["application", "client", "errors", "module", "ui", "volumeNode"]

WARNING = ("Neither C1, C2 nor the first ribs can be recognized in this CT: all names may be off by one or more. The "
           "next most probable naming is C5 to T1 (23 %). Check, and use Shift levels up or down.")


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
