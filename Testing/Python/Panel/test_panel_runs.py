"""What happens to a run, its result and the panel when module, scene, CT or application change meanwhile."""

import gc
import sys

import pytest
import slicer
from panelFixtures import (
    POLLED,
    FakeClient,
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
from sceneFixtures import madeResult

from CervicalSpineDetectionLib.Panel import CorrectionPanel
from CervicalSpineDetectionLib.Panel.ModuleLogic import IDLE_POLL_MILLISECONDS, POLL_MILLISECONDS
from CervicalSpineDetectionLib.Worker.WorkerClient import Finished

__all__ = ["application", "client", "detected", "errors", "libraryKept", "module", "ui", "volumeNode"]


def test_resultThatComesWhileAnotherModuleIsShownLeavesItsViewsAlone(module, ui, client, detected, monkeypatch):
    jumps = []
    monkeypatch.setattr(CorrectionPanel, "jumpTo", lambda *arguments: jumps.append(arguments))
    module.widget.correctionPanel.selectMiddle()
    click(ui.detectButton)
    module.exit()
    jumps.clear()
    client.say(Finished(madeResult(("C3", "C4", "C5"))))
    settle(POLLED)

    assert jumps == [] and not any(box.GetDisplayNode().GetHandlesInteractive() for box in boxNodes(detected))
    module.enter()
    middle = boxNodes(detected)[1]
    assert [nodeId for *_, nodeId in jumps] == [middle.GetID()]
    assert middle.GetDisplayNode().GetHandlesInteractive()
    module.exit()
    module.enter()
    assert len(jumps) == 1


def test_idleWorkerIsAskedSeldom(module, ui, client, volumeNode):
    timer = module.widget.pollTimer
    click(ui.detectButton)
    assert timer.isActive() and timer.interval == POLL_MILLISECONDS
    client.say(Finished(madeResult(("C3",))))
    settle(POLLED)
    assert timer.isActive() and timer.interval == IDLE_POLL_MILLISECONDS >= 1000
    client.isAlive = False
    module.widget._poll()
    assert not timer.isActive()


def test_runGoesOnWhileAnotherModuleIsShown(module, ui, client, volumeNode):
    click(ui.detectButton)
    module.exit()
    client.say(Finished(madeResult(("C3", "C4"))))
    settle(POLLED)
    assert len(boxNodes(volumeNode)) == 2
    module.enter()

    assert levelsInTable(ui) == ["C3", "C4"]
    assert ui.inputSelector.currentNode() is volumeNode


@pytest.mark.shows("Faults", "scene closed, CT removed or module reloaded during a run",
                   "the run stops, nothing is left")
def test_sceneClosedDuringARunCancelsItAndLeavesNothing(module, ui, client, volumeNode):
    click(ui.detectButton)
    slicer.mrmlScene.Clear()
    client.say(Finished(madeResult(("C3",))))
    settle(POLLED)

    assert not client.isAlive
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLMarkupsNode") == 0
    assert ui.detectButton.text == "Detect vertebrae" and not ui.detectButton.enabled
    assert ui.vertebraTable.rowCount == 0
    assert not ui.progressBar.isVisible()


@pytest.mark.shows("Faults", "scene closed, CT removed or module reloaded during a run")
def test_ctRemovedDuringARunCancelsIt(ui, client, volumeNode):
    click(ui.detectButton)
    slicer.mrmlScene.RemoveNode(volumeNode)
    settle(POLLED)

    assert not client.isBusy
    assert ui.statusLabel.text == "Canceled. The scene is unchanged."
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLMarkupsNode") == 0


def test_resultGoesToTheCtItWasMadeFromWhenAnotherIsChosenMeanwhile(module, ui, client, volumeNode):
    click(ui.detectButton)
    other = addCt(module, "other")
    client.say(Finished(madeResult(("C3",))))
    settle(POLLED)

    assert len(boxNodes(volumeNode)) == 1 and boxNodes(other) == []
    assert ui.vertebraTable.rowCount == 0


def test_sceneIsSavedAndLoadedWithVertebraeAndChoices(module, ui, detected, tmp_path):
    chooseInBox(ui.deviceComboBox, 2)
    assert slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    slicer.mrmlScene.Clear()
    settle()
    assert ui.deviceComboBox.currentIndex == 0
    slicer.util.loadScene(str(tmp_path / "scene.mrb"))
    settle()

    assert levelsInTable(ui) == ["C2", "C3", "C4", "C5", "C6"]
    assert ui.inputSelector.currentNode().GetName() == "CT"
    assert ui.deviceComboBox.currentIndex == 2


def test_reloadedModuleShowsTheSameAndStopsTheOldWorker(libraryKept, module, ui, client, detected):
    names = [f"CervicalSpineDetectionLib.{name}" for name in ("Panel.ModuleWidget", "Scene.Corrections")]
    old = [sys.modules[name] for name in names]
    module.reload()
    settle()

    assert client.stops == 1
    assert levelsInTable(module.widget.ui) == ["C2", "C3", "C4", "C5", "C6"]
    assert module.widget.logic.client is not client
    assert not {*old} & {sys.modules[name] for name in names}


def test_nothingObservesTheParametersAfterCleanup(application, errors):
    from panelFixtures import MODULE_SCRIPT, ModuleRepresentation

    # Panels of earlier tests may still look at theirs.
    for former in slicer.util.getNodesByClass("vtkMRMLScriptedModuleNode"):
        slicer.mrmlScene.RemoveNode(former)
    representation = ModuleRepresentation(MODULE_SCRIPT)
    representation.enter()
    node = representation.widget.logic.getParameterNode().parameterNode
    assert node.HasObserver("ModifiedEvent")
    representation.unload()
    gc.collect()

    assert not node.HasObserver("ModifiedEvent")


def test_workerIsStoppedWhenTheApplicationCloses(application, errors, monkeypatch):
    from panelFixtures import MODULE_SCRIPT, ModuleRepresentation

    from CervicalSpineDetectionLib.Worker import WorkerClient

    monkeypatch.setattr(WorkerClient, "WorkerClient", FakeClient)
    representation = ModuleRepresentation(MODULE_SCRIPT)
    representation.enter()
    addCt(representation)
    representation.widget.logic.warmUp()
    client = representation.widget.logic.client
    assert client.isAlive
    representation.unload()

    assert not client.isAlive
