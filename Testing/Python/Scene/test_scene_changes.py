"""Corrections follow new detections, other modules, and the end of the scene."""

import gc
import weakref
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("slicer", reason="needs slicer-core")

import slicer
import vtk
from sceneFixtures import (
    assertSameVertebrae,
    boxOf,
    idOf,
    levels,
    madeImage,
    madeResult,
    madeVertebra,
    messages,
    nodesOfClass,
    pointNames,
    putUnderTransform,
    readScene,
    rotation,
)

from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Scene.Corrections import Corrections
from CervicalSpineDetectionLib.Scene.HeadlessScene import headlessScene
from CervicalSpineDetectionLib.Scene.Levels import levelColour, terminologyEntry
from CervicalSpineDetectionLib.Scene.OwnNodes import centresNodeOf
from CervicalSpineDetectionLib.Scene.VertebraFolder import FOLDER_NAME
from CervicalSpineDetectionLib.Scene.VertebraNodes import addVertebrae, vertebraeFromNodes
from CervicalSpineDetectionLib.Scene.VolumeNodes import volumeNodeFromImage
from CervicalSpineDetectionLib.Spine.Vertebra import DetectionResult


def test_editedAndConfirmedOnesSurviveANewDetection(scene, volumeNode, corrections):
    corrections.setConfirmed(idOf(corrections, "C3"), True)
    boxOf(corrections, scene, "C4").SetSize(20, 30, 8)
    kept = vertebraeFromNodes(scene, volumeNode)[:2]
    assertSameVertebrae(corrections.confirmedVertebrae(), kept, 1e-9)
    keptIds = [idOf(corrections, level) for level in ("C3", "C4")]
    found = madeVertebra("C6", (30, -40, 474))

    nodes = addVertebrae(scene, DetectionResult([*kept, found]), volumeNode)

    assertSameVertebrae(vertebraeFromNodes(scene, volumeNode), [*kept, found], 1e-9)
    assert [node.GetID() for node in nodes[:2]] == keptIds
    assert [(row.confirmed, row.edited) for row in corrections.rows()] == [(True, False), (False, True), (False, False)]


def test_newDetectionIsUndone(scene, volumeNode, corrections):
    corrections.setConfirmed(idOf(corrections, "C4"), True)
    rows, before = corrections.rows(), vertebraeFromNodes(scene, volumeNode)

    addVertebrae(scene, madeResult(("C1", "C2", "C3", "C4", "C5", "C6")), volumeNode)
    assert levels(corrections) == ["C1", "C2", "C3", "C4", "C5", "C6"]
    corrections.undo()

    assert corrections.rows() == rows
    assertSameVertebrae(vertebraeFromNodes(scene, volumeNode), before, 1e-9)
    corrections.redo()
    assert levels(corrections) == ["C1", "C2", "C3", "C4", "C5", "C6"]


def test_firstDetectionIsUndone(scene, volumeNode):
    corrections = Corrections(scene, volumeNode)
    # Makes the node where there is none.
    slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    nodesBefore = scene.GetNumberOfNodes()
    addVertebrae(scene, madeResult(), volumeNode)
    assert len(corrections.rows()) == 3

    corrections.undo()

    assert corrections.rows() == []
    assert scene.GetNumberOfNodes() == nodesBefore


def test_nodeRemovedElsewhereTakesItsPointAndComesBackByUndo(scene, volumeNode, corrections):
    before, nodeId = vertebraeFromNodes(scene, volumeNode), idOf(corrections, "C4")
    scene.RemoveNode(scene.GetNodeByID(nodeId))
    assert pointNames(scene, volumeNode) == ["C3", "C5"]

    corrections.undo()

    assert idOf(corrections, "C4") == nodeId
    assertSameVertebrae(vertebraeFromNodes(scene, volumeNode), before, 1e-9)
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    parents = {hierarchy.GetItemParent(hierarchy.GetItemByDataNode(scene.GetNodeByID(row.nodeId)))
               for row in corrections.rows()}
    assert [hierarchy.GetItemName(parent) for parent in parents] == [FOLDER_NAME]


def test_removedListOfCentresComesBackByUndo(scene, volumeNode, corrections):
    before = vertebraeFromNodes(scene, volumeNode)
    scene.RemoveNode(centresNodeOf(scene, volumeNode))
    assert len(messages(corrections)) == 3

    corrections.undo()

    assertSameVertebrae(vertebraeFromNodes(scene, volumeNode), before, 1e-9)


def test_boxRenamedElsewhereGetsColourAndCodeOfItsLevel(scene, volumeNode, corrections):
    node = boxOf(corrections, scene, "C5")

    node.SetName("C6")

    assert node.GetDisplayNode().GetSelectedColor() == pytest.approx(levelColour("C6"))
    assert node.GetAttribute("Terminologies.TerminologyEntry") == terminologyEntry("C6")
    corrections.relabel(node.GetID(), "C6")
    assert pointNames(scene, volumeNode) == ["C3", "C4", "C6"]
    corrections.undo()
    corrections.undo()
    assert node.GetDisplayNode().GetSelectedColor() == pytest.approx(levelColour("C5"))


