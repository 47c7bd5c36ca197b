"""Corrections of vertebrae: each changes what it says and nothing else, and can be undone."""

from datetime import datetime

import numpy as np
import pytest

pytest.importorskip("slicer", reason="needs slicer-core")

from sceneFixtures import assertSameVertebrae, boxOf, idOf, levels, madeResult, madeVertebra, messages, pointNames

from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Scene.Corrections import Corrections
from CervicalSpineDetectionLib.Scene.Levels import levelColour, terminologyEntry
from CervicalSpineDetectionLib.Scene.OwnNodes import LOCKED, centresNodeOf
from CervicalSpineDetectionLib.Scene.VertebraNodes import addVertebrae, vertebraeFromNodes
from CervicalSpineDetectionLib.Scene.VertebraState import PREFIX, boxCorners
from CervicalSpineDetectionLib.Spine.Vertebra import DetectionResult


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


def test_whatTheDetectorSaidStaysBesideWhatThePersonMade(scene, corrections):
    node = boxOf(corrections, scene, "C4")
    said = ("DetectedLevel", "Confidence", "Centre", "Bounds", "OrientedBox", "Inferred", "Complete")
    before = {name: node.GetAttribute(PREFIX + name) for name in said}
    assert before["DetectedLevel"] == "C4"

    node.SetSize(20, 30, 8)
    corrections.relabel(node.GetID(), "C6")

    assert {name: node.GetAttribute(PREFIX + name) for name in said} == before


def test_resetGoesBackToTheDetection(scene, volumeNode, corrections):
    before = vertebraeFromNodes(scene, volumeNode)
    node = boxOf(corrections, scene, "C5")
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
        assert [boxOf(corrections, scene, level).GetLocked() for level in ("C3", "C4", "C5")] == locked
        assert [centresNode.GetNthControlPointLocked(n) for n in range(3)] == locked
    corrections.setLocked(idOf(corrections, "C4"), False)
    refused(corrections)


def test_hiddenVertebraHidesBoxAndPoint(scene, volumeNode, corrections):
    corrections.setVisible(idOf(corrections, "C4"), False)

    centresNode = centresNodeOf(scene, volumeNode)
    assert [centresNode.GetNthControlPointVisibility(n) for n in range(3)] == [True, False, True]
    assert not boxOf(corrections, scene, "C4").GetDisplayNode().GetVisibility()
    assert [row.visible for row in corrections.rows()] == [True, False, True]


def test_editorIsNotedOnlyWhereGiven(scene, volumeNode, corrections):
    corrections.relabel(idOf(corrections, "C5"), "C6")
    assert boxOf(corrections, scene, "C6").GetAttribute(PREFIX + "EditedBy") is None

    named = Corrections(scene, volumeNode, editor="Reader 2")
    named.relabel(idOf(named, "C6"), "C7")

    node = boxOf(named, scene, "C7")
    assert node.GetAttribute(PREFIX + "EditedBy") == "Reader 2"
    datetime.fromisoformat(node.GetAttribute(PREFIX + "EditedAt"))
    named.release()


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


def test_changedVertebraIsNoLongerConfirmed(scene, volumeNode, corrections):
    corrections.confirmAll()
    corrections.relabel(idOf(corrections, "C5"), "C6")
    boxOf(corrections, scene, "C3").SetSize(30, 30, 30)

    assert [row.confirmed for row in corrections.rows()] == [False, True, False]
    corrections.undo()
    corrections.undo()
    assert [row.confirmed for row in corrections.rows()] == [True, True, True]


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
