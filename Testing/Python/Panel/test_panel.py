"""Detection from the panel: what the user clicks, sees and keeps."""

import re
from pathlib import Path

import pytest
import slicer
from panelFixtures import (
    POLLED,
    addCt,
    application,
    boxNodes,
    chooseInBox,
    click,
    client,
    detected,
    errors,
    levelsInTable,
    libraryKept,
    module,
    settle,
    ui,
    volumeNode,
)
from sceneFixtures import madeImage, madeResult

from CervicalSpineDetectionLib.Scene.VolumeNodes import volumeNodeFromImage
from CervicalSpineDetectionLib.SliceDetector.Weights import saveWeights, weightsFolder
from CervicalSpineDetectionLib.Worker.WorkerClient import Cancelled, Failed, Finished, Progress, Ready

__all__ = ["application", "client", "detected", "errors", "libraryKept", "module", "ui", "volumeNode"]


def test_nothingCanBeDetectedWithoutACt(ui):
    assert not ui.detectButton.enabled
    assert ui.detectButton.toolTip == "Select an input CT."


def test_labelMapIsNoCt(module, ui):
    slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "Labels")
    module.exit()
    module.enter()

    assert module.widget.logic.getParameterNode().inputVolume is None
    assert not ui.detectButton.enabled


def test_ctIsChosenBesideALabelMap(module, ui):
    slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "Labels")
    module.exit()
    node = volumeNodeFromImage(slicer.mrmlScene, madeImage(), "CT")
    module.enter()

    assert ui.inputSelector.currentNode() is node
    assert ui.detectButton.enabled


def test_detectHandsTheChosenCtAndDeviceToTheWorker(module, ui, client):
    addCt(module, "first", size=(60, 60, 60))
    addCt(module, "second", size=(50, 60, 70))
    chooseInBox(ui.deviceComboBox, 2)
    click(ui.detectButton)

    assert client.jobs[0]["image"].voxels.shape == (70, 60, 50)
    assert client.jobs[0]["device"] == "cpu"
    assert client.jobs[0]["weights"] is None
    assert client.jobs[0]["confirmed"] == []


def test_inputCtIsChosenInItsBox(module, ui):
    first = addCt(module, "first")
    addCt(module, "second")
    chooseInBox(ui.inputSelector._box, 0)

    assert module.widget.logic.getParameterNode().inputVolume is first


def test_progressAndSecondsAreShownDuringARun(ui, client, volumeNode):
    click(ui.detectButton)
    client.say(Progress("Looking for vertebrae", 30, 120))
    settle(POLLED)

    assert ui.progressBar.isVisible()
    assert (ui.progressBar.value, ui.progressBar.maximum) == (30, 120)
    assert ui.statusLabel.text == "Looking for vertebrae: 30 of 120 slices, 0 s"


def test_detectButtonIsCancelDuringARun(ui, client, volumeNode):
    click(ui.detectButton)
    assert ui.detectButton.text == "Cancel"
    settle(slicer.app.doubleClickInterval + 50)
    click(ui.detectButton)

    assert not client.isBusy
    assert ui.detectButton.text == "Detect vertebrae"
    assert ui.statusLabel.text == "Canceled. The scene is unchanged."
    assert not ui.progressBar.isVisible()
    assert boxNodes(volumeNode) == []


def test_foundVertebraeStandInSceneAndTable(ui, client, volumeNode):
    click(ui.detectButton)
    client.say(Finished(madeResult(("C3", "C4", "C5"))))
    settle(POLLED)

    assert [node.GetName() for node in boxNodes(volumeNode)] == ["C3", "C4", "C5"]
    assert levelsInTable(ui) == ["C3", "C4", "C5"]
    assert re.fullmatch(r"Found in \d+ s: C3, C4, C5", ui.statusLabel.text)
    assert ui.detectButton.text == "Detect vertebrae"


def test_middleVertebraIsChosenAfterDetection(module, ui, client, volumeNode):
    click(ui.detectButton)
    client.say(Finished(madeResult(("C3", "C4", "C5"))))
    settle(POLLED)

    assert module.widget.correctionPanel.table.selectedIds() == [boxNodes(volumeNode)[1].GetID()]


def test_warningsOfTheDetectionAreShown(ui, client, volumeNode):
    click(ui.detectButton)
    result = madeResult(("C3",))
    result.warnings.append("The HU offset was corrected.")
    client.say(Finished(result))
    settle(POLLED)

    assert "The HU offset was corrected." in ui.statusLabel.text


def test_noVertebraIsSaid(ui, client, volumeNode):
    click(ui.detectButton)
    client.say(Finished(madeResult(())))
    settle(POLLED)

    assert ui.statusLabel.text.startswith("No cervical vertebra found. Is this a CT of the neck")
    assert "Insert by click" in ui.statusLabel.text
    assert ui.vertebraTable.rowCount == 0


def test_failureIsSaidAndLeavesTheSceneAsItWas(ui, client, detected, errors):
    before = [node.GetName() for node in boxNodes(detected)]
    click(ui.detectButton)
    client.say(Failed("The worker ended. Detect again."))
    settle(POLLED)

    assert errors == ["The worker ended. Detect again."]
    assert [node.GetName() for node in boxNodes(detected)] == before
    assert ui.detectButton.text == "Detect vertebrae"


