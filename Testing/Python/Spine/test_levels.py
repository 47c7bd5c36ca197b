"""One enum for names, order, numbers, colours and codes of levels."""

import json

import numpy as np
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


# What is seen without one kind of cones, of linear RGB: Machado et al. 2009, IEEE TVCG 15(6):1291-1298, severity 1.
VISIONS = {
    "normal": np.eye(3),
    "withoutRed": np.array([[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
                            [-0.003882, -0.048116, 1.051998]]),
    "withoutGreen": np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
                              [-0.011820, 0.042940, 0.968881]]),
    "withoutBlue": np.array([[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
                             [0.004733, 0.691367, 0.303900]]),
}


def labColours(vision):
    """CIE Lab (D65) of the levels' colours as somebody sees them, shape (11, 3)."""
    gamma = np.array([level.colour for level in LEVELS]) / 255
    linear = np.where(gamma <= 0.04045, gamma / 12.92, ((gamma + 0.055) / 1.055) ** 2.4)
    toXyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = np.clip(linear @ vision.T, 0, 1) @ toXyz.T / [0.9505, 1, 1.089]
    x, y, z = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116).T
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=1)


@pytest.mark.parametrize("vision", VISIONS)
def test_coloursDifferForEveryKindOfColourVision(vision):
    colours = labColours(VISIONS[vision])
    distances = np.linalg.norm(colours[:, None] - colours, axis=2)

    # Two patches side by side are told apart at a glance from about 10 on.
    assert distances[np.triu_indices(len(LEVELS), 1)].min() > 10
    assert np.diagonal(distances, 1).min() > 25


def test_neighboursDifferInGreyAndAllAreSeenOnBlack():
    lightness = labColours(np.eye(3))[:, 0]

    assert np.abs(np.diff(lightness)).min() > 15
    assert lightness.min() > 50


def test_theModelOfDistancesCoversTheLevels():
    assert len(SPACING_MM) == len(SPINE_LEVELS) - 1 and len(WIDTH_MM) == len(LEVELS)
    assert DISTANCE_MM[1, 3] == pytest.approx(SPACING_MM[1] + SPACING_MM[2]) and DISTANCE_MM[3, 1] == 0


def test_distancesAreExpectedInThePersonsScale():
    found = 0.9 * SPACING_MM[1:6]
    found[2] *= 1.5
    assert expectedDistances(range(1, 7), found) == pytest.approx(0.9 * SPACING_MM[1:6])
