"""What a slice shows, told from the slices to both sides of it."""

import numpy as np
import pytest

from CervicalSpineDetectionLib.SliceDetector.Detector import SliceDetections
from CervicalSpineDetectionLib.SliceDetector.SlicesBetween import between

LEVELS = 12


def slice_(boxes=(), levels=(), score=0.8, bodies=()):
    scores = np.zeros((len(boxes), LEVELS))
    scores[np.arange(len(boxes)), list(levels)] = score
    return SliceDetections(np.reshape(boxes, (-1, 4)).astype(float), scores,
                           np.reshape(bodies, (-1, 4)).astype(float), np.full(len(bodies), score))


def test_aBoxOfBothStandsInTheMiddle():
    found = between(slice_([(10, 10, 50, 30)], [3], 0.8), slice_([(14, 12, 50, 34)], [3], 0.4))
    assert found.boxes.tolist() == [[12, 11, 50, 32]] and found.scores[0, 3] == pytest.approx(0.6)


def test_neighboursAreNotMixed():
    upper, lower = (10, 10, 50, 34), (10, 30, 50, 54)
    found = between(slice_([upper, lower], [2, 3]), slice_([lower, upper], [3, 2]))
    assert found.boxes.tolist() == [[*upper], [*lower]] and found.scores.argmax(axis=1).tolist() == [2, 3]


def test_whatOneSliceAloneShowsCountsByHalf():
    found = between(slice_([(10, 10, 50, 30)], [3], 0.8), slice_())
    assert found.boxes.tolist() == [[10, 10, 50, 30]] and found.scores[0, 3] == pytest.approx(0.4)
    found = between(slice_(), slice_([(10, 10, 50, 30)], [3], 0.8))
    assert found.boxes.tolist() == [[10, 10, 50, 30]]


def test_halfOfAFaintSightingIsNone():
    assert not len(between(slice_([(10, 10, 50, 30)], [3], 0.08), slice_()).boxes)


def test_evidenceIsThatOfTheSlicesToBothSides():
    """A vertebra's scores add up to what they would be where each slice was looked at."""
    one, other = slice_([(10, 10, 50, 30), (10, 40, 50, 60)], [2, 3], 0.9), slice_([(12, 10, 50, 30)], [2], 0.5)
    assert between(one, other).scores.sum() == pytest.approx((one.scores.sum() + other.scores.sum()) / 2)


def test_bodiesAreKeptApartFromVertebrae():
    found = between(slice_([(10, 10, 50, 30)], [3], bodies=[(10, 10, 26, 26)]), slice_(bodies=[(12, 10, 26, 26)]))
    assert found.bodyBoxes.tolist() == [[11, 10, 26, 26]] and found.bodyScores.tolist() == [0.8]
    assert len(found.boxes) == 1


def test_twoEmptySlicesHoldNothingBetweenThem():
    found = between(slice_(), slice_())
    assert found.boxes.shape == (0, 4) and found.scores.shape == (0, LEVELS) and found.bodyScores.shape == (0,)