def test_chosenColourStays(scene, corrections):
    node = boxOf(corrections, scene, "C5")
    node.GetDisplayNode().SetSelectedColor(1, 0, 0)

    node.SetSize(20, 30, 8)
    corrections.setConfirmed(node.GetID(), True)

    assert node.GetDisplayNode().GetSelectedColor() == (1, 0, 0)


def test_inferredVertebraThatAPersonMovedIsNoLongerInferred(scene, volumeNode):
    (node, _) = addVertebrae(scene, DetectionResult([madeVertebra("C4", inferred=True)]), volumeNode)
    corrections = Corrections(scene, volumeNode)
    assert (corrections.rows()[0].inferred, node.GetName()) == (True, "C4 ?")

    node.SetCenter(-30, 40, 500)

    assert (corrections.rows()[0].inferred, corrections.rows()[0].remark) == (False, "")
    assert (node.GetName(), pointNames(scene, volumeNode)) == ("C4", ["C4"])
    corrections.undo()
    assert (corrections.rows()[0].inferred, node.GetName()) == (True, "C4 ?")


def test_movedOrTurnedBoxTakesItsPointAlong(scene, volumeNode, corrections):
    before = vertebraeFromNodes(scene, volumeNode)[1]
    turn = np.eye(4)
    turn[:3, :3] = rotation((1, 1, 0), 20)
    turn[:3, 3] = [4, 5, 6]
    node = boxOf(corrections, scene, "C4")
    moved = turn @ slicer.util.arrayFromVTKMatrix(node.GetObjectToNodeMatrix())

    node.SetAndObserveObjectToNodeMatrix(slicer.util.vtkMatrixFromArray(moved))

    centre = vertebraeFromNodes(scene, volumeNode)[1].centre
    np.testing.assert_allclose(centre * [-1, -1, 1], (turn @ [*(before.centre * [-1, -1, 1]), 1])[:3], atol=1e-6)


def test_resizedBoxLeavesItsPoint(scene, volumeNode, corrections):
    before = vertebraeFromNodes(scene, volumeNode)[1].centre
    node = boxOf(corrections, scene, "C4")

    node.SetSize(40, 24, 9)

    np.testing.assert_allclose(vertebraeFromNodes(scene, volumeNode)[1].centre, before)
    assert corrections.rows()[1].size == pytest.approx((40, 24, 9))
    assert [row.edited for row in corrections.rows()] == [False, True, False]


def test_changesOfOneBoxByAnotherModuleAreOneStep(scene, corrections):
    rows = corrections.rows()
    for length in range(25, 35):
        boxOf(corrections, scene, "C4").SetSize(28, length, 9)
    boxOf(corrections, scene, "C5").SetSize(28, 40, 9)

    corrections.undo()
    assert corrections.rows()[1].size == pytest.approx((28, 34, 9))
    corrections.undo()
    assert corrections.rows() == rows and not corrections.canUndo


def test_boxesFollowTheTransformOfTheCt(scene, volumeNode, corrections):
    before = vertebraeFromNodes(scene, volumeNode)

    matrix = putUnderTransform(scene, volumeNode)

    node = boxOf(corrections, scene, "C4")
    expected = matrix @ [*(before[1].orientedBox.centre * [-1, -1, 1]), 1]
    np.testing.assert_allclose(node.GetCenterWorld(), expected[:3], atol=1e-6)
    assertSameVertebrae(vertebraeFromNodes(scene, volumeNode), before, 1e-9)
    assert corrections.conflicts() == [] and not any(row.edited for row in corrections.rows())


def test_boxesStayInPlaceWhereTheTransformIsHardenedOnTheCt(scene, volumeNode, corrections):
    putUnderTransform(scene, volumeNode, rigid=True)
    place = boxOf(corrections, scene, "C4").GetCenterWorld()

    volumeNode.HardenTransform()

    assert boxOf(corrections, scene, "C4").GetCenterWorld() == pytest.approx(place)
    assert all("different transforms" in message for message in messages(corrections))
    assert len(corrections.conflicts()) == 3


def test_otherNodesAreNotTouched(scene, volumeNode, corrections):
    other = scene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "C4")
    other.AddControlPoint([1, 2, 3])
    otherVolume = volumeNodeFromImage(scene, madeImage(size=(6, 6, 6)), "Other CT")
    addVertebrae(scene, madeResult(("C2",)), otherVolume)
    modified = other.GetMTime()

    corrections.shift(1)
    corrections.undo()

    assert other.GetMTime() == modified
    assert [vertebra.level for vertebra in vertebraeFromNodes(scene, otherVolume)] == ["C2"]
    assert levels(corrections) == ["C3", "C4", "C5"]


