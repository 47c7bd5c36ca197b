"""Sides of vertebrae from coronal slices."""

import numpy as np
import pytest

from CervicalSpineDetectionLib.Fusion import Settings
from CervicalSpineDetectionLib.Fusion.Sides import CoronalLook, sidesSeen, slabBoxes
from CervicalSpineDetectionLib.Fusion.Solid import Solid
from CervicalSpineDetectionLib.Imaging.CoronalSlices import coronalGrid
from CervicalSpineDetectionLib.Imaging.SagittalVolume import emptyGrid
from CervicalSpineDetectionLib.SliceDetector.SecondLook import SharpBoxes

GRID = coronalGrid(emptyGrid((60, 80, 90), np.array([-60.0, -40.0, 70.0]), 1.0, 2.0))


def block(low, high):
    """Points 2 mm apart from right to left, 1 mm else, as sagittal slices give them."""
    points = np.stack(np.meshgrid(*(np.arange(a + step / 2, b, step)
                                    for a, b, step in zip(low, high, (2.0, 1.0, 1.0), strict=True)), indexing="ij"),
                      axis=-1).reshape(-1, 3)
    return Solid(points, np.full(len(points), 2.0), np.array([2.0, 1.0]))


def tShape():
    """Wide in front, from x = -24 to 18, and narrow behind, -4 to 4."""
    parts = block((-24, -10, 0), (18, 2, 12)), block((-4, 2, 0), (4, 20, 12))
    return Solid(np.concatenate([part.points for part in parts]), np.concatenate([part.weights for part in parts]),
                 parts[0].cell)


class Moving:
    """Moves edges by some mm (to the patient's left, up, right, down) and remembers what it was asked."""

    def __init__(self, moves=(0, 0, 0, 0), area=100.0):
        self._moves, self._area = np.array(moves), area

    def __call__(self, asked):
        self.asked = asked
        count = len(asked.chosen)
        return SharpBoxes(asked.boxes[asked.chosen] + self._moves, np.ones((count, 1, 1), bool), np.zeros((count, 2)),
                          np.full(count, self._area**0.5))


def beyond(right, left):
    """Sides that far beyond what the slices show."""
    return pytest.approx([right - Settings.BEYOND_SIDE_SLICES_MM, left + Settings.BEYOND_SIDE_SLICES_MM])


def test_withoutAMoveSidesAreThoseOfTheSolidAndOfATipBetweenTheSlices():
    assert sidesSeen({"C4": tShape()}, CoronalLook(GRID, Moving()))["C4"] == beyond(-24, 18)


def test_rightAndLeftAreMovedEachByItsOwnEdge():
    before = sidesSeen({"C4": tShape()}, CoronalLook(GRID, Moving()))["C4"]
    # Columns run to the right: the first edge is the left side, 1 mm further in, the last the right one, 2 mm out.
    after = sidesSeen({"C4": tShape()}, CoronalLook(GRID, Moving((1, 0, 2, 0))))["C4"]
    assert after - before == pytest.approx([-2, -1])


def test_onlySlicesThatAreNearlyAsWideAsAnyAreAsked():
    look = Moving()
    sidesSeen({"C4": tShape()}, CoronalLook(GRID, look))
    slabs = slabBoxes(tShape(), GRID)
    assert len(slabs.indices) > len(look.asked.chosen) > 0
    assert len(look.asked.boxes) == len(slabs.indices)  # the others are shown beside them
    widths = slabs.boxes[:, 2] - slabs.boxes[:, 0]
    assert widths[look.asked.chosen].min() == pytest.approx(42) and np.delete(widths, look.asked.chosen).max() < 10


class Slipping(Moving):
    """One edge of one slice is far out."""

    def __call__(self, asked):
        found = super().__call__(asked)
        found.boxes[1, 2] += 6
        return found


def test_aSlipInOneSliceCountsForAPartOnly():
    before, after = (sidesSeen({"C4": tShape()}, CoronalLook(GRID, look))["C4"] for look in (Moving(), Slipping()))
    assert before - after == pytest.approx([6 / Settings.SIDE_SLICES, 0])


def test_eachVertebraGetsItsOwnSides():
    solids = {"C4": block((-20, -10, 20), (20, 5, 32)), "C5": block((-26, -10, 0), (22, 5, 12))}
    found = sidesSeen(solids, CoronalLook(GRID, Moving()))
    assert found["C4"] == beyond(-20, 20) and found["C5"] == beyond(-26, 22)


def test_whatTheCoronalSlicesHardlyShowHasNoSides():
    assert sidesSeen({"C4": tShape()}, CoronalLook(GRID, Moving(area=Settings.LEAST_SHOWN_MM2 / 2))) == {}
    assert sidesSeen({"C4": block((0, 0, 0), (2, 1, 1))}, CoronalLook(GRID, Moving())) == {}
