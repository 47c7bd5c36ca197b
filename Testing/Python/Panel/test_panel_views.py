"""The panel with real views: the mouse goes through Slicer's own markups widgets."""

import json

import numpy as np
import pytest
import slicer
import vtk
from panelFixtures import (
    application,
    boxNodes,
    click,
    clickCell,
    detected,
    errors,
    levelsInTable,
    libraryKept,
    module,
    settle,
    textInTable,
    ui,
    volumeNode,
)
from viewFixtures import LPS_TO_RAS, chosen, dragIn, inBox, inThreeD, shown, views

from CervicalSpineDetectionLib.Panel.VertebraTable import REMARK, SIZE
from CervicalSpineDetectionLib.Scene.OwnNodes import centresNodeOf
from CervicalSpineDetectionLib.Scene.SceneExport import exportScene
from CervicalSpineDetectionLib.Scene.VertebraNodes import vertebraeFromNodes

__all__ = ["application", "detected", "errors", "libraryKept", "module", "shown", "ui", "views", "volumeNode"]


def test_choosingARowJumpsAllSliceViewsToTheBody(ui, views, detected):
    clickCell(ui.vertebraTable, 0, SIZE)

    centre = vertebraeFromNodes(slicer.mrmlScene, detected)[0].centre * LPS_TO_RAS
    for name, axis in (("Red", 2), ("Yellow", 0), ("Green", 1)):
        origin = views[name].node.GetSliceToRAS().MultiplyPoint((0, 0, 0, 1))
        assert origin[axis] == pytest.approx(centre[axis], abs=0.01)


def test_draggedFaceChangesNodeTableAndExport(ui, views, detected, tmp_path):
    box = boxNodes(detected)[2]
    dragIn(views["Yellow"], inBox(box, (0, 0, 4.5)), inBox(box, (0, 0, 10.5)))

    assert box.GetSize()[2] == pytest.approx(15, abs=0.5)
    assert textInTable(ui, 2, SIZE) == "28 × 24 × 15" and textInTable(ui, 2, REMARK) == "edited"
    exportScene(slicer.mrmlScene, detected, tmp_path / "out.json")
    exported = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))["vertebrae"][2]
    assert exported["orientedBox"]["size"][2] == pytest.approx(box.GetSize()[2], abs=0.01)


def test_draggedMiddleMovesBoxAndPoint(ui, views, detected):
    box = boxNodes(detected)[2]
    before = vertebraeFromNodes(slicer.mrmlScene, detected)[2]
    start = inBox(box, (0, 0, 0))
    dragIn(views["Yellow"], start, start + [0, 0, 8])

    after = vertebraeFromNodes(slicer.mrmlScene, detected)[2]
    assert (after.orientedBox.centre - before.orientedBox.centre)[2] == pytest.approx(8, abs=0.5)
    assert (after.centre - before.centre)[2] == pytest.approx(8, abs=0.5)
    assert after.orientedBox.size == pytest.approx(before.orientedBox.size)


def test_draggedCornerChangesTwoLengths(ui, views, detected):
    box = boxNodes(detected)[2]
    dragIn(views["Red"], inBox(box, (14, 12, 0)), inBox(box, (18, 16, 0)))

    size = box.GetSize()
    assert size[0] > 30 and size[1] > 26


def test_draggedCentrePointMovesAloneAndIsUndone(ui, views, detected):
    before = vertebraeFromNodes(slicer.mrmlScene, detected)[2]
    start = before.centre * LPS_TO_RAS
    dragIn(views["Yellow"], start, start + [0, 3, 0])

    after = vertebraeFromNodes(slicer.mrmlScene, detected)[2]
    assert (after.centre - before.centre) == pytest.approx([0, -3, 0], abs=0.3)
    assert after.orientedBox.centre == pytest.approx(before.orientedBox.centre)
    assert textInTable(ui, 2, REMARK) == "edited"
    click(ui.undoButton)
    assert vertebraeFromNodes(slicer.mrmlScene, detected)[2].centre == pytest.approx(before.centre)


def test_aDragIsOneStepToUndo(ui, views, detected):
    box = boxNodes(detected)[2]
    dragIn(views["Yellow"], inBox(box, (0, 0, 4.5)), inBox(box, (0, 0, 10.5)))
    click(ui.undoButton)

    assert box.GetSize() == pytest.approx((28, 24, 9))


