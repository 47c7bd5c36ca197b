"""Faces from a second look: where a vertebra ends across the slices, and its box along its own axes."""

import numpy as np
import pytest

from CervicalSpineDetectionLib.Fusion import Settings
from CervicalSpineDetectionLib.Fusion.Candidates import Candidate
from CervicalSpineDetectionLib.Fusion.Edges import secondSightings, sidesFrom
from CervicalSpineDetectionLib.Fusion.Fuse import FusionResult
from CervicalSpineDetectionLib.Fusion.Placement import NamedCandidate
from CervicalSpineDetectionLib.Fusion.Solid import Solid, boxAround
from CervicalSpineDetectionLib.Fusion.Tracks import Track
from CervicalSpineDetectionLib.Imaging.SagittalVolume import SagittalVolume
from CervicalSpineDetectionLib.SliceDetector.SecondLook import SharpBoxes
from CervicalSpineDetectionLib.Spine.Boxes import OrientedBox
from CervicalSpineDetectionLib.Spine.Levels import Level

LEAST = Settings.VANISHING_AREA_MM2
PLACES = np.arange(0.0, 14.0, 2.0)
TURN = np.array([[1, 0, 0], [0, 0.8, 0.6], [0, -0.6, 0.8]])
CELL = np.array([1.0, 1.0])
BOX = OrientedBox(np.array([5.0, 6, 7]), np.array([10.0, 10, 10]), TURN)


def test_aVertebraEndsBehindTheOutermostSlicesThatShowIt():
    areas = np.array([0, LEAST / 2, 2 * LEAST, np.inf, 400, LEAST, 0])
    assert sidesFrom(PLACES, areas, 2.0) == pytest.approx([3, 11])


def test_aSliceWithoutItInItsMiddleDoesNotEndIt():
    assert sidesFrom(PLACES, np.array([300, 0, 0, 400, 100, 0, 300.0]), 2.0) == pytest.approx([-1, 13])


def test_oneOfWhichNothingIsSeenHasNoSidesOfItsOwn():
    assert sidesFrom(PLACES, np.zeros(7), 2.0) is None


def test_aTracksSidesAreThoseItWasGiven():
    boxes = np.tile([10.0, 20, 50, 40], (5, 1))
    track = Track(np.arange(3, 8), boxes, np.full((5, 12), 0.5), 2.0)
    assert [edge[0] for edge in track.extent()] == [5, 15]
    given = Track(np.arange(3, 8), boxes, np.full((5, 12), 0.5), 2.0, np.array([6.5, 12.0]))
    assert [edge[0] for edge in given.extent()] == [6.5, 12.0]
    assert [edge.tolist()[1:] for edge in given.extent()] == [edge.tolist()[1:] for edge in track.extent()]


def block():
    """20 x 30 x 14 mm along the axes of ``BOX``, around (1, 2, 3)."""
    inside = np.stack(np.meshgrid(np.arange(-10, 11), np.arange(-15, 16), np.arange(-7, 8), indexing="ij"), axis=-1)
    return inside.reshape(-1, 3) @ TURN + [1, 2, 3]


def test_aSolidsBoxIsAsLargeAsItWithoutItsSpecks():
    points = block()
    speck = points.mean(axis=0) + TURN[2] * 60
    solid = Solid(np.concatenate([points, np.tile(speck, (20, 1))]), np.full(len(points) + 20, 1.0), CELL)
    box = boxAround(solid, BOX, specks=0.005, margin=0.5)
    assert box.size == pytest.approx([21, 31, 15], abs=1.1) and box.centre == pytest.approx([1, 2, 3], abs=0.6)
    assert box.axes is BOX.axes


def test_whatIsTooSmallToTellKeepsTheBoxItHad():
    assert boxAround(Solid(block()[:50], np.full(50, 1.0), CELL), BOX) is BOX


def tubeOf(level, rows, depth=(10, 50)):
    """A named track of 13 slices."""
    boxes = np.array([[depth[0] + abs(index - 6), rows[0], depth[1], rows[1]] for index in range(13)], float)
    scores = np.zeros((13, 12))
    scores[:, level.order] = 0.9
    return NamedCandidate(Candidate(Track(np.arange(4, 17), boxes, scores, 2.0), None), level, 0.99)


def fusedOf(*links):
    return FusionResult([], list(links), [], [], [], [], None)


