"""Corrections of vertebrae: each changes what it says and nothing else, and can be undone."""

import gc
import weakref
from dataclasses import replace
from datetime import datetime

import numpy as np
import pytest

pytest.importorskip("slicer", reason="needs slicer-core")

import slicer
import vtk
from sceneFixtures import (
    assertSameVertebrae,
    madeImage,
    madeResult,
    madeVertebra,
    nodesOfClass,
    putUnderTransform,
    readScene,
    rotation,
)

from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Scene.Corrections import Corrections
from CervicalSpineDetectionLib.Scene.HeadlessScene import headlessScene
from CervicalSpineDetectionLib.Scene.Levels import levelColour, terminologyEntry
from CervicalSpineDetectionLib.Scene.OwnNodes import LOCKED, centresNodeOf
from CervicalSpineDetectionLib.Scene.VertebraFolder import FOLDER_NAME
from CervicalSpineDetectionLib.Scene.VertebraNodes import addVertebrae, vertebraeFromNodes
from CervicalSpineDetectionLib.Scene.VertebraState import PREFIX, boxCorners
from CervicalSpineDetectionLib.Scene.VolumeNodes import volumeNodeFromImage
from CervicalSpineDetectionLib.Spine.Vertebra import DetectionResult


@pytest.fixture
def scene():
    with headlessScene() as (scene, _):
        yield scene


@pytest.fixture
def volumeNode(scene):
    return volumeNodeFromImage(scene, madeImage(size=(6, 6, 6)), "CT")


@pytest.fixture
def corrections(scene, volumeNode):
    """Of C3, C4, C5."""
    addVertebrae(scene, madeResult(), volumeNode)
    corrections = Corrections(scene, volumeNode)
    yield corrections
    corrections.release()


def levels(corrections):
    return [row.level for row in corrections.rows()]


def idOf(corrections, level):
    (nodeId,) = [row.nodeId for row in corrections.rows() if row.level == level]
    return nodeId


def pointNames(scene, volumeNode):
    node = centresNodeOf(scene, volumeNode)
    return sorted(node.GetNthControlPointLabel(n) for n in range(node.GetNumberOfControlPoints()))


def test_relabelChangesNameColourCodeAndPoint(scene, volumeNode, corrections):
    nodeId = idOf(corrections, "C5")

    corrections.relabel(nodeId, "C6")

    node = scene.GetNodeByID(nodeId)
    assert node.GetName() == "C6"
    assert node.GetDisplayNode().GetSelectedColor() == pytest.approx(levelColour("C6"))
    assert node.GetAttribute("Terminologies.TerminologyEntry") == terminologyEntry("C6")
    assert pointNames(scene, volumeNode) == ["C3", "C4", "C6"]
    assert levels(corrections) == ["C3", "C4", "C6"]


@pytest.mark.parametrize("step, expected", [(1, ["C4", "C5", "C6"]), (-1, ["C2", "C3", "C4"])])
def test_shiftMovesAllLevels(scene, volumeNode, corrections, step, expected):
    corrections.shift(step)

    assert levels(corrections) == expected
    assert pointNames(scene, volumeNode) == expected
    assert corrections.conflicts() == []


def test_shiftOutOfTheKnownLevelsIsRefused(scene, volumeNode, corrections):
    corrections.shift(-2)

    with pytest.raises(InputError, match="C1 would leave"):
        corrections.shift(-1)

    assert levels(corrections) == ["C1", "C2", "C3"]


def test_deleteRemovesBoxAndPoint(scene, volumeNode, corrections):
    nodeId = idOf(corrections, "C4")

    corrections.delete(nodeId)

    assert scene.GetNodeByID(nodeId) is None
    assert pointNames(scene, volumeNode) == ["C3", "C5"]


