"""Corrected vertebrae -> boxes of slices: the detector's own where it agrees, usual ones where it saw nothing."""

from dataclasses import replace

import numpy as np
import pytest
from blockNeck import blockNeck
from oracleDetector import OracleDetector, sliceDetections

from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Pipeline import detectVertebrae, slicesFor
from CervicalSpineDetectionLib.SliceDetector.Detector import BODY_CLASS
from CervicalSpineDetectionLib.Spine.Boxes import Bounds
from CervicalSpineDetectionLib.Spine.Levels import CERVICAL_LEVELS, levelIndex
from CervicalSpineDetectionLib.Training.Corrections import correctedSlices

PIXELS = 1.5
C4 = levelIndex("C4")


@pytest.fixture(scope="module")
def neck():
    """(CT, what finds all of it, the vertebrae found, its slices, their exact boxes)."""
    ct, labels = blockNeck()
    oracle = OracleDetector(ct, labels)
    result = detectVertebrae(ct, oracle)
    assert [vertebra.level for vertebra in result.vertebrae] == list(CERVICAL_LEVELS)
    return ct, oracle, result.vertebrae, slicesFor(ct, oracle)[1], oracle._boxes


class Blind:
    """Sees nothing."""

    def __init__(self, oracle):
        self.pixelSize, self.sliceSpacing, self.window = oracle.pixelSize, oracle.sliceSpacing, oracle.window

    def detect(self, slices, progress=None):
        return [sliceDetections([]) for _ in slices]


def moved(vertebra, offset):
    offset = np.array(offset, float)
    box = replace(vertebra.orientedBox, centre=vertebra.orientedBox.centre + offset)
    return replace(vertebra, centre=vertebra.centre + offset, orientedBox=box,
                   bounds=Bounds(vertebra.bounds.minimum + offset, vertebra.bounds.maximum + offset))


def of(boxes, kind):
    """Slice -> box of one class."""
    return {index: np.array(box[1:]) for index, ofSlice in enumerate(boxes) for box in ofSlice if box[0] == kind}


def differences(found, expected):
    shared = found.keys() & expected.keys()
    assert len(shared) >= 0.8 * max(len(found), len(expected)) > 0
    return np.array([found[index] - expected[index] for index in shared])


# C1 of the blocks is as narrow as the others, which the detection mends.
@pytest.mark.parametrize("level", CERVICAL_LEVELS[1:])
def test_whatIsConfirmedAsDetectedHasTheDetectorsBoxes(neck, level):
    ct, oracle, vertebrae, _, exact = neck
    _, boxes = correctedSlices(ct, vertebrae, [], oracle)

    assert np.abs(differences(of(boxes, levelIndex(level)), of(exact, levelIndex(level)))).max() < PIXELS


def test_bodiesAreThoseOfTheDetector(neck):
    ct, oracle, vertebrae, _, exact = neck
    _, boxes = correctedSlices(ct, vertebrae[3:4], [], oracle)
    kinds = {box[0] for ofSlice in boxes for box in ofSlice}
    body = of(boxes, BODY_CLASS)
    expected = {index: np.array(box[1:]) for index, ofSlice in enumerate(exact) for previous, box in
                zip(ofSlice, ofSlice[1:], strict=False) if box[0] == BODY_CLASS and previous[0] == C4}

    assert kinds == {C4, BODY_CLASS}
    assert np.abs(differences(body, expected)).max() < PIXELS


def test_aMovedBoxMovesItsSlices(neck):
    ct, oracle, vertebrae, _, exact = neck
    corrected = [moved(vertebra, (4, 3, -5)) if vertebra.level == "C4" else vertebra for vertebra in vertebrae]
    _, boxes = correctedSlices(ct, corrected, [], oracle)
    before = {index + 2: box + [3, 5, 3, 5] for index, box in of(exact, C4).items()}  # slices are 2 mm apart

    assert np.abs(differences(of(boxes, C4), before)).max() < PIXELS


def test_aStretchedBoxStretchesItsSlices(neck):
    ct, oracle, vertebrae, _, exact = neck
    taller = replace(vertebrae[3], bounds=Bounds(vertebrae[3].bounds.minimum - [0, 0, 6], vertebrae[3].bounds.maximum))
    _, boxes = correctedSlices(ct, [taller], [], oracle)
    heights = [box[3] - box[1] for box in of(boxes, C4).values()]
    before = [box[3] - box[1] for box in of(exact, C4).values()]

    assert np.median(heights) == pytest.approx(np.median(before) * 20 / 14, abs=PIXELS)