def test_lockedBoxIsNotDragged(ui, views, detected):
    click(ui.lockButton)
    box = boxNodes(detected)[2]
    dragIn(views["Yellow"], inBox(box, (0, 0, 4.5)), inBox(box, (0, 0, 10.5)))

    assert box.GetSize() == pytest.approx((28, 24, 9))


@pytest.mark.parametrize("place", ["chosen box", "chosen face", "chosen point", "other box", "other point"])
@pytest.mark.parametrize("view", ["Yellow", "Green"])
def test_middleDragPansAndMovesNothing(module, ui, views, detected, view, place):
    click(ui.confirmAllButton)
    before = vertebraeFromNodes(slicer.mrmlScene, detected)
    number = 2 if place.startswith("chosen") else 3
    box = boxNodes(detected)[number]
    start = {"box": inBox(box, (0, 0, 0)), "face": inBox(box, (0, 0, 4.5)),
             "point": before[number].centre * LPS_TO_RAS}[place.split()[1]]
    origin = np.array(views[view].node.GetSliceToRAS().MultiplyPoint((0, 0, 0, 1)))
    dragIn(views[view], start, start + [0, 0, 15], "Middle")

    for one, other in zip(vertebraeFromNodes(slicer.mrmlScene, detected), before, strict=True):
        assert one.centre == pytest.approx(other.centre) and one.orientedBox.centre == pytest.approx(
            other.orientedBox.centre)
    assert all(row.confirmed for row in module.widget.correctionPanel.corrections.rows())
    panned = np.array(views[view].node.GetSliceToRAS().MultiplyPoint((0, 0, 0, 1))) - origin
    assert panned[2] == pytest.approx(-15, abs=1) or views[view].node.GetXYZOrigin()[1] != 0
    # The chosen one can be dragged again.
    assert boxNodes(detected)[2].GetDisplayNode().GetHandlesInteractive() and not boxNodes(detected)[2].GetLocked()


@pytest.mark.parametrize("number", [2, 3])
def test_middleDragInTheThreeDViewMovesNothing(views, detected, number):
    view = views["1"]
    view.lookFromLeftFront()
    view.picture()
    before = vertebraeFromNodes(slicer.mrmlScene, detected)
    start = inThreeD(view, inBox(boxNodes(detected)[number], (0, 0, 0)))
    camera = view.renderer.GetActiveCamera()
    focalPoint = camera.GetFocalPoint()
    view.drag(start, start + [40, 40], button="Middle")
    settle()

    for one, other in zip(vertebraeFromNodes(slicer.mrmlScene, detected), before, strict=True):
        assert one.orientedBox.centre == pytest.approx(other.orientedBox.centre)
    assert camera.GetFocalPoint() != pytest.approx(focalPoint)


def test_boxOfAnotherRowIsNotDragged(views, detected):
    box = boxNodes(detected)[0]
    dragIn(views["Yellow"], inBox(box, (0, 0, 4.5)), inBox(box, (0, 0, 10.5)))

    assert box.GetSize() == pytest.approx((28, 24, 9))


@pytest.mark.parametrize("view", ["Yellow", "Green"])
def test_clickInABoxChoosesItsRowAndLeavesTheSlices(module, views, detected, view):
    box = boxNodes(detected)[3]
    offset = views["Red"].node.GetSliceOffset()
    views[view].click(*views[view].toPixels(inBox(box, (5, -8, 0))))
    settle()

    assert chosen(module) == [box.GetID()]
    assert views["Red"].node.GetSliceOffset() == offset


def test_viewsOfANewLayoutAreFollowedToo(module, views, detected):
    module.widget.correctionPanel._picker.removeObservers()
    slicer.app.layoutManager().layoutChanged.emit(3)
    box = boxNodes(detected)[3]
    views["Yellow"].click(*views["Yellow"].toPixels(inBox(box, (5, -8, 0))))
    settle()

    assert chosen(module) == [box.GetID()]


def test_boxesCanBePickedAfterTheModuleWasReloaded(libraryKept, module, views, detected):
    module.reload()
    settle()
    box = boxNodes(detected)[3]
    views["Yellow"].click(*views["Yellow"].toPixels(inBox(box, (5, -8, 0))))
    settle()

    assert chosen(module) == [box.GetID()]


