"""Views after a detection: fitted to what was found, names, handles and fill in them."""

import numpy as np
import pytest
import slicer
from panelFixtures import (
    LEVELS,
    addCt,
    application,
    boxNodes,
    click,
    clickCell,
    client,
    detect,
    detected,
    errors,
    module,
    settle,
    ui,
    volumeNode,
)
from sceneFixtures import madeResult
from viewFixtures import LPS_TO_RAS, chosen, shown, views

from CervicalSpineDetectionLib.Panel.VertebraTable import SIZE
from CervicalSpineDetectionLib.Scene.VertebraNodes import addVertebrae
from CervicalSpineDetectionLib.Spine.Vertebra import DetectionResult

__all__ = ["application", "client", "detected", "errors", "module", "shown", "ui", "views", "volumeNode"]


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
