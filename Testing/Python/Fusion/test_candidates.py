import numpy as np
from oracleDetector import sliceDetections

from CervicalSpineDetectionLib.Fusion.Candidates import absorbParts
from CervicalSpineDetectionLib.Fusion.Candidates import candidatesOf as candidatesOfBoxes
from CervicalSpineDetectionLib.Fusion.SliceBoxes import sliceBoxesOf
from CervicalSpineDetectionLib.SliceDetector.Detector import BODY_CLASS

C2, C3, C4, C5 = 1, 2, 3, 4


def candidatesOf(detections):
    """Of slices 2 mm apart with pixels of 1 mm; their boxes lie half a pixel before the edges given in pixels."""
    return candidatesOfBoxes(sliceBoxesOf(detections, 1.0), 2.0)


def vertebra(level, top, back=55):
    """Boxes of one vertebra in a slice through the canal: whole and body."""
    return [(level, 10, top, back, top + 20), (BODY_CLASS, 10, top, 25, top + 14)]


def levelsOf(candidates):
    return sorted(int(candidate.track.scores.sum(axis=0).argmax()) for candidate in candidates)


def test_twoSidesOfOneVertebraAreJoined():
    side = sliceDetections([(C3, 10, 10, 50, 30)])
    candidates = candidatesOf([side] * 6 + [sliceDetections([])] * 8 + [side] * 6)
    assert len(candidates) == 1
    assert candidates[0].track.slices[0] == 0 and candidates[0].track.slices[-1] == 19


def test_aThirdPartIsJoinedToTheFirstThroughTheSecond():
    first, second, third = ([sliceDetections([(C3, 10, top, 50, top + 20)])] * 4 for top in (10, 16, 24))
    nothing = [sliceDetections([])] * 6
    assert len(candidatesOf(first + nothing + second + nothing + third)) == 1
    assert len(candidatesOf(first + nothing + third)) == 2


def test_aFlickerIsNoVertebra():
    assert candidatesOf([sliceDetections([(C3, 10, 10, 50, 30)])] * 2 + [sliceDetections([])] * 5) == []


def test_eachVertebraHasItsOwnBody():
    candidates = candidatesOf([sliceDetections(vertebra(C4, 20) + vertebra(C5, 38))] * 6)
    assert levelsOf(candidates) == [C4, C5]
    for candidate in candidates:
        assert candidate.body.boxes[0, 1] == candidate.track.boxes[0, 1]


def test_theBodyOfTheAxisHangsBelowItsDens():
    slices = [sliceDetections([(C2, 10, 10, 60, 50), (BODY_CLASS, 10, 27, 25, 48)])] * 6
    assert candidatesOf(slices)[0].body is not None


def test_whatIsTakenForAnotherLevelInSomeSlicesStaysWithItsBody():
    seen = [sliceDetections(vertebra(C4, 20))] * 5 + [sliceDetections(vertebra(C5, 22))] * 5
    assert len(candidatesOf(seen)) == 1


def test_neighboursOfOneNameWithABodyEachStayTwo():
    candidates = candidatesOf([sliceDetections(vertebra(C4, 20) + vertebra(C4, 36))] * 6)
    assert len(candidates) == 2


def test_aPartWithoutLevelGoesToTheVertebraItBelongsTo():
    middle, side = sliceDetections([(C4, 10, 20, 55, 40)]), sliceDetections([(C4, 10, 29, 30, 45)])
    candidates = candidatesOf([middle] * 6 + [side] * 5)
    named = [candidate for candidate in candidates if candidate.track.slices[0] == 0]
    (grown,), left = absorbParts(named, [candidate for candidate in candidates if candidate not in named])
    assert left == [] and grown.track.slices[-1] == 10


def test_aStrangerIsLeftOver():
    candidates = candidatesOf([sliceDetections([(C4, 10, 20, 55, 40), (C5, 10, 120, 55, 140)])] * 6)
    named = [candidate for candidate in candidates if candidate.track.boxes[0, 1] == 19.5]
    _, left = absorbParts(named, [candidate for candidate in candidates if candidate not in named])
    assert len(left) == 1 and np.all(left[0].track.boxes[:, 1] == 119.5)


def test_aBodySeenInTwoSlicesDoesNotTakeThePlaceOfTheTrueOne():
    whole, body, false_ = (C4, 10, 20, 55, 40), (BODY_CLASS, 10, 20, 25, 34), (BODY_CLASS, 10, 23, 25, 60)
    candidates = candidatesOf([sliceDetections([whole, body])] * 6 + [sliceDetections([whole, false_], 0.5)] * 2)
    assert [candidate.body.boxes[0, 1] for candidate in candidates] == [19.5]


C1 = 0


def test_theAtlasDoesNotTakeTheBodyOfAnAxisWhoseDensIsCutOff():
    atlas, axis, body = (C1, 20, 2, 60, 14), (C2, 10, 6, 55, 36), (BODY_CLASS, 10, 8, 25, 24)
    candidates = candidatesOf([sliceDetections([atlas, axis, body])] * 6)
    assert [(levelsOf([candidate])[0], candidate.body is not None) for candidate in candidates] == [
        (C1, False), (C2, True)]


def test_ofTwoBodiesThatFitTheAxisTheUpperOneIsItsOwn():
    axis, own, next_ = (C2, 10, 10, 60, 60), (BODY_CLASS, 10, 17, 25, 27), (BODY_CLASS, 10, 29, 25, 42)
    candidates = candidatesOf([sliceDetections([axis, own, next_])] * 6)
    assert [candidate.body.boxes[0, 1] for candidate in candidates] == [16.5]


def test_aBodyIsComparedInTheSlicesBothAreSeenIn():
    slices = [[(C4, 10, 20 + 5 * i, 55, 40 + 5 * i)] for i in range(14)]
    for i in (11, 12, 13):
        slices[i].append((BODY_CLASS, 10, 22 + 5 * i, 25, 36 + 5 * i))
    assert [candidate.body is not None for candidate in candidatesOf([*map(sliceDetections, slices)])] == [True]


def test_aBodySeenInOtherSlicesOnlyIsNotItsOwn():
    whole, body = (C4, 10, 20, 55, 40), (BODY_CLASS, 10, 22, 25, 36)
    candidates = candidatesOf([sliceDetections([whole])] * 5 + [sliceDetections([body])] * 5)
    assert [candidate.body for candidate in candidates] == [None]