def test_insertedLevelStandsBetweenItsNeighbours(scene, volumeNode, corrections):
    before = vertebraeFromNodes(scene, volumeNode)[1]
    corrections.delete(idOf(corrections, "C4"))

    corrections.insert("C4")

    inserted = vertebraeFromNodes(scene, volumeNode)[1]
    assert (inserted.level, inserted.inferred) == ("C4", True)
    assert np.linalg.norm(inserted.centre - before.centre) < 1
    np.testing.assert_allclose(inserted.orientedBox.size, before.orientedBox.size)
    np.testing.assert_allclose(inserted.orientedBox.axes, before.orientedBox.axes, atol=1e-6)


STEPS = {
    "relabel": lambda c: c.relabel(idOf(c, "C5"), "C6"),
    "shift": lambda c: c.shift(1),
    "insert": lambda c: c.insert("C6"),
    "insertAt": lambda c: c.insertAt([-31, 48, 474]),
    "delete": lambda c: c.delete(idOf(c, "C4")),
    "split": lambda c: c.split(idOf(c, "C4")),
    "merge": lambda c: c.merge(idOf(c, "C4"), idOf(c, "C5")),
    "confirm": lambda c: c.setConfirmed(idOf(c, "C4"), True),
    "confirmAll": lambda c: c.confirmAll(),
    "lock": lambda c: c.setLocked(idOf(c, "C4"), True),
    "hide": lambda c: c.setVisible(idOf(c, "C4"), False),
}


@pytest.mark.parametrize("step", STEPS)
def test_stepIsUndoneAndRedone(scene, volumeNode, corrections, step):
    rows, vertebrae = corrections.rows(), vertebraeFromNodes(scene, volumeNode)
    assert not corrections.canUndo

    STEPS[step](corrections)
    changed = corrections.rows()
    assert changed != rows

    corrections.undo()
    assert corrections.rows() == rows
    assertSameVertebrae(vertebraeFromNodes(scene, volumeNode), vertebrae, 1e-9)
    assert not corrections.canUndo

    corrections.redo()
    assert corrections.rows() == changed
    assert not corrections.canRedo


def box(corrections, scene, level):
    return scene.GetNodeByID(idOf(corrections, level))


def messages(corrections):
    return [conflict.message for conflict in corrections.conflicts()]


def test_whatTheDetectorSaidStaysBesideWhatThePersonMade(scene, corrections):
    node = box(corrections, scene, "C4")
    said = ("DetectedLevel", "Confidence", "Centre", "Bounds", "OrientedBox", "Inferred", "Complete")
    before = {name: node.GetAttribute(PREFIX + name) for name in said}
    assert before["DetectedLevel"] == "C4"

    node.SetSize(20, 30, 8)
    corrections.relabel(node.GetID(), "C6")

    assert {name: node.GetAttribute(PREFIX + name) for name in said} == before


def test_resetGoesBackToTheDetection(scene, volumeNode, corrections):
    before = vertebraeFromNodes(scene, volumeNode)
    node = box(corrections, scene, "C5")
    corrections.relabel(node.GetID(), "C7")
    node.SetSize(20, 30, 8)
    centresNodeOf(scene, volumeNode).SetNthControlPointPosition(2, 1, 2, 3)
    corrections.setConfirmed(node.GetID(), True)

    corrections.reset(node.GetID())

    assertSameVertebrae(vertebraeFromNodes(scene, volumeNode), before, 1e-9)
    assert not corrections.rows()[2].edited and not corrections.rows()[2].confirmed


def test_insertedVertebraCantBeReset(corrections):
    nodeId = corrections.insert("C6")

    with pytest.raises(InputError, match="inserted by hand"):
        corrections.reset(nodeId)


def test_confirmedLevelIsSure(scene, volumeNode):
    doubtful = madeVertebra("C4", inferred=True, confidence=0.3, doubt="level uncertain")
    (node, centresNode) = addVertebrae(scene, DetectionResult([doubtful]), volumeNode)
    corrections = Corrections(scene, volumeNode)
    assert corrections.rows()[0].inferred and "level uncertain" in corrections.rows()[0].remark

    corrections.setConfirmed(node.GetID(), True)

    (row,) = corrections.rows()
    assert (row.confirmed, row.remark, row.inferred, row.confidence) == (True, "", False, 1.0)
    assert (node.GetName(), centresNode.GetNthControlPointLabel(0)) == ("C4", "C4")
    (vertebra,) = vertebraeFromNodes(scene, volumeNode)
    assert (vertebra.confidence, vertebra.inferred) == (1.0, False)
    assert node.GetAttribute(PREFIX + "Confidence") == "0.3"
    corrections.setConfirmed(node.GetID(), False)
    assert (corrections.rows()[0].remark != "", node.GetName()) == (True, "C4 ?")


