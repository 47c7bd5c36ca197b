"""The preview picture shows what was found, where it was found, at the scale it tells."""

import numpy as np
import pytest
import SimpleITK as sitk
from PIL import Image
from sceneFixtures import DIRECTIONS, madeImage, madeResult, madeVertebra

from CervicalSpineDetectionLib.Results.CurvedCuts import curvedCuts, pixelSizeFor, shownBounds
from CervicalSpineDetectionLib.Results.PreviewPicture import (
    GAP,
    LIST_LEFT,
    SCALE_BAR_MM,
    VIEW_SIZE,
    previewPicture,
    writePreview,
)
from CervicalSpineDetectionLib.Spine.Vertebra import DetectionResult

SAGITTAL = slice(0, VIEW_SIZE[0])
CORONAL = slice(VIEW_SIZE[0] + GAP, 2 * VIEW_SIZE[0] + GAP)
LIST = slice(LIST_LEFT, None)


def hasColour(picture, colour, tolerance=30):
    """Where a picture has an RGB colour, 0 to 255; shape of its rows and columns."""
    return (np.abs(picture.astype(int) - np.array(colour)) < tolerance).all(axis=-1)


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


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_sagittalHasAnteriorLeftAndCoronalThePatientsRightLeft(direction):
    # Beside the boxes, through the cuts: anterior at y = -60, the patient's right at x = 8 in LPS.
    image = withBlock(madeImage(direction), (20, -62, 496), (40, -56, 504), 2000)
    image = withBlock(image, (6, -55, 496), (11, -40, 504), 2000)

    picture = previewPicture(image, madeResult())

    white = hasColour(picture[50:760], (255, 255, 255), 3)
    # Letters are white too, but thin: only blocks have whole white squares.
    squares = np.lib.stride_tricks.sliding_window_view(white, (9, 9)).all(axis=(2, 3))
    for view in (SAGITTAL, CORONAL):
        columns = np.nonzero(squares[:, view])[1]
        assert len(columns)
        assert columns.max() < VIEW_SIZE[0] / 2


def test_levelsFollowEachOtherFromTopToBottomInAllParts():
    result = madeResult(("C2", "C3", "C4", "C5"))

    picture = previewPicture(madeImage(), result)

    for part in (SAGITTAL, CORONAL, LIST):
        rows = [np.nonzero(hasColour(picture[:844, part], vertebra.level.colour))[0] for vertebra in result.vertebrae]
        assert min(len(found) for found in rows) > 100
        assert np.all(np.diff([found.mean() for found in rows]) > 20)


def bentSpine():
    """An image with a bright rod through the bodies of a spine that bends to the side and backwards."""
    heights = 500 + 16.0 * (2 - np.arange(5))
    middles = [np.array([30 + 0.01 * (z - 500) ** 2, -40 - 0.3 * (z - 500), z]) for z in heights]
    vertebrae = [madeVertebra(level, m, centre=m) for level, m in zip(("C3", "C4", "C5", "C6", "C7"), middles,
                                                                      strict=True)]
    image = madeImage(size=(90, 90, 100))
    for middle in middles:
        image = withBlock(image, middle - 2.5, middle + 2.5, 2000)
    return image, vertebrae


