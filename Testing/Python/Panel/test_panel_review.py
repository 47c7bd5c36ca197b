"""Through a cohort in the panel: opened, confirmed, gone on, made into training data."""

import json

import pytest
import slicer
from panelFixtures import application, click, client, errors, levelsInTable, module, settle, ui
from PySide6 import QtWidgets
from reviewFixtures import writeCohort

__all__ = ["application", "client", "errors", "module", "ui"]


@pytest.fixture
def cohort(module, ui, tmp_path, monkeypatch):
    """Its results folder, opened by the button."""
    writeCohort(tmp_path)
    monkeypatch.setattr(QtWidgets.QFileDialog, "getExistingDirectory", lambda *_: str(tmp_path))
    ui.reviewCollapsibleButton.collapsed = False
    settle()
    click(ui.openReviewButton)
    return tmp_path


def namesInList(ui):
    return [ui.reviewList.item(row).text() for row in range(ui.reviewList.count)]


def test_theMostDoubtfulCtIsOpenedFirst(ui, cohort):
    assert "doubtful" in namesInList(ui)[0] and "1.40" in namesInList(ui)[0]
    assert ui.inputSelector.currentNode().GetName().startswith("doubtful")
    assert levelsInTable(ui) == ["C4", "C5", "C6"]
    # The middle one of its vertebrae is chosen, through which the views go.
    assert {item.row() for item in ui.vertebraTable.selectedItems()} == {1}
    assert not ui.previousScanButton.enabled and ui.nextScanButton.enabled and not ui.reviewDatasetButton.enabled


def test_confirmAndNextSavesMarksAndGoesOn(ui, cohort):
    ui.reviewerLineEdit.text = "N. N."
    click(ui.shiftDownButton)

    click(ui.confirmScanButton)

    assert ui.inputSelector.currentNode().GetName().startswith("sure")
    assert levelsInTable(ui) == ["C3", "C4", "C5"]
    assert ui.reviewStatusLabel.text == "1 of 2 reviewed" and namesInList(ui)[0].startswith("\u2713")
    (entry,) = json.loads((cohort / "reviewed.json").read_text()).values()
    assert entry["by"] == "N. N."
    # One CT in the scene at a time.
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode") == 1
    click(ui.previousScanButton)
    assert levelsInTable(ui) == ["C5", "C6", "C7"]


def test_editsAreKeptWhenGoingOnWithoutConfirming(ui, cohort):
    click(ui.shiftDownButton)
    click(ui.nextScanButton)
    click(ui.previousScanButton)

    assert levelsInTable(ui) == ["C5", "C6", "C7"]
    assert ui.reviewStatusLabel.text == "0 of 2 reviewed"


def test_contradictoryLevelsKeepTheCtOpen(ui, cohort, errors):
    from CervicalSpineDetectionLib.Panel.VertebraTable import LEVEL

    ui.vertebraTable.cellWidget(0, LEVEL).activated.emit(4)  # C4 becomes C5, which there is
    settle()

    click(ui.confirmScanButton)

    assert "C5 is assigned twice" in errors[-1]
    assert ui.inputSelector.currentNode().GetName().startswith("doubtful")
    assert not (cohort / "reviewed.json").exists()


def test_oneButtonMakesTheTrainingData(ui, cohort, monkeypatch):
    started = []

    class Process:
        returncode = 0

        def __init__(self, arguments, **_):
            started.append(arguments)
            self.table = open(arguments[arguments.index("--cases") + 1]).read()
            started.append(self.table)

        def communicate(self):
            return "", None

    monkeypatch.setattr(slicer.util, "launchConsoleProcess", Process)
    click(ui.confirmScanButton)

    click(ui.reviewDatasetButton)

    assert started[0][1:4] == ["-m", "CervicalSpineDetectionLib", "corrections"]
    assert started[0][-1] == str(cohort / "corrections") and started[1].count("\n") == 2
    assert "Data set:" in ui.reviewStatusLabel.text


def test_aFolderThatIsNoCohortIsSaid(module, ui, tmp_path, monkeypatch, errors):
    monkeypatch.setattr(QtWidgets.QFileDialog, "getExistingDirectory", lambda *_: str(tmp_path))
    ui.reviewCollapsibleButton.collapsed = False
    settle()

    click(ui.openReviewButton)

    assert "no results of a cohort" in errors[-1] and namesInList(ui) == []