@pytest.mark.parametrize("refused", [
    lambda c: c.relabel(idOf(c, "C4"), "C6"),
    lambda c: c.shift(1),
    lambda c: c.delete(idOf(c, "C4")),
    lambda c: c.split(idOf(c, "C4")),
    lambda c: c.merge(idOf(c, "C3"), idOf(c, "C4")),
    lambda c: c.reset(idOf(c, "C4")),
])
def test_lockedVertebraIsNotChanged(scene, volumeNode, corrections, refused):
    corrections.setLocked(idOf(corrections, "C4"), True)
    rows = corrections.rows()

    with pytest.raises(InputError, match="C4 is locked"):
        refused(corrections)

    assert corrections.rows() == rows
    centresNode = centresNodeOf(scene, volumeNode)
    # The mouse may move the chosen one, unless a person locked it.
    for chosen, locked in (("C3", [False, True, True]), ("C4", [True, True, True])):
        corrections.showHandles(idOf(corrections, chosen))
        assert [box(corrections, scene, level).GetLocked() for level in ("C3", "C4", "C5")] == locked
        assert [centresNode.GetNthControlPointLocked(n) for n in range(3)] == locked
    corrections.setLocked(idOf(corrections, "C4"), False)
    refused(corrections)


def test_hiddenVertebraHidesBoxAndPoint(scene, volumeNode, corrections):
    corrections.setVisible(idOf(corrections, "C4"), False)

    centresNode = centresNodeOf(scene, volumeNode)
    assert [centresNode.GetNthControlPointVisibility(n) for n in range(3)] == [True, False, True]
    assert not box(corrections, scene, "C4").GetDisplayNode().GetVisibility()
    assert [row.visible for row in corrections.rows()] == [True, False, True]


def test_editorIsNotedOnlyWhereGiven(scene, volumeNode, corrections):
    corrections.relabel(idOf(corrections, "C5"), "C6")
    assert box(corrections, scene, "C6").GetAttribute(PREFIX + "EditedBy") is None

    named = Corrections(scene, volumeNode, editor="Reader 2")
    named.relabel(idOf(named, "C6"), "C7")

    node = box(named, scene, "C7")
    assert node.GetAttribute(PREFIX + "EditedBy") == "Reader 2"
    datetime.fromisoformat(node.GetAttribute(PREFIX + "EditedAt"))
    named.release()


def test_presentOrUnknownLevelIsNotInserted(corrections):
    with pytest.raises(InputError, match="C4 exists already"):
        corrections.insert("C4")
    with pytest.raises(InputError, match="L1"):
        corrections.insert("L1")
    with pytest.raises(InputError, match="L1"):
        corrections.relabel(idOf(corrections, "C4"), "L1")


def test_nothingCanBeInsertedWithoutNeighbours(scene, volumeNode):
    with pytest.raises(InputError, match="no vertebra yet"):
        Corrections(scene, volumeNode).insert("C4")


def test_levelIsInsertedWhereItIsToldTo(scene, volumeNode, corrections):
    corrections.insert("C6", [31, -47, 473])

    inserted = vertebraeFromNodes(scene, volumeNode)[-1]
    np.testing.assert_allclose(inserted.centre, [31, -47, 473])
    assert not inserted.inferred
    assert corrections.conflicts() == []


@pytest.mark.parametrize("height, level", [(526, "C2"), (474, "C6"), (461, "C7")])
def test_clickBeyondTheEndsGivesTheNextLevel(scene, volumeNode, corrections, height, level):
    nodeId = corrections.insertAt([-31.5, 48.25, height])

    assert idOf(corrections, level) == nodeId
    (inserted,) = [vertebra for vertebra in vertebraeFromNodes(scene, volumeNode) if vertebra.level == level]
    np.testing.assert_allclose(inserted.centre, [31.5, -48.25, height])