def test_everyBodyLiesInBothCutsOfABentSpine():
    image, vertebrae = bentSpine()
    shown = shownBounds(image, vertebrae)
    pixel = pixelSizeFor(shown, VIEW_SIZE)

    for cut in curvedCuts(image, vertebrae, shown, VIEW_SIZE, pixel):
        assert cut.grey.shape == (VIEW_SIZE[1] // 2, VIEW_SIZE[0] // 2)
        for vertebra in vertebrae:
            column, row = np.round(cut.toPixels(vertebra.centre) / 2).astype(int)
            assert cut.grey[row, column] == 255


@pytest.mark.parametrize("kind", [sitk.sitkUInt16, sitk.sitkUInt8, sitk.sitkInt32, sitk.sitkFloat32])
def test_cutsDoNotDependOnThePixelType(kind):
    """Behind a bright voxel the next one is darker: a difference that unsigned numbers don't have."""
    image, vertebrae = bentSpine()
    image = sitk.Clamp(image, sitk.sitkInt16, 0, 250)
    shown = shownBounds(image, vertebrae)
    cuts, others = (curvedCuts(each, vertebrae, shown, VIEW_SIZE, pixelSizeFor(shown, VIEW_SIZE))
                    for each in (image, sitk.Cast(image, kind)))
    for cut, other in zip(cuts, others, strict=True):
        assert len(np.unique(cut.grey)) > 3 and np.array_equal(cut.grey, other.grey)


def test_distancesInTheCutsAreThoseOfTheScaleBar():
    image, vertebrae = bentSpine()
    picture = previewPicture(image, DetectionResult(vertebrae))
    pixel = pixelSizeFor(shownBounds(image, vertebrae), VIEW_SIZE)

    bar = hasColour(picture[VIEW_SIZE[1] - 18, SAGITTAL], (235, 237, 240), 20)

    assert bar.sum() * pixel == pytest.approx(SCALE_BAR_MM, abs=2 * pixel)
    for cut in curvedCuts(image, vertebrae, shownBounds(image, vertebrae), VIEW_SIZE, pixel):
        upper, lower = (cut.toPixels(vertebrae[i].centre) for i in (0, 4))
        assert (lower - upper)[1] * pixel == pytest.approx(64)
        assert (lower - upper)[0] * pixel == pytest.approx((vertebrae[4].centre - vertebrae[0].centre)[cut.axis])


def test_emptyResultStillShowsTheCt(tmp_path):
    image = withBlock(madeImage(), (20, -50, 490), (40, -30, 510), 2000)

    writePreview(tmp_path / "preview.png", image, DetectionResult([]))

    picture = np.asarray(Image.open(tmp_path / "preview.png"))
    assert picture.shape == (900, 1500, 3)
    for view in (SAGITTAL, CORONAL):
        assert hasColour(picture[50:760, view], (255, 255, 255), 3).sum() > 5000


def test_theThumbnailIsTheSamePictureInSmall(tmp_path):
    writePreview(tmp_path / "preview.png", madeImage(), madeResult(("C4",)), tmp_path / "thumbnail.jpg")

    whole, thumbnail = Image.open(tmp_path / "preview.png"), Image.open(tmp_path / "thumbnail.jpg")
    assert thumbnail.size == (600, 360) and (tmp_path / "thumbnail.jpg").stat().st_size < 100_000
    apart = np.asarray(whole.resize(thumbnail.size), float) - np.asarray(thumbnail, float)
    assert np.sqrt((apart**2).mean()) < 5


def test_uncertainLevelHasABrokenOutlineAndItsReason():
    sure = previewPicture(madeImage(), madeResult(("C4",)))
    doubtful = previewPicture(madeImage(), madeResult(("C4",), doubt="level uncertain"))
    warning = (255, 196, 92)

    assert hasColour(sure, warning).sum() == 0
    assert hasColour(doubtful[844:], warning).sum() > 100  # the sentence below
    assert hasColour(doubtful[:844, LIST], warning).sum() > 50  # the reason beside the level
    colour = madeVertebra("C4").level.colour
    outlines = [hasColour(picture[:844, CORONAL], colour).sum() for picture in (sure, doubtful)]
    assert outlines[1] < 0.75 * outlines[0]


def test_remarksThatDontFitEndWithAnEllipsisInsideThePicture():
    levels = ("C1", "C2", "C3", "C4", "C5", "C6", "C7", "T1", "T2", "T3", "T4")
    result = madeResult(levels, doubt="a long reason, said of every level, which takes some lines of the list " * 3)

    picture = previewPicture(madeImage(size=(60, 60, 170)), result)

    assert hasColour(picture[:844, LIST], (255, 196, 92)).sum() > 1000
    assert not hasColour(picture[844:860, LIST], (255, 196, 92)).any()