def test_clickInTheThreeDViewChoosesTheBoxInFront(module, views, detected):
    view = views["1"]
    view.lookFromLeftFront()
    view.picture()
    for box in (boxNodes(detected)[0], boxNodes(detected)[4]):
        view.click(*inThreeD(view, inBox(box, (0, 0, 0))))
        settle()
        assert chosen(module) == [box.GetID()]
        # The slices, in which the user did not click, come to it.
        height = views["Red"].node.GetSliceToRAS().MultiplyPoint((0, 0, 0, 1))[2]
        assert height == pytest.approx(box.GetCenterWorld()[2], abs=2)


def test_dragChoosesNoRow(module, views, detected):
    box = boxNodes(detected)[4]
    dragIn(views["Yellow"], inBox(box, (0, 5, 0)), inBox(box, (0, -5, 0)))

    assert chosen(module) == [boxNodes(detected)[2].GetID()]


def test_hiddenBoxIsNotPicked(module, views, detected):
    box = boxNodes(detected)[3]
    module.widget.correctionPanel.corrections.setVisible(box.GetID(), False)
    views["Yellow"].click(*views["Yellow"].toPixels(inBox(box, (0, 8, 0))))
    settle()

    assert chosen(module) == [boxNodes(detected)[2].GetID()]


def test_missedVertebraIsInsertedWhereTheUserClicks(module, ui, views, detected):
    place = vertebraeFromNodes(slicer.mrmlScene, detected)[2].centre * LPS_TO_RAS
    click(ui.deleteButton)
    click(ui.insertAtButton)
    assert ui.insertAtButton.checked
    views["Yellow"].click(*views["Yellow"].toPixels(place))
    settle()

    assert levelsInTable(ui) == ["C2", "C3", "C4", "C5", "C6"]
    inserted = vertebraeFromNodes(slicer.mrmlScene, detected)[2]
    assert inserted.centre * LPS_TO_RAS == pytest.approx(place, abs=0.5)
    assert not ui.insertAtButton.checked
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLMarkupsFiducialNode") == 1
    assert chosen(module) == [boxNodes(detected)[2].GetID()]


def test_pointToPlaceIsHiddenBeforeTheDataTreeSeesIt(ui, views, detected):
    added = []

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def look(caller, event, node):
        if node.IsA("vtkMRMLMarkupsFiducialNode"):
            added.append(node.GetHideFromEditors())

    tag = slicer.mrmlScene.AddObserver(slicer.mrmlScene.NodeAddedEvent, look)
    click(ui.insertAtButton)
    slicer.mrmlScene.RemoveObserver(tag)
    click(ui.insertAtButton)

    assert added == [1]


def test_placeModeIsLeftWithoutAVertebra(application, ui, views, detected):
    click(ui.insertAtButton)
    click(ui.insertAtButton)

    interactionNode = application.applicationLogic().GetInteractionNode()
    assert interactionNode.GetCurrentInteractionMode() == interactionNode.ViewTransform
    assert levelsInTable(ui) == ["C2", "C3", "C4", "C5", "C6"]
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLMarkupsFiducialNode") == 1


def test_placeModeEndedByAnotherToolLeavesNothing(application, ui, views, detected):
    click(ui.insertAtButton)
    interactionNode = application.applicationLogic().GetInteractionNode()
    interactionNode.SetCurrentInteractionMode(interactionNode.ViewTransform)
    settle()

    assert not ui.insertAtButton.checked
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLMarkupsFiducialNode") == 1


def test_clickWhereNoLevelIsMissingIsRefusedAndSaid(module, ui, views, detected, errors):
    before = chosen(module)
    click(ui.insertAtButton)
    place = vertebraeFromNodes(slicer.mrmlScene, detected)[3].centre * LPS_TO_RAS
    views["Yellow"].click(*views["Yellow"].toPixels(place))
    settle()

    assert len(errors) == 1
    assert ui.vertebraTable.rowCount == 5
    assert chosen(module) == before


def test_otherModuleHasTheViewsForItself(module, views, detected):
    module.exit()
    box = boxNodes(detected)[0]
    views["Yellow"].click(*views["Yellow"].toPixels(inBox(box, (0, 8, 0))))
    settle()
    module.enter()

    assert box.GetID() not in chosen(module)
    assert not any(node.GetDisplayNode().GetHandlesInteractive() for node in boxNodes(detected)[:2])


def test_centresNodeIsOneListForAllVertebrae(views, detected):
    assert centresNodeOf(slicer.mrmlScene, detected).GetNumberOfControlPoints() == 5
