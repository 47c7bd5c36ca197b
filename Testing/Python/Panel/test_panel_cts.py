"""Several CTs in the panel: views, boxes, undo and the status line belong to the one that is chosen."""

import re

import numpy as np
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
    module,
    settle,
    ui,
    volumeNode,
)
from sceneFixtures import madeResult
from viewFixtures import shown, views

from CervicalSpineDetectionLib.Scene.VertebraNodes import addVertebrae
from CervicalSpineDetectionLib.Worker.WorkerClient import Finished

__all__ = ["application", "client", "detected", "errors", "module", "shown", "ui", "views", "volumeNode"]



def background():
    return slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLSliceCompositeNode").GetBackgroundVolumeID()


def isDrawn(view, node):
    """Whether hiding a box changes the picture."""
    before = view.picture()
    displayNode = node.GetDisplayNode()
    displayNode.SetVisibility(False)
    without = view.picture()
    displayNode.SetVisibility(True)
    return bool(np.any(before != without))


@pytest.fixture
def second(module, views):
    """Another CT at the same place, with C3 and C4; the first one is chosen again."""
    node = addCt(module, "second")
    addVertebrae(slicer.mrmlScene, madeResult(("C3", "C4")), node)
    settle()
    chooseInBox(module.widget.ui.inputSelector._box, 0)
    return node


def test_viewsFollowTheChosenCt(ui, views, detected, second):
    assert background() == detected.GetID()
    chooseInBox(ui.inputSelector._box, 1)
    assert background() == second.GetID() and levelsInTable(ui) == ["C3", "C4"]
    chooseInBox(ui.inputSelector._box, 0)

    assert background() == detected.GetID() and levelsInTable(ui) == ["C2", "C3", "C4", "C5", "C6"]


def test_boxesOfOtherCtsAreNotDrawnAndCantBeDragged(ui, views, detected, second):
    assert isDrawn(views["Yellow"], boxNodes(detected)[2]) and not isDrawn(views["Yellow"], boxNodes(second)[1])
    chooseInBox(ui.inputSelector._box, 1)

    assert isDrawn(views["Yellow"], boxNodes(second)[1]) and not isDrawn(views["Yellow"], boxNodes(detected)[2])
    assert all(node.GetLocked() and not node.GetDisplayNode().GetHandlesInteractive() for node in boxNodes(detected))
    # What the user himself chose to show and hide stays.
    assert all(node.GetDisplayVisibility() for node in boxNodes(detected))


def test_undoBelongsToTheCt(ui, detected, module):
    click(ui.shiftDownButton)
    addCt(module, "second")
    assert not ui.undoButton.enabled
    chooseInBox(ui.inputSelector._box, 0)
    click(ui.undoButton)

    assert levelsInTable(ui) == ["C2", "C3", "C4", "C5", "C6"]


def test_statusLineBelongsToTheCt(ui, client, module, volumeNode):
    click(ui.detectButton)
    client.say(Finished(madeResult(("C3", "C4"))))
    settle(POLLED)
    addCt(module, "second")
    assert ui.statusLabel.text == ""
    chooseInBox(ui.inputSelector._box, 0)

    assert re.fullmatch(r"Found in \d+ s: C3, C4", ui.statusLabel.text)


def test_ctLoadedIntoTheViewsIsNotCoveredByBoxesOfTheFirst(views, ui, detected):
    """As when a user loads another one with Slicer's own dialogs: the input stays, the views show the new one."""
    from sceneFixtures import madeImage

    from CervicalSpineDetectionLib.Scene.VolumeNodes import volumeNodeFromImage

    other = volumeNodeFromImage(slicer.mrmlScene, madeImage(size=(90, 90, 90)), "other")
    slicer.util.setSliceViewerLayers(background=other, fit=True)
    settle()
    assert not isDrawn(views["Yellow"], boxNodes(detected)[2])
    assert levelsInTable(ui) == ["C2", "C3", "C4", "C5", "C6"]

    click(ui.fitViewsButton)
    assert background() == detected.GetID()
    assert isDrawn(views["Yellow"], boxNodes(detected)[2])


def test_ctOfTheSceneIsShownWhenTheModuleIsEntered(module, views, detected, second):
    module.exit()
    slicer.util.setSliceViewerLayers(background=second)
    module.enter()

    assert background() == detected.GetID()


def test_resultForAnotherCtLeavesTheViewsAndIsSaidThere(ui, client, module, shown, volumeNode):
    click(ui.detectButton)
    addCt(module, "second")
    slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLSliceNode").SetFieldOfView(77, 77, 1)
    client.say(Finished(madeResult(("C3", "C4"))))
    settle(POLLED)

    assert slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLSliceNode").GetFieldOfView()[0] == pytest.approx(77)
    chooseInBox(ui.inputSelector._box, 0)
    assert re.fullmatch(r"Found in \d+ s: C3, C4", ui.statusLabel.text)
