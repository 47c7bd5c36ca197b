"""The preview shows what was found, where it was found."""

import numpy as np
import pytest
import SimpleITK as sitk
from PIL import Image

pytest.importorskip("slicer", reason="needs slicer-core")

from sceneFixtures import DIRECTIONS, madeImage, madeResult, madeVertebra

from CervicalSpineDetectionLib.Scene.HeadlessScene import headlessScene
from CervicalSpineDetectionLib.Scene.Levels import levelColour
from CervicalSpineDetectionLib.Scene.OffscreenViews import SliceView, ThreeDView
from CervicalSpineDetectionLib.Scene.Preview import VIEW_SIZE, previewPicture, slicePlanes, writePreview
from CervicalSpineDetectionLib.Scene.VertebraNodes import addVertebrae
from CervicalSpineDetectionLib.Scene.VertebraState import boxCorners
from CervicalSpineDetectionLib.Scene.VolumeNodes import volumeNodeFromImage
from CervicalSpineDetectionLib.Spine.Vertebra import DetectionResult

SAGITTAL = slice(0, VIEW_SIZE[0])
CORONAL = slice(VIEW_SIZE[0] + 3, 2 * VIEW_SIZE[0] + 3)
THREE_D = slice(2 * VIEW_SIZE[0] + 6, 1500)


def hasColour(picture, colour, tolerance=30):
    """Where a picture has a colour, shape of its rows and columns."""
    return (np.abs(picture.astype(int) - 255 * np.array(colour)) < tolerance).all(axis=-1)


def withBlock(image, lower, upper, value):
    """The image with a value between two LPS corners."""
    lower, upper = np.array(lower, float), np.array(upper, float)
    grid = np.stack(np.meshgrid(*[np.arange(n) for n in image.GetSize()], indexing="ij"), axis=-1)
    direction = np.reshape(image.GetDirection(), (3, 3))
    places = grid * np.array(image.GetSpacing()) @ direction.T + image.GetOrigin()
    inside = ((places >= lower) & (places <= upper)).all(axis=-1)
    voxels = sitk.GetArrayFromImage(image)
    voxels[inside.transpose()] = value
    made = sitk.GetImageFromArray(voxels)
    made.CopyInformation(image)
    return made


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


def test_threeDViewShowsAllOfEveryBox():
    result = madeResult()
    corners = np.concatenate([boxCorners(vertebra.orientedBox) for vertebra in result.vertebrae]) * [-1, -1, 1]
    with headlessScene() as (scene, applicationLogic):
        addVertebrae(scene, result)
        view = ThreeDView(scene, applicationLogic, "1", (400, 300), (0, 0, 0))
        view.look(corners, (0, 1, 0), up=(0, 0, 1))
        picture = view.picture()

    # From the front, patient's right on the left, all fits with a little room: up and down is what limits.
    scale = 300 / (1.1 * np.ptp(corners[:, 2]))
    middle = (corners.min(axis=0) + corners.max(axis=0)) / 2
    for vertebra in result.vertebrae:
        coloured = np.argwhere(hasColour(picture, levelColour(vertebra.level)))
        for corner in boxCorners(vertebra.orientedBox) * [-1, -1, 1]:
            row, column = 150 - (corner - middle)[2] * scale, 200 - (corner - middle)[0] * scale
            assert np.linalg.norm(coloured - [row, column], axis=1).min() < 4


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_sagittalHasAnteriorLeftAndCoronalThePatientsRightLeft(direction):
    image = madeImage(direction)
    result = madeResult()
    # Beside the boxes, through the planes: anterior at y = -60, the patient's right at x = 8 in LPS.
    image = withBlock(image, (20, -62, 496), (40, -56, 504), 2000)
    image = withBlock(image, (6, -55, 496), (11, -40, 504), 2000)

    picture = previewPicture(image, result)

    white = hasColour(picture[50:830], (1, 1, 1), 3)
    # Letters and names are white too, but thin: only blocks have whole white squares.
    squares = np.lib.stride_tricks.sliding_window_view(white, (9, 9)).all(axis=(2, 3))
    for view, below in ((SAGITTAL, VIEW_SIZE[0] / 2), (CORONAL, VIEW_SIZE[0] / 2)):
        columns = np.nonzero(squares[:, view])[1]
        assert len(columns)
        assert columns.max() < below


