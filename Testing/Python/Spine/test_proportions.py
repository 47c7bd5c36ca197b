"""The sizes of vertebrae tell a misstated spacing from a person, as far as people are alike."""

from dataclasses import replace

import numpy as np
import pytest

from CervicalSpineDetectionLib.Spine import Proportions
from CervicalSpineDetectionLib.Spine.Boxes import Bounds, OrientedBox
from CervicalSpineDetectionLib.Spine.Levels import CERVICAL_LEVELS
from CervicalSpineDetectionLib.Spine.Morphometry import DEPTH_MM, DISTANCE_MM, WIDTH_MM
from CervicalSpineDetectionLib.Spine.Proportions import proportionsOf
from CervicalSpineDetectionLib.Spine.Vertebra import Vertebra


def neck(width=1.0, depth=1.0, height=1.0, count=7, **options):
    """A usual adult's vertebrae, scaled along each axis."""
    usual = np.array([Proportions.USUAL_WIDTH, Proportions.USUAL_DEPTH, Proportions.USUAL_HEIGHT])
    scale = usual * [width, depth, height]
    centres = [scale * [0, 0, -DISTANCE_MM[0, order]] for order in range(count)]
    sizes = [scale * [WIDTH_MM[order], DEPTH_MM[order], 30] for order in range(count)]
    bounds = [Bounds(centre - size / 2, centre + size / 2) for centre, size in zip(centres, sizes, strict=True)]
    return [Vertebra(level, 1.0, centre, box, OrientedBox(centre, box.size, np.eye(3)), **options)
            for level, centre, box in zip(CERVICAL_LEVELS, centres, bounds, strict=False)]


@pytest.mark.parametrize("size", [0.85, 1.0, 1.15])
def test_peopleAreOfDifferentSizes(size):
    found = proportionsOf(neck(size, size, size))

    assert (found.width, found.depth, found.height) == pytest.approx((size, size, size))
    assert found.doubt == ""


@pytest.mark.shows("Mended", "spacing misstated by 0.7 or less, 1.5 or more",
                   "examined as stated; a note tells the size of the vertebrae")
@pytest.mark.parametrize(("size", "told"), [
    (0.5, "measure 50 % of an adult's usual size"), (0.7, "unless the patient is a child"),
    (1.5, "measure 150 %"), (2.0, "unless the patient is very large"),
])
def test_whatIsSmallerOrLargerThanPeopleIsTold(size, told):
    assert told in proportionsOf(neck(size, size, size)).doubt


@pytest.mark.shows("Mended", "spacing misstated by 0.7 or less, 1.5 or more")
@pytest.mark.parametrize("factor", [0.5, 0.7, 1.5, 2.0])
@pytest.mark.parametrize("axis", ["depth", "height"])
@pytest.mark.parametrize("size", [0.9, 1.0, 1.1])
def test_oneAxisThatDoesNotFitTheOthersIsTold(factor, axis, size):
    sizes = dict.fromkeys(("width", "depth", "height"), size)
    told = proportionsOf(neck(**{**sizes, axis: factor * size})).doubt

    assert "check the voxel spacing of each axis" in told and f"{100 * factor * size:.0f} % " in told


@pytest.mark.parametrize(("factor", "isTold"), [(0.5, True), (0.85, False), (1.2, False), (2.0, True)])
def test_widthsAreSeenLessWell(factor, isTold):
    assert bool(proportionsOf(neck(width=factor)).doubt) == isTold


def test_oneOddVertebraIsNoOddPerson():
    vertebrae = neck()
    box = vertebrae[3].bounds
    vertebrae[3] = replace(vertebrae[3], orientedBox=OrientedBox(box.centre, box.size * 3, np.eye(3)))

    assert proportionsOf(vertebrae).doubt == ""


@pytest.mark.parametrize("vertebrae", [[], neck(count=3), neck(complete=False), neck(inferred=True)])
def test_tooFewVertebraeTellNothing(vertebrae):
    assert proportionsOf(vertebrae) is None