def test_aRenamedVertebraHasItsNewNameInEverySlice(neck):
    ct, oracle, vertebrae, _, exact = neck
    renamed = [replace(vertebra, level=CERVICAL_LEVELS[index + 1]) for index, vertebra in enumerate(vertebrae[:6])]
    _, boxes = correctedSlices(ct, renamed, [], oracle)

    assert np.abs(differences(of(boxes, C4), of(exact, C4 - 1))).max() < PIXELS
    assert 0 not in {box[0] for ofSlice in boxes for box in ofSlice}


@pytest.mark.parametrize("level", CERVICAL_LEVELS)
def test_whatTheDetectorMissedHasTheBoxesOfAUsualVertebra(neck, level):
    ct, oracle, vertebrae, _, _ = neck
    vertebra = vertebrae[levelIndex(level)]
    _, boxes = correctedSlices(ct, [vertebra], [], Blind(oracle))
    volume, _, _ = slicesFor(ct, oracle)
    corners = volume.fromLps([vertebra.bounds.minimum, vertebra.bounds.maximum])
    first, last = corners.min(axis=0), corners.max(axis=0)
    found = of(boxes, levelIndex(level))
    edges = np.array(list(found.values()))

    assert min(found) == np.ceil(first[0]) and max(found) == np.floor(last[0])
    assert (edges[:, :2] > first[[2, 1]]).all() and (edges[:, 2:] < last[[2, 1]] + 1).all()
    areas = {index: (box[2:] - box[:2]).prod() for index, box in found.items()}
    middle = volume.fromLps(vertebra.centre)
    assert max(areas[min(areas)], areas[max(areas)]) < 0.5 * areas[round(middle[0])]
    (column, row) = (middle[[2, 1]] + 0.5)
    for box in of(boxes, BODY_CLASS).values():
        assert box[1] < row < box[3] and (level == "C1" or box[0] < column < box[2])
    assert len(of(boxes, BODY_CLASS)) == 8 or len(of(boxes, BODY_CLASS)) == 9  # 8 mm to each side


def test_whatNobodyConfirmedIsBlackedOutAndTheRestIsNot(neck):
    ct, oracle, vertebrae, pictures, exact = neck
    shown, boxes = correctedSlices(ct, [v for v in vertebrae if v.level != "C4"], vertebrae[3:4], oracle)

    assert C4 not in {box[0] for ofSlice in boxes for box in ofSlice}
    for index, box in of(exact, C4).items():
        a, b, c, d = box.astype(int)
        assert not shown[index, :, b:d, a:c].any()
    for index, box in of(exact, levelIndex("C2")).items():
        a, b, c, d = box.astype(int)
        np.testing.assert_array_equal(shown[index, :, b:d, a:c], pictures[index, :, b:d, a:c])


def test_whatIsConfirmedStaysVisibleWhereAnUnconfirmedBoxReachesOverIt(neck):
    ct, oracle, vertebrae, pictures, exact = neck
    large = replace(vertebrae[3], bounds=Bounds(vertebrae[3].bounds.minimum - [0, 0, 12], vertebrae[3].bounds.maximum))
    shown, _ = correctedSlices(ct, [v for v in vertebrae if v.level != "C4"], [large], oracle)

    for index, box in of(exact, levelIndex("C5")).items():
        a, b, c, d = box.astype(int)
        np.testing.assert_array_equal(shown[index, :, b:d, a:c], pictures[index, :, b:d, a:c])


def test_whatOnlyTheDetectorSeesIsBlackedOut(neck):
    """A vertebra that a person deleted, or never named."""
    ct, oracle, vertebrae, _, exact = neck
    shown, _ = correctedSlices(ct, vertebrae[:6], [], oracle)

    for index, box in of(exact, levelIndex("C7")).items():
        a, b, c, d = box.astype(int)
        assert not shown[index, :, b:d, a:c].any()


def test_belowAndAboveWhatIsConfirmedIsBlackedOut(neck):
    ct, oracle, vertebrae, pictures, _ = neck
    shown, boxes = correctedSlices(ct, vertebrae[2:4], [], Blind(oracle))
    edges = np.array([box[1:] for ofSlice in boxes for box in ofSlice])

    top, bottom = int(edges[:, 1].min()), int(edges[:, 3].max())

    assert not shown[:, :, : top - 3].any() and not shown[:, :, bottom + 3 :].any()
    np.testing.assert_array_equal(shown[:, :, top:bottom], pictures[:, :, top:bottom])


def test_aMissingLevelIsNotLearnedAsBackground(neck):
    ct, oracle, vertebrae, _, _ = neck

    with pytest.raises(InputError, match="C4 is missing between C3 and C5"):
        correctedSlices(ct, [v for v in vertebrae if v.level != "C4"], [], oracle)
