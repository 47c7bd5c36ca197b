"""The chart along the spine says what is sure, and which distance is not that of this spine."""

import pytest

pytest.importorskip("slicer", reason="needs slicer-core")

from sceneFixtures import madeVertebra

from CervicalSpineDetectionLib.Scene.SpineChart import chartOf
from CervicalSpineDetectionLib.Scene.VertebraState import stateOf
from CervicalSpineDetectionLib.Spine.Levels import LEVELS
from CervicalSpineDetectionLib.Spine.Morphometry import SPACING_MM


def statesOf(levels, gaps, **changes):
    """Vertebrae one below the other, with such distances of their centers in mm."""
    height, states = 500.0, []
    for level, gap in zip(levels, [*gaps, 0], strict=True):
        states.append(stateOf(madeVertebra(level, centre=(30.0, -48.0, height), **changes)))
        height -= gap
    return states


def test_usualDistancesOfASmallPersonAreNoCauseForAlarm():
    levels = LEVELS[1:7]
    chart = chartOf(statesOf(levels, 0.75 * SPACING_MM[1:6]))

    assert [entry.level for entry in chart] == list(levels)
    assert [entry.distance for entry in chart[:-1]] == pytest.approx(0.75 * SPACING_MM[1:6])
    assert not any(entry.unusual or entry.doubtful for entry in chart)
    assert {entry.confidence for entry in chart} == {0.9} and chart[-1].distance is None


def test_theOneDistanceThatDoesNotFitIsFound():
    gaps = SPACING_MM[1:6].copy()
    gaps[2] *= 2

    chart = chartOf(statesOf(LEVELS[1:7], gaps))

    assert [entry.level for entry in chart if entry.unusual] == ["C4"]


def test_doubtfulAndInsertedLevelsAreTold():
    (doubtful,) = chartOf(statesOf(["C4"], [], doubt="level uncertain"))
    (inserted,) = chartOf([stateOf(madeVertebra("C4"), detected=False)])

    assert doubtful.doubtful and doubtful.distance is None
    assert inserted.confidence is None


def test_nothingGivesNothing():
    assert chartOf([]) == []
