"""Figures of boxes along the vertebrae's own axes, on a made label map."""

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk

from CervicalSpineDetectionLib.Evaluation.Metrics import Reference
from CervicalSpineDetectionLib.Evaluation.OrientedBoxMetrics import orientedBoxFigures, scoreOrientedBoxes
from CervicalSpineDetectionLib.Spine.Boxes import Bounds, OrientedBox
from CervicalSpineDetectionLib.Spine.Levels import Level
from CervicalSpineDetectionLib.Spine.Vertebra import Vertebra

CENTRE, HALF = np.array([20.0, 22.0, 24.0]), np.array([12.0, 10.0, 7.0])
LEAN = np.deg2rad(10)
AXES = np.array([[1, 0, 0], [0, np.cos(LEAN), np.sin(LEAN)], [0, -np.sin(LEAN), np.cos(LEAN)]])


@pytest.fixture(scope="module")
def labels():
    """A block of C4 that leans forward by 10 degrees, on a grid of 0.5 mm."""
    places = np.stack(np.meshgrid(*[np.arange(n) * 0.5 for n in (96, 88, 80)], indexing="ij"), axis=-1)  # z, y, x
    own = (places[..., ::-1] - CENTRE) @ AXES.T
    image = sitk.GetImageFromArray(((np.abs(own) <= HALF).all(axis=-1) * Level.C4.code).astype(np.uint8))
    image.SetSpacing([0.5] * 3)
    return image


def found(scale=1.0, **changes):
    box = OrientedBox(CENTRE, 2 * HALF * scale, AXES)
    return replace(Vertebra(Level.C4, 1.0, CENTRE, Bounds(CENTRE - HALF, CENTRE + HALF), box), **changes)


REFERENCES = {"C4": Reference(CENTRE, Bounds(CENTRE - HALF, CENTRE + HALF))}


def test_aBoxAsLargeAsTheVertebraHoldsItAndIsNearlyAsTightAsCanBe(labels):
    [score] = scoreOrientedBoxes([found()], REFERENCES, labels)
    assert score.held > 0.97 and 1 <= score.volumeRatio < 1.2
    assert score.leanError == pytest.approx(0, abs=1)


def test_aBoxTwiceAsLargeIsToldSoAndASmallerOneHoldsLess(labels):
    large, small = (scoreOrientedBoxes([found(scale)], REFERENCES, labels)[0] for scale in (2.0, 0.8))
    assert large.held == 1 and large.volumeRatio > 8
    assert small.held == pytest.approx(0.8**3, abs=0.05) and small.volumeRatio < 0.7


@pytest.mark.parametrize("vertebra", [
    found(complete=False), found(inferred=True), found(level=Level.C5), found(centre=CENTRE + [0, 0, 9.0]),
])
def test_whatIsNotWhollySeenInItsPlaceIsNotScored(vertebra, labels):
    assert scoreOrientedBoxes([vertebra], REFERENCES, labels) == []


def test_figuresAreOverAllVertebrae(labels):
    first, second = (scoreOrientedBoxes([found(scale)], REFERENCES, labels) for scale in (1.0, 0.8))
    figures = orientedBoxFigures([first, second, []])
    assert figures["vertebrae"] == 2
    assert figures["heldMean"] == pytest.approx((first[0].held + second[0].held) / 2)
    assert figures["volumeRatioMedian"] == pytest.approx((first[0].volumeRatio + second[0].volumeRatio) / 2)
    assert np.isnan(orientedBoxFigures([])["heldMean"])