def test_clickIntoAGapGivesTheMissingLevel(corrections):
    corrections.delete(idOf(corrections, "C4"))

    # At the spinous process, behind the body.
    corrections.insertAt([-31.5, 20, 493])

    assert levels(corrections) == ["C3", "C4", "C5"]


def test_clickOnAPresentLevelIsRefused(corrections):
    with pytest.raises(InputError, match="C4 is already there"):
        corrections.insertAt([-31.5, 48.25, 500])


def test_clickFarFromTheSpineIsRefused(corrections):
    with pytest.raises(InputError, match="No level"):
        corrections.insertAt([-31.5, 48.25, 200])


def test_clickIsTakenInTheWorld(scene, volumeNode, corrections):
    matrix = putUnderTransform(scene, volumeNode)
    centre = np.array([-31.5, 48.25, 474])

    corrections.insertAt((matrix @ [*centre, 1])[:3])

    inserted = vertebraeFromNodes(scene, volumeNode)[-1]
    assert inserted.level == "C6"
    np.testing.assert_allclose(inserted.centre, centre * [-1, -1, 1], atol=1e-6)


def test_splitBoxIsCoveredByItsHalves(scene, volumeNode):
    addVertebrae(scene, DetectionResult([madeVertebra("C4")]), volumeNode)
    corrections = Corrections(scene, volumeNode)
    whole = vertebraeFromNodes(scene, volumeNode)[0]

    lowerId = corrections.split(idOf(corrections, "C4"))

    upper, lower = vertebraeFromNodes(scene, volumeNode)
    assert (upper.level, lower.level) == ("C4", "C5")
    assert idOf(corrections, "C5") == lowerId
    for half in (upper, lower):
        np.testing.assert_allclose(half.orientedBox.size, whole.orientedBox.size * [1, 1, 0.5])
        np.testing.assert_allclose(half.orientedBox.axes, whole.orientedBox.axes)
    np.testing.assert_allclose((upper.orientedBox.centre + lower.orientedBox.centre) / 2, whole.orientedBox.centre)
    assert upper.orientedBox.centre[2] > lower.orientedBox.centre[2]
    assert corrections.conflicts() == []
    assert all(row.edited for row in corrections.rows())


def test_splitTakesTheFreeLevelAbove(scene, volumeNode, corrections):
    corrections.split(idOf(corrections, "C3"))

    assert levels(corrections) == ["C2", "C3", "C4", "C5"]
    assert corrections.conflicts() == []


def test_splitWithoutAFreeLevelShowsTheConflict(corrections):
    corrections.split(idOf(corrections, "C4"))

    assert levels(corrections) == ["C3", "C4", "C5", "C5"]
    assert any("C5 is assigned twice" in message for message in messages(corrections))


def test_mergedBoxHoldsBoth(scene, volumeNode, corrections):
    one, other = vertebraeFromNodes(scene, volumeNode)[1:]

    corrections.merge(idOf(corrections, "C4"), idOf(corrections, "C5"))

    merged = vertebraeFromNodes(scene, volumeNode)[-1]
    assert levels(corrections) == ["C3", "C4"]
    np.testing.assert_allclose(merged.centre, (one.centre + other.centre) / 2)
    for corners in (boxCorners(one.orientedBox), boxCorners(other.orientedBox)):
        inBox = (corners - merged.orientedBox.centre) @ merged.orientedBox.axes.T
        assert (np.abs(inBox) <= merged.orientedBox.size / 2 + 1e-6).all()
    with pytest.raises(InputError, match="itself"):
        corrections.merge(idOf(corrections, "C4"), idOf(corrections, "C4"))


# Conflicts

def test_noConflictInASoundResult(corrections):
    assert corrections.conflicts() == []


