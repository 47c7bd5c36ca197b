import numpy as np
import pytest

from CervicalSpineDetectionLib.Fusion.BodySpacing import evenedCentres, inLine
from CervicalSpineDetectionLib.Fusion.Settings import SEEN_MM, SETTLED_MM, UNSEEN_MM
from CervicalSpineDetectionLib.Spine.Morphometry import SPACING_MM

LEVELS = range(1, 8)  # C2 to T1


def centres(scale=1.0):
    """As far from each other as they usually are, on a slanted line."""
    heights = np.concatenate([[0], np.cumsum(SPACING_MM[1:7])]) * scale
    return heights[:, None] * np.array([0, -0.6, -0.8])


@pytest.mark.parametrize("scale", [0.8, 1.2])
def test_usualDistancesStayWhateverThePersonsSize(scale):
    moved, moves = evenedCentres(LEVELS, centres(scale), np.full(7, SEEN_MM))
    assert np.allclose(moved, centres(scale)) and np.allclose(moves, 0)


def test_aBodyTakenForAPartOfItsNeighbourIsMovedBackAndTold():
    wrong = centres()
    wrong[3] -= 8 * np.array([0, -0.6, -0.8])
    moved, moves = evenedCentres(LEVELS, wrong, np.full(7, SEEN_MM))
    assert np.linalg.norm(moved[3] - centres()[3]) < 4.5
    assert moves.argmax() == 3 and moves[3] > 3
    assert np.linalg.norm(moved - centres(), axis=1).sum() < 8


def test_whatAPersonPlacedIsNotMoved():
    wrong = centres()
    wrong[3] -= 8 * np.array([0, -0.6, -0.8])
    moved, moves = evenedCentres(LEVELS, wrong, np.where(np.arange(7) == 3, SETTLED_MM, SEEN_MM))
    assert np.allclose(moved[3], wrong[3], atol=0.01) and moves[3] < 0.01


def test_whatWasNotSeenDoesNotPullItsNeighbour():
    wrong = centres()
    wrong[6] -= 12 * np.array([0, -0.6, -0.8])
    exactness = np.where(np.arange(7) == 6, UNSEEN_MM, SEEN_MM)
    assert evenedCentres(LEVELS, wrong, exactness)[1][5] < 1
    assert evenedCentres(LEVELS, wrong, np.full(7, SEEN_MM))[1][5] > 2


def test_aGapInTheLevelsIsNoCrowding():
    used = [0, 1, 2, 4, 5, 6]
    assert np.allclose(evenedCentres([LEVELS[i] for i in used], centres()[used], np.full(6, SEEN_MM))[1], 0)


def test_threeBodiesAreTooFewToTell():
    crowded = centres()[[0, 1, 1]] + [[0, 0, 0], [0, 0, 0], [0, 0, -5]]
    assert np.allclose(evenedCentres([1, 2, 3], crowded, np.full(3, SEEN_MM))[0], crowded)


def test_aGuessedBodyIsPutOntoTheLineOfThoseSeenAboveAndBelow():
    places = np.array([[0, 0, 40.0], [2, 4, 20], [30, 30, 10], [4, 8, 0], [30, 30, -20]])
    seen = np.array([True, True, False, True, False])
    moved = inLine(places, seen, ~seen)
    assert moved[2].tolist() == [3, 6, 10]
    assert np.array_equal(moved[[0, 1, 3, 4]], places[[0, 1, 3, 4]])  # the last has none below


def test_whereNoBodyWasSeenGuessesStay():
    places = np.array([[0, 0, 40.0], [30, 30, 10]])
    assert np.array_equal(inLine(places, np.zeros(2, bool), np.ones(2, bool)), places)
    assert inLine(np.empty((0, 3)), np.empty(0, bool), np.empty(0, bool)).shape == (0, 3)
