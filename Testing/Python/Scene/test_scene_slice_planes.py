"""Slice views cut boxes where they are, and their planes pass through the spine."""

import numpy as np
import pytest

pytest.importorskip("slicer", reason="needs slicer-core")

from sceneFixtures import madeImage, madeResult, madeVertebra

from CervicalSpineDetectionLib.Scene.HeadlessScene import headlessScene
from CervicalSpineDetectionLib.Scene.Levels import levelColour
from CervicalSpineDetectionLib.Scene.OffscreenViews import SliceView
from CervicalSpineDetectionLib.Scene.SlicePlanes import slicePlanes
from CervicalSpineDetectionLib.Scene.VertebraNodes import addVertebrae
from CervicalSpineDetectionLib.Scene.VertebraState import boxCorners
from CervicalSpineDetectionLib.Scene.VolumeNodes import volumeNodeFromImage


def hasColour(picture, colour, tolerance=30):
    """Where a picture has a colour, shape of its rows and columns."""
    return (np.abs(picture.astype(int) - 255 * np.array(colour)) < tolerance).all(axis=-1)


def edgePoints(box):
    """Points along the box's edges, LPS, and the axis each edge runs along."""
    corners = boxCorners(box)
    local = np.round((corners - box.centre) @ box.axes.T / box.size * 2).astype(int)
    for one in range(8):
        for other in range(one + 1, 8):
            if np.abs(local[one] - local[other]).sum() == 2:
                yield corners[one], corners[other]


@pytest.mark.parametrize("direction", ["plain", "obliqueLeftHanded"])
def test_boxOutlineIsDrawnWhereTheSliceCutsIt(direction):
    result = madeResult()
    millimetresPerPixel = 0.15
    right, up = np.array([0.0, -1, 0]), np.array([0.0, 0, 1])
    middle = result.vertebrae[1].orientedBox.centre * [-1, -1, 1]
    plane = np.eye(4)
    plane[:3] = np.stack([right, up, np.cross(right, up), middle], axis=1)
    with headlessScene() as (scene, applicationLogic):
        volumeNode = volumeNodeFromImage(scene, madeImage(direction), "CT")
        addVertebrae(scene, result, volumeNode)
        view = SliceView(scene, applicationLogic, "Yellow", (500, 500), volumeNode)
        view.show(plane, millimetresPerPixel)
        picture = view.picture()

    for vertebra in result.vertebrae:
        coloured = np.argwhere(hasColour(picture, levelColour(vertebra.level)))
        cut = 0
        for start, end in edgePoints(vertebra.orientedBox):
            start, end = start * [-1, -1, 1], end * [-1, -1, 1]
            if (start[0] - middle[0]) * (end[0] - middle[0]) >= 0:
                continue
            place = start + (end - start) * (middle[0] - start[0]) / (end[0] - start[0]) - middle
            row, column = 250 - place @ up / millimetresPerPixel, 250 + place @ right / millimetresPerPixel
            assert np.linalg.norm(coloured - [row, column], axis=1).min() < 3
            cut += 1
        assert cut == 4


def test_planesPassThroughATiltedSpinesBodies():
    centres = [np.array([30 + 0.3 * down, -40 - 0.4 * down, 500 - down]) for down in (0, 15, 30, 45)]
    vertebrae = [madeVertebra(level, c, centre=c) for level, c in zip(("C3", "C4", "C5", "C6"), centres, strict=True)]

    for plane in slicePlanes(vertebrae, np.array([-60.0, 0, 0, 80, 400, 520])):
        distances = [(centre * [-1, -1, 1] - plane[:3, 3]) @ plane[:3, 2] for centre in centres]
        np.testing.assert_allclose(distances, 0, atol=1e-9)
        np.testing.assert_allclose(plane[:3, :3].T @ plane[:3, :3], np.eye(3), atol=1e-9)
        assert np.linalg.det(plane) == pytest.approx(1)
        assert plane[2, 1] > 0.8