def test_onlyCervicalVertebraeAreLookedAtAgainAndAllStandBeside():
    asked = []

    def look(boxes):
        asked.append(boxes)
        count = len(boxes.chosen)
        return SharpBoxes(boxes.boxes[boxes.chosen] + 1, np.ones((count, 2, 3), bool), np.zeros((count, 2)),
                          np.full(count, 2.0))

    seen = secondSightings(fusedOf(tubeOf(Level.C7, (20, 40)), tubeOf(Level("T1"), (40, 60))), look)
    assert [one.link.level for one in seen] == [Level.C7]
    assert len(asked[0].indices) == 26 and set(asked[0].chosen) <= set(range(13)) and not asked[0].isBody.any()
    moved, before = seen[0].track.boxes, seen[0].link.candidate.track.boxes
    assert np.array_equal(moved, before + seen[0].tells[:, None])


@pytest.mark.parametrize("count", [1, 2, 3])
def test_aVertebraSeenInASliceOrTwoIsLookedAtInThese(count):
    """The slices that have to agree are three: more than there are."""
    whole = tubeOf(Level.C5, (20, 40))
    short = NamedCandidate(Candidate(whole.candidate.track.part(slice(count)), None), Level.C5, 0.5)
    others = tubeOf(Level.C6, (40, 60))
    seen = secondSightings(fusedOf(short, others), lambda asked: SharpBoxes(
        asked.boxes[asked.chosen] + [1, 0, 0, 0], np.ones((len(asked.chosen), 2, 3), bool),
        np.zeros((len(asked.isBody), 2))[asked.chosen], np.ones(len(asked.chosen))))
    assert seen[0].tells.tolist() == [True] * count and len(seen[1].tells) == 13
    assert seen[0].track.boxes[:, 0] == pytest.approx(whole.candidate.track.boxes[:count, 0] + 1)


def test_facesAndEndsAreLookedAtInEverySliceAndSomeOfTheRest():
    link = tubeOf(Level.C5, (20, 40))
    boxes = link.candidate.track.boxes
    boxes[:, 1] += 5 * (np.arange(13) != 6)  # highest in the middle slice
    boxes[:, 3] -= 5 * (np.arange(13) != 6)
    boxes[:, 2] -= 5 * (np.arange(13) != 6)
    seen = secondSightings(fusedOf(link), lambda asked: SharpBoxes(
        asked.boxes[asked.chosen], np.ones((len(asked.chosen), 2, 3), bool), np.zeros((len(asked.chosen), 2)),
        np.ones(len(asked.chosen))))
    assert np.flatnonzero(seen[0].tells).tolist() == [0, 1, 3, 5, 6, 7, 9, 11, 12]


def test_aSolidStandsWhereItsPixelsAre():
    own = np.zeros((13, 4, 5), bool)
    own[:, 1, 2] = True
    link = tubeOf(Level.C5, (20, 40))
    seen = secondSightings(fusedOf(link), lambda boxes: SharpBoxes(
        boxes.boxes[boxes.chosen], own, np.tile([30.0, 20.0], (13, 1)), np.full(13, 1.5)))[0]
    volume = SagittalVolume(np.zeros((20, 90, 90)), np.ones((20, 90, 90), bool), np.array([100.0, 200, 300]), 0.8, 2.0)
    solid = seen.solid(volume)
    assert solid.points == pytest.approx(np.stack(
        [100 + 2.0 * np.arange(4, 17), np.full(13, 200 + 30 + 2 * 1.5), np.full(13, 300 - 20 - 1.5)], axis=1))
    assert solid.weights == pytest.approx(np.full(13, 1.5**2 * 2))


def test_sidesStayNearToWhereTheDetectorSawThem():
    sighting = secondSightings(fusedOf(tubeOf(Level.C5, (20, 40))), lambda asked: SharpBoxes(
        asked.boxes[asked.chosen], np.ones((len(asked.chosen), 2, 3), bool), np.zeros((len(asked.chosen), 2)),
        np.ones(len(asked.chosen))))[0]
    right, left = 4 * 2.0 - 1, 16 * 2.0 + 1  # of the slices
    most = Settings.MOST_SIDE_MOVE_MM
    assert sighting.withSides(np.array([right - 1.5, left + 2])).sides == pytest.approx([right - 1.5, left + 2])
    assert sighting.withSides(np.array([right - 9, left - 11])).sides == pytest.approx([right - most, left - most])


def test_withoutACervicalVertebraNothingIsAsked():
    assert secondSightings(fusedOf(tubeOf(Level("T3"), (20, 40))), None) == []
