import numpy as np
import pytest

from CervicalSpineDetectionLib.Fusion.Tracks import Track, TrackGrid, continuous, join, linkTracks

SPACING = 2.0


def track(slices, boxes, scores):
    return Track(slices, boxes, scores, SPACING)


def linked(boxes, scores):
    return linkTracks(boxes, scores, SPACING)


def scores(level, strength=0.8):
    row = np.full(11, 0.01)
    row[level] = strength
    return row


def slicesOf(*boxesWithLevels, count=10, skip=()):
    """The same boxes in ``count`` slices; in the slices of ``skip`` there is nothing."""
    boxes = [np.array([box for box, _ in boxesWithLevels] if i not in skip else [], float).reshape(-1, 4)
             for i in range(count)]
    levels = [np.array([scores(level) for _, level in boxesWithLevels] if i not in skip else []).reshape(-1, 11)
              for i in range(count)]
    return boxes, levels


UPPER, LOWER = ((10, 10, 50, 30), 2), ((10, 26, 55, 46), 3)


def test_neighbouringVertebraeBecomeOneTrackEach():
    tracks = linked(*slicesOf(UPPER, LOWER))
    assert [len(track.slices) for track in tracks] == [10, 10]
    assert {int(track.scores.sum(axis=0).argmax()) for track in tracks} == {2, 3}


def test_aMissedSliceDoesNotBreakATrack():
    tracks = linked(*slicesOf(UPPER, skip=(4, 5)))
    assert len(tracks) == 1 and len(tracks[0].slices) == 8


def test_aLongGapBreaksATrack():
    assert len(linked(*slicesOf(UPPER, count=20, skip=range(6, 14)))) == 2


def test_oneSliceWithAWildBoxDoesNotMoveTheEdges():
    boxes, levels = slicesOf(UPPER)
    boxes[5] = np.array([[0, 2, 90, 38]], float)
    first, last = linked(boxes, levels)[0].extent()
    assert np.allclose(first, [-1, 10, 10]) and np.allclose(last, [19, 30, 50])


def test_aSpinousProcessSeenInThreeSlicesCounts():
    boxes, levels = slicesOf(UPPER)
    for i in (4, 5, 6):
        boxes[i][0, 2] = 70
    assert linked(boxes, levels)[0].extent()[1][2] == 70


def test_theTipOfASpinousProcessMayShowInOneClearSlice():
    boxes, levels = slicesOf(UPPER)
    boxes[5][0, 2] = 54
    assert linked(boxes, levels)[0].extent()[1][2] == 54
    levels[5] = levels[5] * 0.2
    assert linked(boxes, levels)[0].extent()[1][2] == 50


def test_weakOutermostSlicesDoNotWiden():
    strengths = np.full((8, 11), 0.0)
    strengths[:, 2] = [0.06, 0.7, 0.8, 0.8, 0.8, 0.8, 0.7, 0.06]
    seen = track(np.arange(8), np.tile([10.0, 10, 50, 30], (8, 1)), strengths)
    first, last = seen.extent()
    assert first[0] == 1 and last[0] == 13


def test_noBoxesGiveNoTracks():
    assert linked([np.empty((0, 4))] * 5, [np.empty((0, 11))] * 5) == []


def test_whatJumpsToAnotherHeightIsCutOff():
    rows = [(5, 20)] * 3 + [(40, 60)] * 8 + [(10, 25)] * 2
    boxes = np.array([(10, top, 50, bottom) for top, bottom in rows], float)
    kept = continuous(track(np.arange(13), boxes, np.tile(scores(0), (13, 1))))
    assert kept.slices.tolist() == list(range(3, 11)) and (kept.boxes[:, 1] == 40).all()


def test_aTrackThatRisesSlowlyStaysWhole():
    boxes = np.array([(10, 20 + 4 * i, 50, 40 + 4 * i) for i in range(10)], float)
    assert len(continuous(track(np.arange(10), boxes, np.tile(scores(0), (10, 1)))).slices) == 10


def sides(*parts):
    """Track of parts: (first slice, number of slices, first column, last column)."""
    rows = [(start + i, first, last) for start, count, first, last in parts for i in range(count)]
    boxes = np.array([(first, 20, last, 40) for _, first, last in rows], float)
    return track(np.array([row[0] for row in rows]), boxes, np.tile(scores(0), (len(rows), 1)))


def test_whatIsFarToTheSideIsCutOff():
    assert continuous(sides((0, 8, 10, 50), (14, 3, 10, 50))).slices[-1] == 7
    assert continuous(sides((0, 8, 10, 50), (12, 3, 10, 50))).slices[-1] == 14


def test_whatJumpsForwardIsCutOff():
    assert continuous(sides((0, 8, 40, 70), (9, 3, 5, 43))).slices[-1] == 7


def test_whatLiesWhollyBeforeAVertebraIsNotLinkedToIt():
    boxes, levels = slicesOf(UPPER, count=2)
    boxes[1][:, [0, 2]] += 40
    assert len(linked(boxes, levels)) == 2


def test_theBestPairIsLinkedFirst():
    boxes, levels = slicesOf(UPPER, count=2)
    boxes[1] = np.array([(10, 13, 50, 33), (10, 11, 50, 31)], float)
    levels[1] = np.tile(levels[0], (2, 1))
    tracks = linked(boxes, levels)
    assert [track.boxes[:, 1].tolist() for track in tracks] == [[10, 11], [13]]


def rows(start, *topsAndBottoms, level=2):
    boxes = np.array([(10, top, 50, bottom) for top, bottom in topsAndBottoms], float)
    return track(np.arange(start, start + len(boxes)), boxes, np.tile(scores(level), (len(boxes), 1)))


def test_partsAreComparedInTheSlicesTheyShare():
    part, other = rows(0, (0, 20), (0, 20), (0, 20)), rows(1, (0, 10), (0, 20), (40, 60))
    assert TrackGrid([part, other], 4).partLikeness(0) == pytest.approx([1, 0.75])


def test_partsWithoutACommonSliceAreComparedWhereTheyAreNearest():
    part, other = rows(0, (40, 60), (40, 60), (0, 20)), rows(5, (0, 10), (40, 60))
    assert TrackGrid([part, other], 9).partLikeness(0)[1] == pytest.approx(0.5)
    assert TrackGrid([part, other], 9).partLikeness(1)[0] == pytest.approx(0.5)


def test_partsOfDifferentLevelsAreNotAlike():
    parts = [rows(0, (0, 20)), rows(0, (0, 20), level=3)]
    assert TrackGrid(parts, 1).partLikeness(0)[1] < 0.1


def test_aTrackPutInThePlaceOfAnotherIsComparedInstead():
    grid = TrackGrid([rows(0, (0, 20)), rows(0, (40, 60))], 1)
    grid.put(1, rows(0, (0, 10)))
    assert grid.partLikeness(0)[1] == pytest.approx(0.5)


def test_ofTwoBoxesInOneSliceTheStrongerStays():
    weak, strong = rows(0, (0, 20), (0, 20)), rows(1, (5, 20), (5, 20))
    weak = track(weak.slices, weak.boxes, weak.scores / 2)
    for joined in (join(weak, strong), join(strong, weak)):
        assert joined.slices.tolist() == [0, 1, 2] and joined.boxes[:, 1].tolist() == [0, 5, 5]