def test_levelsFollowEachOtherFromTopToBottomInAllViews():
    result = madeResult(("C2", "C3", "C4", "C5"))

    picture = previewPicture(madeImage(), result)

    for view in (SAGITTAL, CORONAL, THREE_D):
        rows = [
            np.nonzero(hasColour(picture[:844, view], levelColour(vertebra.level)))[0] for vertebra in result.vertebrae
        ]
        assert min(len(found) for found in rows) > 100
        assert np.all(np.diff([found.mean() for found in rows]) > 20)


def test_boneIsShownBetweenTheBoxesEdges():
    image = withBlock(madeImage(), (24, -50, 480), (36, -38, 520), 900)
    ivory = (0.88, 0.85, 0.77)

    withBone = hasColour(previewPicture(image, madeResult())[:844, THREE_D], ivory, 60).sum()
    without = hasColour(previewPicture(madeImage(), madeResult())[:844, THREE_D], ivory, 60).sum()

    assert withBone > without + 2000


def test_planesPassThroughATiltedSpinesBodies():
    centres = [np.array([30 + 0.3 * down, -40 - 0.4 * down, 500 - down]) for down in (0, 15, 30, 45)]
    vertebrae = [madeVertebra(level, c, centre=c) for level, c in zip(("C3", "C4", "C5", "C6"), centres, strict=True)]

    for plane in slicePlanes(vertebrae, np.array([-60.0, 0, 0, 80, 400, 520])):
        distances = [(centre * [-1, -1, 1] - plane[:3, 3]) @ plane[:3, 2] for centre in centres]
        np.testing.assert_allclose(distances, 0, atol=1e-9)
        np.testing.assert_allclose(plane[:3, :3].T @ plane[:3, :3], np.eye(3), atol=1e-9)
        assert np.linalg.det(plane) == pytest.approx(1)
        assert plane[2, 1] > 0.8


def test_emptyResultStillShowsTheCt(tmp_path):
    image = withBlock(madeImage(), (20, -50, 490), (40, -30, 510), 2000)

    writePreview(tmp_path / "preview.png", image, DetectionResult([]))

    picture = np.asarray(Image.open(tmp_path / "preview.png"))
    assert picture.shape == (900, 1500, 3)
    for view in (SAGITTAL, CORONAL):
        assert hasColour(picture[50:830, view], (1, 1, 1), 3).sum() > 5000


def test_uncertainLevelIsMarkedInTheCaption():
    sure = previewPicture(madeImage(), madeResult(("C4",)))[844:]
    doubtful = previewPicture(madeImage(), madeResult(("C4",), doubt="level uncertain"))[844:]

    colour = levelColour("C4")
    assert hasColour(doubtful, colour).sum() > hasColour(sure, colour).sum()


def test_everyNameIsReadableAlsoOfABentSpine():
    levels = ("C1", "C2", "C3", "C4", "C5", "C6", "C7", "T1", "T2", "T3", "T4")
    heights = 13.0 * (5 - np.arange(11))
    vertebrae = [
        madeVertebra(level, (30 + 0.003 * z**2, -40 - 0.003 * z**2, 500 + z))
        for level, z in zip(levels, heights, strict=True)
    ]

    picture = previewPicture(madeImage(size=(60, 60, 170)), DetectionResult(vertebrae))

    for view in (SAGITTAL, CORONAL):
        # Without the letters of the sides.
        names = hasColour(picture[50:830, view][:, 40:-40], (1, 1, 1), 60)
        runs = np.count_nonzero(np.diff(names.any(axis=1).astype(int)) == 1)
        # A name and its point a level, with a gap between the levels.
        assert runs >= len(levels)
