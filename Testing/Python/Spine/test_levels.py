"""One enum for names, order, numbers, colours and codes of levels."""

import json

import pytest

from CervicalSpineDetectionLib.Spine.Levels import CERVICAL_LEVELS, LEVELS, SPINE_LEVELS, Level, levelOfCode
from CervicalSpineDetectionLib.Spine.Morphometry import DISTANCE_MM, SPACING_MM, WIDTH_MM, expectedDistances


def test_aLevelIsItsName():
    assert Level.C3 == "C3" and f"{Level.C3} and {Level.T10:>4}" == "C3 and  T10" and str(Level.L5) == "L5"
    assert repr([Level.C1]) == "['C1']"
    assert json.dumps({Level.C1: [Level.C2]}) == '{"C1": ["C2"]}'
    assert {"C4": 1}[Level.C4] == 1 and Level("C7") is Level.C7


def test_levelsRiseFromHeadToFoot():
    assert [level.order for level in SPINE_LEVELS] == list(range(24))
    assert [level.code for level in (Level.C1, Level.C7, Level.T1, Level.T12, Level.L1)] == [1, 7, 8, 19, 20]
    assert [levelOfCode(level.code) for level in SPINE_LEVELS] == list(SPINE_LEVELS)
    assert CERVICAL_LEVELS == LEVELS[:7] and LEVELS[-1] is Level.T4


@pytest.mark.parametrize("code", [0, -1, 25])
def test_otherNumbersAreNoLevels(code):
    with pytest.raises(IndexError):
        levelOfCode(code)


def test_whatIsNoLevelIsRefused():
    with pytest.raises(ValueError):
        Level("C8")


def test_everyLevelOfResultsHasItsOwnColourAndCode():
    assert len({level.colour for level in LEVELS}) == len({level.snomedCode for level in LEVELS}) == len(LEVELS)


def test_theModelOfDistancesCoversTheLevels():
    assert len(SPACING_MM) == len(SPINE_LEVELS) - 1 and len(WIDTH_MM) == len(LEVELS)
    assert DISTANCE_MM[1, 3] == pytest.approx(SPACING_MM[1] + SPACING_MM[2]) and DISTANCE_MM[3, 1] == 0


def test_distancesAreExpectedInThePersonsScale():
    found = 0.9 * SPACING_MM[1:6]
    found[2] *= 1.5
    assert expectedDistances(range(1, 7), found) == pytest.approx(0.9 * SPACING_MM[1:6])
