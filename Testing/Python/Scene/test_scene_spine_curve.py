"""Where a missed vertebra stands, and which one stands at a place."""

import numpy as np
import pytest
from sceneFixtures import rotation

from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Scene.SpineCurve import USUAL_PLACE, interpolated, missingLevelAt
from CervicalSpineDetectionLib.Scene.VertebraState import hull
from CervicalSpineDetectionLib.Spine.Boxes import OrientedBox
from CervicalSpineDetectionLib.Spine.Levels import CERVICAL_LEVELS, levelIndex
from CervicalSpineDetectionLib.Spine.Vertebra import Vertebra

RADIUS = 150.0
SCALE = 1.1


def lordotic(level):
    """Vertebra on a circle in the sagittal plane, usual distances of a person one tenth larger than usual."""
    angle = (USUAL_PLACE[levelIndex(level)] - USUAL_PLACE[3]) * SCALE / RADIUS
    centre = RADIUS * np.array([0, 1 - np.cos(angle), -np.sin(angle)])
    axes = rotation((1, 0, 0), np.degrees(angle)).T
    size = np.array([60.0 + levelIndex(level), 50.0, 20.0])
    box = OrientedBox(centre + axes.T @ [0, 15, -3], size, axes)
    return Vertebra(level, 1.0, centre, hull(box), box)


def without(*levels):
    return [lordotic(level) for level in CERVICAL_LEVELS if level not in levels]


def test_fixtureIsTurnedWithItsCurve():
    upper, middle, lower = (lordotic(level) for level in ("C3", "C4", "C5"))
    tangent = upper.centre - lower.centre
    assert middle.orientedBox.axes[2] @ tangent / np.linalg.norm(tangent) > 0.999


@pytest.mark.parametrize("level", ["C2", "C4", "C6"])
def test_missedLevelStandsOnTheCurve(level):
    expected, found = lordotic(level), interpolated(level, without(level))

    # The chord between the neighbours passes 1.3 mm and more beside it.
    assert np.linalg.norm(found.centre - expected.centre) < 1
    np.testing.assert_allclose(found.orientedBox.size, expected.orientedBox.size, atol=0.1)
    np.testing.assert_allclose(found.orientedBox.axes, expected.orientedBox.axes, atol=0.02)
    np.testing.assert_allclose(found.orientedBox.axes @ found.orientedBox.axes.T, np.eye(3), atol=1e-9)
    np.testing.assert_allclose(found.orientedBox.centre, expected.orientedBox.centre, atol=1)
    assert found.inferred


def test_twoMissedLevelsKeepTheirOrderAndDistances():
    others = without("C4", "C5")
    upper, lower = interpolated("C4", others), interpolated("C5", others)

    for found, level in ((upper, "C4"), (lower, "C5")):
        assert np.linalg.norm(found.centre - lordotic(level).centre) < 1.5


@pytest.mark.parametrize("missing, level", [(("C1",), "C1"), (("C7",), "C7")])
def test_levelBeyondTheEndGoesOnAtThePersonsDistance(missing, level):
    found = interpolated(level, without(*missing))

    assert np.linalg.norm(found.centre - lordotic(level).centre) < 4


def test_oneNeighbourIsEnough():
    found = interpolated("C5", [lordotic("C4")])

    np.testing.assert_allclose(found.centre, lordotic("C4").centre - 16.9 * lordotic("C4").orientedBox.axes[2],
                               atol=1)


def test_givenCentreIsTaken():
    found = interpolated("C4", without("C4"), centre=[1, 2, 3])

    np.testing.assert_array_equal(found.centre, [1, 2, 3])
    assert not found.inferred


@pytest.mark.parametrize("level", CERVICAL_LEVELS)
@pytest.mark.parametrize("behind", [0, 30])
def test_levelIsToldByTheHeightAlongTheSpine(level, behind):
    """From the body back to the spinous process."""
    vertebra = lordotic(level)
    place = vertebra.centre + behind * vertebra.orientedBox.axes[1]

    assert missingLevelAt(place, without(level)) == level


def test_placeOfAPresentLevelIsRefused():
    with pytest.raises(InputError, match="C4 is already there"):
        missingLevelAt(lordotic("C4").centre, without("C3"))


def test_placeFarFromTheSpineIsRefused():
    with pytest.raises(InputError, match="No level"):
        missingLevelAt(np.array([0, 0, -600.0]), without("C3"))