def test_twoOfALevelAreAConflict(corrections):
    twice = {idOf(corrections, "C3"), idOf(corrections, "C4")}

    corrections.relabel(idOf(corrections, "C3"), "C4")

    (conflict,) = corrections.conflicts()
    assert set(conflict.nodeIds) == twice
    assert conflict.message == "C4 is assigned twice: give one another level, or delete one."
    assert levels(corrections) == ["C4", "C4", "C5"]
    with pytest.raises(InputError, match="C4 is assigned twice"):
        corrections.confirmedVertebrae() if corrections.confirmAll() is None else None


def test_exchangedLevelsAreAConflict(corrections):
    upper, lower = idOf(corrections, "C4"), idOf(corrections, "C5")
    corrections.relabel(upper, "C5")
    corrections.relabel(lower, "C4")

    assert [set(conflict.nodeIds) for conflict in corrections.conflicts()] == [{upper, lower}]
    assert messages(corrections)[0].startswith("C5 lies above C4: swap their levels")


def test_gapIsAConflict(corrections):
    corrections.delete(idOf(corrections, "C4"))

    assert messages(corrections) == [
        "C4 is missing between C3 and C5: insert it, or shift or rename what is wrong."]


def test_pointOutsideItsBoxIsAConflict(scene, volumeNode, corrections):
    centresNodeOf(scene, volumeNode).SetNthControlPointPosition(1, -31.5, 90, 500)

    assert [conflict.nodeIds for conflict in corrections.conflicts()] == [(idOf(corrections, "C4"),)]
    assert "center point of C4 lies outside its box" in messages(corrections)[0]


@pytest.mark.parametrize("original", ["C5", "Vertebra centres"])
def test_copyIsAConflictAndNoVertebra(scene, volumeNode, corrections, original):
    seen = []
    corrections.observe(lambda: seen.append(messages(corrections)))
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    item = hierarchy.GetItemByDataNode(scene.GetFirstNodeByName(original))

    # What "Clone" in the Data module calls.
    slicer.vtkSlicerSubjectHierarchyModuleLogic.CloneSubjectHierarchyItem(hierarchy, item)

    expected = (f'"{original} Copy" is a copy of "{original}" and is left out: delete it in the Data module, and '
                "insert the level you need.")
    assert messages(corrections) == seen[-1] == [expected]
    assert levels(corrections) == ["C3", "C4", "C5"]
    assert len(vertebraeFromNodes(scene, volumeNode)) == 3
    scene.RemoveNode(scene.GetFirstNodeByName(f"{original} Copy"))
    assert messages(corrections) == seen[-1] == []


def test_lostPointIsAConflictAndComesBackWithTheLevel(scene, volumeNode, corrections):
    before = vertebraeFromNodes(scene, volumeNode)
    centresNodeOf(scene, volumeNode).UnsetNthControlPointPosition(1)
    assert "The center point of C4 is missing" in messages(corrections)[0]
    node = box(corrections, scene, "C4")
    node.SetCenter(np.array(node.GetCenter()) + [1, 2, 3])

    corrections.relabel(node.GetID(), "C4")

    np.testing.assert_allclose(vertebraeFromNodes(scene, volumeNode)[1].centre, before[1].centre + [-1, -2, 3])
    assert corrections.conflicts() == []


def test_pointThatLostItsBoxIsAConflictAndGetsOneByInsertion(scene, volumeNode):
    *boxNodes, centresNode = addVertebrae(scene, madeResult(), volumeNode)
    centresNode.SetNthControlPointPosition(1, -31, 47, 501)
    scene.RemoveNode(boxNodes[1])
    corrections = Corrections(scene, volumeNode)
    assert "The box of C4 is missing: insert C4 to make one, or undo." in messages(corrections)

    corrections.insert("C4")

    assert corrections.conflicts() == []
    assert centresNode.GetNumberOfControlPoints() == 3
    np.testing.assert_allclose(vertebraeFromNodes(scene, volumeNode)[1].centre, [31, -47, 501])


