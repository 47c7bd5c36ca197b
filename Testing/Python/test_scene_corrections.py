"""Corrections of vertebrae: each changes what it says and nothing else, and can be undone."""

import numpy as np
import pytest

pytest.importorskip("slicer", reason="needs slicer-core")

from sceneFixtures import assertSameVertebrae, madeImage, madeResult

from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Scene.Corrections import Corrections
from CervicalSpineDetectionLib.Scene.HeadlessScene import headlessScene
from CervicalSpineDetectionLib.Scene.Levels import levelColour, terminologyEntry
from CervicalSpineDetectionLib.Scene.VertebraNodes import addVertebrae, centresNodeOf, vertebraeFromNodes
from CervicalSpineDetectionLib.Scene.VolumeNodes import volumeNodeFromImage


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