def test_callbackComesAfterEveryChange(scene, volumeNode, corrections):
    seen = []
    corrections.observe(lambda: seen.append(levels(corrections)))

    corrections.shift(1)
    corrections.undo()
    scene.RemoveNode(boxOf(corrections, scene, "C5"))
    addVertebrae(scene, madeResult(("C6", "C7")), volumeNode)

    assert seen == [["C4", "C5", "C6"], ["C3", "C4", "C5"], ["C3", "C4"], ["C6", "C7"]]


def test_closedSceneLeavesNothingToUndo(scene, corrections):
    corrections.shift(1)

    scene.Clear(False)

    assert corrections.rows() == [] and corrections.conflicts() == []
    assert not corrections.canUndo and not corrections.canRedo


def test_vertebraeOfTheNextSceneAreNotTakenForThoseOfTheClosedOne(scene, volumeNode, corrections):
    scene.Clear(False)
    nextVolume = volumeNodeFromImage(scene, madeImage(size=(6, 6, 6)), "CT")
    addVertebrae(scene, madeResult(), nextVolume)
    assert nextVolume.GetID() == volumeNode.GetID()

    assert corrections.rows() == [] and corrections.conflicts() == []
    with pytest.raises(InputError, match="no longer in the scene"):
        corrections.shift(1)
    assert len(vertebraeFromNodes(scene, nextVolume)) == 3


def test_removedCtLeavesNothingToUndo(scene, volumeNode, corrections):
    corrections.shift(1)

    scene.RemoveNode(volumeNode)

    assert corrections.rows() == [] and not corrections.canUndo


def test_releasedCorrectionsFollowNothingAndAreFreed(scene, volumeNode):
    *boxNodes, centresNode = addVertebrae(scene, madeResult(), volumeNode)
    observed = [scene, volumeNode, *boxNodes, centresNode]
    events = [vtk.vtkCommand.ModifiedEvent, centresNode.PointModifiedEvent, centresNode.PointEndInteractionEvent,
              scene.NodeAddedEvent, scene.StartCloseEvent, centresNode.TransformModifiedEvent]
    before = [[node.HasObserver(event) for event in events] for node in observed]
    corrections = Corrections(scene, volumeNode)
    seen = []
    corrections.observe(lambda: seen.append(1))
    corrections.shift(1)
    assert [[node.HasObserver(event) for event in events] for node in observed] != before

    corrections.release()

    boxNodes[0].SetSize(1, 2, 3)
    assert seen == [1]
    assert [[node.HasObserver(event) for event in events] for node in observed] == before
    reference = weakref.ref(corrections)
    del corrections
    gc.collect()
    assert reference() is None


def test_correctionsSurviveTheSceneFile(tmp_path):
    with headlessScene() as (scene, _):
        volumeNode = volumeNodeFromImage(scene, madeImage(size=(6, 6, 6)), "CT")
        addVertebrae(scene, madeResult(("C3", "C4", "C5", "C6")), volumeNode)
        corrections = Corrections(scene, volumeNode)
        corrections.relabel(idOf(corrections, "C6"), "C7")
        corrections.setConfirmed(idOf(corrections, "C3"), True)
        corrections.setLocked(idOf(corrections, "C4"), True)
        corrections.setVisible(idOf(corrections, "C5"), False)
        corrections.delete(idOf(corrections, "C3"))
        corrections.undo()
        rows, saved = corrections.rows(), corrections.confirmedVertebrae()
        conflicts = messages(corrections)
        for node in nodesOfClass(scene, "vtkMRMLMarkupsNode"):
            node.AddDefaultStorageNode()
        assert scene.WriteToMRB(str(tmp_path / "scene.mrb"))

    with readScene(tmp_path / "scene.mrb", tmp_path) as scene:
        volumeNode = scene.GetFirstNodeByName("CT")
        corrections = Corrections(scene, volumeNode)
        for row, expected in zip(corrections.rows(), rows, strict=True):
            assert row == replace(expected, nodeId=row.nodeId, size=row.size)
            assert row.size == pytest.approx(expected.size, abs=1e-3)
        assertSameVertebrae(corrections.confirmedVertebrae(), saved, 1e-3)
        assert messages(corrections) == conflicts
        # Boxes and points still know each other, new ones too.
        corrections.insert("C6")
        corrections.delete(idOf(corrections, "C3"))
        corrections.undo()
        assert corrections.conflicts() == []
        centresNode = centresNodeOf(scene, volumeNode)
        ids = [centresNode.GetNthControlPointID(n) for n in range(5)]
        assert len(set(ids)) == 5
        assert vertebraeFromNodes(scene, volumeNode)[3].inferred