@pytest.mark.parametrize("edit, message", [
    (lambda node: node.SetName("Atlas"), '"Atlas" is not the name of a vertebra'),
    (lambda node: node.SetName(""), '"" is not the name of a vertebra'),
    (lambda node: node.SetName("C2"), 'box "C2" and its point "C3" have different names'),
    (lambda node: node.SetSize(0, 20, 20), 'box "C3" has no extent'),
    (lambda node: node.SetAndObserveTransformNodeID("vtkMRMLLinearTransformNode1"), "different transforms"),
])
def test_editElsewhereThatContradictsIsAConflict(scene, volumeNode, corrections, edit, message):
    scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    node = box(corrections, scene, "C3")

    edit(node)

    assert any(message in text for text in messages(corrections))
    assert len(corrections.rows()) == 3
    with pytest.raises(InputError, match=message):
        vertebraeFromNodes(scene, volumeNode)
    corrections.relabel(node.GetID(), "C3")


# A new detection

def test_editedAndConfirmedOnesSurviveANewDetection(scene, volumeNode, corrections):
    corrections.setConfirmed(idOf(corrections, "C3"), True)
    box(corrections, scene, "C4").SetSize(20, 30, 8)
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


# Changes from elsewhere

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
    node = box(corrections, scene, "C5")

    node.SetName("C6")

    assert node.GetDisplayNode().GetSelectedColor() == pytest.approx(levelColour("C6"))
    assert node.GetAttribute("Terminologies.TerminologyEntry") == terminologyEntry("C6")
    corrections.relabel(node.GetID(), "C6")
    assert pointNames(scene, volumeNode) == ["C3", "C4", "C6"]
    corrections.undo()
    corrections.undo()
    assert node.GetDisplayNode().GetSelectedColor() == pytest.approx(levelColour("C5"))


def test_chosenColourStays(scene, corrections):
    node = box(corrections, scene, "C5")
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
    node = box(corrections, scene, "C4")
    moved = turn @ slicer.util.arrayFromVTKMatrix(node.GetObjectToNodeMatrix())

    node.SetAndObserveObjectToNodeMatrix(slicer.util.vtkMatrixFromArray(moved))

    centre = vertebraeFromNodes(scene, volumeNode)[1].centre
    np.testing.assert_allclose(centre * [-1, -1, 1], (turn @ [*(before.centre * [-1, -1, 1]), 1])[:3], atol=1e-6)


def test_resizedBoxLeavesItsPoint(scene, volumeNode, corrections):
    before = vertebraeFromNodes(scene, volumeNode)[1].centre
    node = box(corrections, scene, "C4")

    node.SetSize(40, 24, 9)

    np.testing.assert_allclose(vertebraeFromNodes(scene, volumeNode)[1].centre, before)
    assert corrections.rows()[1].size == pytest.approx((40, 24, 9))
    assert [row.edited for row in corrections.rows()] == [False, True, False]


def test_changesOfOneBoxByAnotherModuleAreOneStep(scene, corrections):
    rows = corrections.rows()
    for length in range(25, 35):
        box(corrections, scene, "C4").SetSize(28, length, 9)
    box(corrections, scene, "C5").SetSize(28, 40, 9)

    corrections.undo()
    assert corrections.rows()[1].size == pytest.approx((28, 34, 9))
    corrections.undo()
    assert corrections.rows() == rows and not corrections.canUndo


def test_boxesFollowTheTransformOfTheCt(scene, volumeNode, corrections):
    before = vertebraeFromNodes(scene, volumeNode)

    matrix = putUnderTransform(scene, volumeNode)

    node = box(corrections, scene, "C4")
    expected = matrix @ [*(before[1].orientedBox.centre * [-1, -1, 1]), 1]
    np.testing.assert_allclose(node.GetCenterWorld(), expected[:3], atol=1e-6)
    assertSameVertebrae(vertebraeFromNodes(scene, volumeNode), before, 1e-9)
    assert corrections.conflicts() == [] and not any(row.edited for row in corrections.rows())


