"""How tight a box can be, on made voxels."""

import numpy as np
import pytest

from CervicalSpineDetectionLib.Spine.Boxes import OrientedBox
from CervicalSpineDetectionLib.Truth.TightBoxes import endPlateLean, shareInside, tightestBox


def block(width, depth, height, step=1.0):
    """Centres of the voxels of a block about the origin."""
    return np.stack(np.meshgrid(*[np.arange(-size / 2 + step / 2, size / 2, step) for size in (width, depth, height)],
                                indexing="ij"), axis=-1).reshape(-1, 3)


def turned(degrees):
    """Axes that lean forward."""
    c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    return np.array([[1, 0, 0], [0, c, s], [0, -s, c]])


def test_aThinSpikeOfFewVoxelsIsLeftOut():
    spike = np.stack([np.zeros(15), 10.0 + np.arange(15), np.zeros(15)], axis=1)
    box = tightestBox(np.concatenate([block(20, 20, 20), spike]), np.eye(3))
    assert box.size[1] < 20 and shareInside(spike, box) == 0


def test_whatHasToBeHeldIsHeld():
    points = np.random.default_rng(0).normal(size=(4000, 3)) * [10, 8, 6]
    for share in (0.9, 0.98, 1.0):
        assert share <= shareInside(points, tightestBox(points, np.eye(3), share)) <= share + 0.02


def test_theBoxOfATurnedBlockIsTheBlock():
    axes = turned(30)
    points = block(30, 40, 20) @ axes
    box = tightestBox(points, axes, share=1.0)
    np.testing.assert_allclose(box.size, [29, 39, 19], atol=1e-6)
    np.testing.assert_allclose(box.centre, 0, atol=1e-6)
    assert np.prod(tightestBox(points, np.eye(3), share=1.0).size) > 1.3 * np.prod(box.size)


def test_theShareInsideIsCountedInTheBoxesOwnAxes():
    axes = turned(90)
    assert shareInside(block(10, 10, 40), OrientedBox(np.zeros(3), np.array([10.0, 40, 10]), axes)) == 1
    assert shareInside(block(10, 10, 40), OrientedBox(np.zeros(3), np.array([10.0, 40, 10]), np.eye(3))) == 0.25


@pytest.mark.parametrize("degrees", [-20, 0, 12, 35])
@pytest.mark.parametrize("further", [-12, 0, 8])
def test_endPlatesLeanWithTheBody(degrees, further):
    body = block(30, 16, 14, 0.5) @ turned(degrees + further) + [5, 6, 7]
    assert endPlateLean(body, np.array([5.0, 6, 7]), turned(degrees)) == pytest.approx(further, abs=1.5)


def test_aBodyOfWhichTooLittleIsSeenTellsNoLean():
    assert np.isnan(endPlateLean(block(4, 4, 14), np.zeros(3), np.eye(3)))