def test_unusableVolumeIsSaidAndNotSent(module, ui, client, errors):
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "empty")
    ui.inputSelector.setCurrentNode(node)
    click(ui.detectButton)

    assert client.jobs == []
    assert len(errors) == 1 and "has no voxels" in errors[0]


def test_confirmedVertebraeAreHandedToTheNextDetectionAndSurviveIt(module, ui, client, detected):
    module.widget.correctionPanel.table.select(boxNodes(detected)[2].GetID())
    click(ui.confirmButton)
    click(ui.detectButton)
    assert [vertebra.level for vertebra in client.jobs[0]["confirmed"]] == ["C4"]
    client.say(Finished(madeResult(("C3", "C4"))))
    settle(POLLED)

    assert levelsInTable(ui) == ["C3", "C4"]
    confirmed = [row.confirmed for row in module.widget.correctionPanel.corrections.rows()]
    assert confirmed == [False, True]


def test_autoSaysWhereTheWorkerRuns(ui, client, volumeNode):
    click(ui.detectButton)
    client.say(Ready("NVIDIA H100"))
    settle(POLLED)

    assert ui.deviceComboBox.itemText(0) == "Auto (NVIDIA H100)"


def test_workerWarmsUpWhenTheModuleIsEnteredWithACt(module, client, volumeNode):
    module.exit()
    module.enter()

    assert client.starts == 1


def test_orientedBoxesAreSwitchedOff(ui, client, volumeNode):
    ui.advancedCollapsibleButton.collapsed = False
    settle()
    click(ui.orientedBoxesCheckBox)
    click(ui.detectButton)
    client.say(Finished(madeResult(("C3",))))
    settle(POLLED)

    matrix = boxNodes(volumeNode)[0].GetObjectToNodeMatrix()
    assert [matrix.GetElement(i, i) for i in range(3)] == [1, 1, 1]


def test_weightsOfOnesOwnAreOfferedBesideTheShippedOnes(ui, client, volumeNode, tmp_path, monkeypatch):
    import torch

    monkeypatch.setenv("CERVICAL_SPINE_WEIGHTS", str(tmp_path / "installed"))
    card = {"name": "own", "architecture": "yolov5n", "classes": [], "plane": "sagittal", "pixelSize": 1.0,
            "sliceSpacing": 2.0, "window": [-200, 1000]}
    (tmp_path / "installed").mkdir()
    for path in (tmp_path / "own.safetensors", tmp_path / "installed" / "mine.safetensors"):
        saveWeights(path, {"weight": torch.zeros(1)}, card)
    ui.weightsFolderEdit.currentPath = str(tmp_path)
    shipped = len(list(weightsFolder().glob("*.safetensors")))
    texts = [ui.modelComboBox.itemText(index) for index in range(ui.modelComboBox.count)]
    assert texts[shipped:] == ["mine", "own"]
    chooseInBox(ui.modelComboBox, shipped + 1)
    click(ui.detectButton)

    assert client.jobs[0]["weights"] == str(tmp_path / "own.safetensors")
    assert "own.safetensors" in ui.modelComboBox.toolTip
    ui.weightsFolderEdit.currentPath = ""


def test_clearedWeightsFolderIsForgotten(libraryKept, module, ui, tmp_path):
    ui.weightsFolderEdit.currentPath = str(tmp_path)
    ui.weightsFolderEdit.currentPath = ""
    module.reload()

    assert module.widget.ui.weightsFolderEdit.currentPath == ""


def test_slicerThatIsTooOldIsSaid(module, ui, volumeNode, monkeypatch):
    monkeypatch.setattr(type(slicer.app), "minorVersion", property(lambda self: 8))
    module.widget._updateDetectButton()

    assert not ui.detectButton.enabled
    assert "needs Slicer 5.10 or newer" in ui.detectButton.toolTip


def test_sampleIsMadeOnDemandForSampleData(module):
    slicer.app.startupCompleted.emit()

    # Earlier tests loaded the module too.
    source = slicer.modules.sampleDataSources["Cervical Spine Detection"][-1]
    assert source.sampleName == "Cervical spine phantom"
    assert Path(source.thumbnailFileName).is_file()
    assert source.uris == [] and callable(source.customDownloader)


def test_scriptWaitsForTheResult(module, volumeNode):
    logic = module.widget.logic
    logic.client.say(Ready("CPU"), Finished(madeResult(("C3",))))
    result = logic.detect(volumeNode)

    assert [vertebra.level for vertebra in result.vertebrae] == ["C3"]
    assert len(boxNodes(volumeNode)) == 1


@pytest.mark.parametrize(("event", "message"), [(Failed("Too dark."), "Too dark."), (Cancelled(), "was canceled")])
def test_scriptIsToldWhyThereIsNoResult(module, volumeNode, event, message):
    from CervicalSpineDetectionLib.Errors import InputError

    module.widget.logic.client.say(event)
    with pytest.raises(InputError, match=message):
        module.widget.logic.detect(volumeNode)


def test_everyWidgetOfTheUserHasAToolTip(ui):
    silent = [name for name, widget in vars(ui).items()
              if name.endswith(("Button", "ComboBox", "Selector", "CheckBox", "Edit", "Table"))
              and not name.endswith("CollapsibleButton") and not widget.toolTip]

    assert silent == []