def test_boxesStayInPlaceWhereTheTransformIsHardenedOnTheCt(scene, volumeNode, corrections):
    putUnderTransform(scene, volumeNode, rigid=True)
    place = box(corrections, scene, "C4").GetCenterWorld()

    volumeNode.HardenTransform()

    assert box(corrections, scene, "C4").GetCenterWorld() == pytest.approx(place)
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
    scene.RemoveNode(box(corrections, scene, "C5"))
    addVertebrae(scene, madeResult(("C6", "C7")), volumeNode)

    assert seen == [["C4", "C5", "C6"], ["C3", "C4", "C5"], ["C3", "C4"], ["C6", "C7"]]


# Lifetime

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


def test_changedVertebraIsNoLongerConfirmed(scene, volumeNode, corrections):
    corrections.confirmAll()
    corrections.relabel(idOf(corrections, "C5"), "C6")
    box(corrections, scene, "C3").SetSize(30, 30, 30)

    assert [row.confirmed for row in corrections.rows()] == [False, True, False]
    corrections.undo()
    corrections.undo()
    assert [row.confirmed for row in corrections.rows()] == [True, True, True]


def test_firstVertebraIsInsertedAtItsUsualSize(scene, volumeNode):
    corrections = Corrections(scene, volumeNode)
    place = np.array([-30.0, 40.0, 500.0])
    corrections.insertAt(place, "C5")
    # The next ones go by it.
    corrections.insert("C4")

    upper, lower = vertebraeFromNodes(scene, volumeNode)
    assert (upper.level, lower.level) == ("C4", "C5")
    np.testing.assert_allclose(lower.centre, place * [-1, -1, 1])
    assert (lower.orientedBox.size > 30).all() and (lower.orientedBox.size < 80).all()
    assert 10 < upper.centre[2] - lower.centre[2] < 25
    rows = corrections.rows()
    assert all(row.inserted and row.confidence is None for row in rows)
    for _ in range(2):
        corrections.undo()
    assert corrections.rows() == []
    corrections.release()


def test_allAreClearedAndBroughtBack(scene, volumeNode, corrections):
    rows = corrections.rows()
    corrections.clear()
    assert corrections.rows() == [] and centresNodeOf(scene, volumeNode) is None
    corrections.undo()
    assert corrections.rows() == rows

    corrections.setLocked(idOf(corrections, "C4"), True)
    with pytest.raises(InputError, match="C4 is locked"):
        corrections.clear()


def test_severalAreConfirmedLockedAndDeletedInOneStep(scene, volumeNode, corrections):
    ids = [row.nodeId for row in corrections.rows()[:2]]
    corrections.setConfirmed(ids, True)
    corrections.setLocked(ids, True)
    assert [(row.confirmed, row.locked) for row in corrections.rows()] == [(True, True)] * 2 + [(False, False)]
    corrections.setLocked(ids, False)
    corrections.delete(*ids)
    assert [row.level for row in corrections.rows()] == ["C5"]
    corrections.undo()
    assert [row.level for row in corrections.rows()] == ["C3", "C4", "C5"]


def test_detectionFromScratchReplacesWhatWasSettled(scene, volumeNode, corrections):
    corrections.shift(1)
    corrections.confirmAll()
    corrections.setLocked(idOf(corrections, "C4"), True)
    before = corrections.rows()
    addVertebrae(scene, madeResult(), volumeNode, keepSettled=False)

    assert [(row.level, row.confirmed, row.edited, row.locked) for row in corrections.rows()] == [
        (level, False, False, False) for level in ("C3", "C4", "C5")]
    corrections.undo()
    assert corrections.rows() == before


def test_lockOfAnEarlierVersionIsKept(scene, volumeNode):
    """It was MRML's own, which is no person's word any more."""
    *nodes, _ = addVertebrae(scene, madeResult(), volumeNode)
    for node in nodes:
        node.RemoveAttribute(LOCKED)
        node.SetLocked(node is nodes[1])
    corrections = Corrections(scene, volumeNode)

    assert [row.locked for row in corrections.rows()] == [False, True, False]
    corrections.showHandles(nodes[0].GetID())
    nodes[0].SetSize(30, 30, 30)
    assert [row.locked for row in corrections.rows()] == [False, True, False]
    corrections.release()
