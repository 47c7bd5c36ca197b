"""A missed level is inserted between its neighbors, or where the user clicks."""

import numpy as np
import pytest

pytest.importorskip("slicer", reason="needs slicer-core")

from sceneFixtures import idOf, levels, putUnderTransform

from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Scene.Corrections import Corrections
from CervicalSpineDetectionLib.Scene.VertebraNodes import vertebraeFromNodes


def test_insertedLevelStandsBetweenItsNeighbours(scene, volumeNode, corrections):
    before = vertebraeFromNodes(scene, volumeNode)[1]
    corrections.delete(idOf(corrections, "C4"))

    corrections.insert("C4")

    inserted = vertebraeFromNodes(scene, volumeNode)[1]
    assert (inserted.level, inserted.inferred) == ("C4", True)
    assert np.linalg.norm(inserted.centre - before.centre) < 1
    np.testing.assert_allclose(inserted.orientedBox.size, before.orientedBox.size)
    np.testing.assert_allclose(inserted.orientedBox.axes, before.orientedBox.axes, atol=1e-6)


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
