from dataclasses import replace

import numpy as np
import pytest

from CervicalSpineDetectionLib.Fusion.Candidates import Candidate
from CervicalSpineDetectionLib.Fusion.Placement import (
    Place,
    atlasLean,
    boundsOf,
    centreOf,
    doubtsOf,
    facesInView,
    isComplete,
    withEvenSpacing,
    withPlausibleWidths,
)
from CervicalSpineDetectionLib.Fusion.Settings import FACE_INSIDE_MM, SEEN_MM, UNSEEN_MM
from CervicalSpineDetectionLib.Fusion.Tracks import Track
from CervicalSpineDetectionLib.Imaging.SagittalVolume import SagittalVolume
from CervicalSpineDetectionLib.Spine.Boxes import Bounds
from CervicalSpineDetectionLib.Spine.Levels import LEVELS
from CervicalSpineDetectionLib.Spine.Morphometry import WIDTH_MM


def found(scale=1.0, right=None, left=None):
    """C3 to C6 about x = 5; ``right`` and ``left`` change the half widths of C4."""
    entries = []
    for level in (2, 3, 4, 5):
        half = WIDTH_MM[level] / 2 * scale
        a, b = (right or half, left or half) if level == 3 else (half, half)
        centre = np.array([5.0, 0, -18.0 * level])
        entries.append(Place(LEVELS[level], 0.9, centre, Bounds(centre - [a, 20, 10], centre + [b, 30, 10]), SEEN_MM))
    return entries


def halves(entry):
    return entry.centre[0] - entry.bounds.minimum[0], entry.bounds.maximum[0] - entry.centre[0]


def mended(places, left=True):
    """:param left: whether the image shows where they end to the left."""
    return withPlausibleWidths(places, np.array([[True, left]] * len(places)))


@pytest.mark.parametrize("scale", [0.85, 1.0, 1.15])
def test_widthsThatFitThePersonStay(scale):
    for before, after in zip(found(scale), mended(found(scale)), strict=True):
        assert np.allclose(halves(after), halves(before))


def test_aLostSideIsMended():
    assert np.allclose(halves(mended(found(left=8.0))[1]), WIDTH_MM[3] / 2)


def test_aSideThatRanIntoTheNeighbourIsMended():
    place = mended(found(1.1, right=60.0))[1]
    assert np.allclose(halves(place), 1.1 * WIDTH_MM[3] / 2, rtol=0.02)
    assert place.bounds.minimum[1] == -20 and place.bounds.maximum[2] == -18.0 * 3 + 10


def test_whatTheImageCutsOnOneSideMakesNoOneNarrow():
    """The whole sides tell how large the person is."""
    cut = [replace(place, bounds=Bounds(place.bounds.minimum, np.minimum(place.bounds.maximum, [15.0, 1e3, 1e3])))
           for place in found(1.1)]
    for place, before in zip(mended(cut, left=False), cut, strict=True):
        assert halves(place)[0] == pytest.approx(halves(before)[0])


def test_nothingFoundStaysNothing():
    assert withPlausibleWidths([], np.zeros((0, 2), bool)) == []


def volume(voxels):
    return SagittalVolume(voxels, np.ones(voxels.shape, bool), np.array([0.0, 0, 59]), 1.0, 2.0)


def test_aBoxInTheMiddleIsComplete():
    assert isComplete(Bounds(np.array([20.0, 20, 20]), np.array([40.0, 40, 40])), volume(np.zeros((30, 60, 60))))


@pytest.mark.parametrize("shift", [(0, 0, -19), (0, 0, 18), (0, 19, 0), (-18, 0, 0)])
def test_aBoxAtTheImageEdgeIsNot(shift):
    bounds = Bounds(np.array([20.0, 20, 20]) + shift, np.array([40.0, 40, 40]) + shift)
    assert not isComplete(bounds, volume(np.zeros((30, 60, 60))))


def test_aBoxAtAMaskedRegionIsNot():
    voxels = np.zeros((30, 60, 60))
    voxels[:, 40:] = -1024  # z below 19.5
    assert not isComplete(Bounds(np.array([20.0, 20, 20]), np.array([40.0, 40, 40])), volume(voxels))


def test_theAtlasIsCentredBetweenItsArchesHoweverMuchOfASideIsSeen():
    # Right mass of 8 slices, ring of 7, left mass of 2: the ring's middle is slice 11.
    columns = [(14, 36)] * 8 + [(5, 50)] * 7 + [(14, 36)] * 2
    boxes = np.array([(first, 20, last, 30) for first, last in columns], float)
    track = Track(np.arange(17), boxes, np.full((17, 11), 0.5), 2.0)
    centre = centreOf(Candidate(track, None), "C1", volume(np.zeros((30, 60, 60))))
    assert np.allclose(centre, [22, 27.5, 59 - 25])


@pytest.mark.parametrize("degrees", [-30, 0, 20])
def test_theAtlasLeansByTheHeightsOfItsArches(degrees):
    """Anterior arch 6 mm deep, its middle 20 mm before that of the ring, which a box of 46 mm spans."""
    rise = 20 * np.tan(np.deg2rad(degrees))  # of the middle of the ring above the anterior arch
    arch = Track(np.arange(5), np.tile([10.0, 45 + rise, 16, 55 + rise], (5, 1)), np.ones((5, 1)), 2.0)
    ring = Track(np.arange(9), np.tile([10.0, 30, 56, 70], (9, 1)), np.eye(11)[[0] * 9], 2.0)
    assert np.degrees(atlasLean(Candidate(ring, arch))) == pytest.approx(degrees)
    assert atlasLean(Candidate(ring, None)) is None


def test_aCentreThatIsToldFromTheBoxAloneIsInTheSameFrameAsTheBox():
    track = Track(np.arange(8), np.tile([10.0, 20, 50, 30], (8, 1)), np.eye(11)[[3] * 8], 2.0)
    candidate, frame = Candidate(track, None), volume(np.zeros((30, 60, 60)))
    top = boundsOf(track, frame).maximum[2] - FACE_INSIDE_MM
    assert np.allclose(centreOf(candidate, "C4", frame), [7, 10 + 8, top - 0.4 * 10])


@pytest.mark.parametrize("border", [31.0, 33.0, 38.9, 39.1])
def test_theMiddleOfTheAtlasDoesNotJumpWithTheDepthOfASlice(border):
    depths = np.full(20, 24.0)
    depths[6:14] = 40, 40, 41, 40, 40, 41, 40, border
    middles = []
    for step in (-0.2, 0.2):
        depths[13] = border + step
        boxes = np.stack([np.full(20, 10.0), np.full(20, 20.0), 10 + depths, np.full(20, 34.0)], axis=1)
        track = Track(np.arange(5, 25), boxes, np.eye(11)[[0] * 20], 2.0)
        middles.append(centreOf(Candidate(track, None), "C1", volume(np.zeros((30, 60, 60))))[0])
    assert abs(middles[1] - middles[0]) < 0.1


def test_aBodyHardlySeenIsPutIntoLineWithItsNeighbours():
    entries = found()
    entries[2].centre[0] += 12
    assert withEvenSpacing(entries)[2].centre[0] == 17
    entries[2] = replace(entries[2], exactness=UNSEEN_MM)
    assert withEvenSpacing(entries)[2].centre[0] == pytest.approx(5)


def test_aBodyFarFromItsPlaceIsDoubtedAndItsNameKeepsItsProbability():
    entries = found()
    entries[2].centre[2] += 9
    places = withEvenSpacing(entries)
    assert places[2].confidence == entries[2].confidence
    assert "position uncertain" in doubtsOf(places, 0.5)[2]
    assert doubtsOf(withEvenSpacing(found()), 0.5) == [""] * len(places)


def test_aNameBelowTheCertaintyIsDoubted():
    places = found()
    doubts = doubtsOf([replace(places[0], confidence=0.89), *places[1:]], 0.9)
    assert doubts[0] == "level uncertain" and not any(doubts[1:])


def test_aCentreOutsideItsOwnBoxIsDoubted():
    places = found()
    outside = replace(places[1], centre=places[1].bounds.maximum + [0, 0, 3.0])
    assert "center outside its own box" in doubtsOf([places[0], outside, *places[2:]], 0.5)[1]


@pytest.mark.parametrize(("inside", "isDoubted"), [(2.5, True), (3.5, False)])
def test_aBodyAtTheEdgeOfItsOwnBoxIsDoubted(inside, isDoubted):
    """As where a vertebra was given the box of the one below it."""
    places = found()
    front = Bounds(places[1].bounds.minimum + [0, 20 - inside, 0], places[1].bounds.maximum + [0, 20 - inside, 0])
    doubts = doubtsOf([places[0], replace(places[1], bounds=front), *places[2:]], 0.5)
    assert ("center at the edge of its own box" in doubts[1]) == isDoubted
    assert not any(doubts[:1] + doubts[2:])
    # Where the body was not seen its place is told from the box.
    unseen = replace(places[1], bounds=front, exactness=UNSEEN_MM)
    assert not any(doubtsOf([places[0], unseen, *places[2:]], 0.5))


def test_facesLieALittleFurtherOutThanTheMediansOverTheSlices():
    track = Track(np.arange(8), np.tile([10.0, 20, 50, 30], (8, 1)), np.eye(11)[[3] * 8], 2.0)
    bounds = boundsOf(track, volume(np.zeros((30, 60, 60))))
    np.testing.assert_allclose(bounds.size, np.array([16, 40, 10]) + 2 * FACE_INSIDE_MM)


def test_aBoxInsideItsNeighboursIsDoubtedAndThatOneToo():
    """Nothing tells which of both is wrong."""
    places = found()
    engulfing = replace(places[1], bounds=Bounds(places[2].bounds.minimum - 1, places[1].bounds.maximum + 1))
    doubts = doubtsOf([places[0], engulfing, *places[2:]], 0.5)
    assert doubts[2] == f"inside the box of {places[1].level}"
    assert doubts[1] == f"its box holds that of {places[2].level}" and not doubts[0] and not doubts[3]


def test_whatTheImageCutsOffMayLieInsideItsNeighboursBox():
    """Between its processes, as bones of a bent neck do."""
    places = found()
    cut = replace(places[-1], bounds=Bounds(places[-2].bounds.minimum + 2, places[-2].bounds.maximum - 2),
                  centre=places[-2].bounds.minimum + 8)
    assert "inside the box" in doubtsOf([*places[:-1], cut], 0.5)[-1]
    assert "inside the box" not in doubtsOf([*places[:-1], cut], 0.5, cutOf(places, below=[-1]))[-1]


def cutOf(places, above=(), below=()):
    """:param above, below: indices of the places that the image cuts there."""
    cut = np.zeros((len(places), 2), bool)
    cut[list(above), 0] = True
    cut[list(below), 1] = True
    return cut


def test_theCentreOfWhatTheImageCutsIsAGuessWhereNoBodyWasSeen():
    places = found()
    unseen = [*places[:-1], replace(places[-1], exactness=UNSEEN_MM, isBodySeen=False)]
    hardlySeen = [*places[:-1], replace(places[-1], exactness=UNSEEN_MM)]
    assert not any(doubtsOf(unseen, 0.5)) and not any(doubtsOf(hardlySeen, 0.5, cutOf(places, below=[-1])))
    doubts = doubtsOf(unseen, 0.5, cutOf(places, below=[-1]))
    assert doubts[-1] == "body out of view" and not any(doubts[:-1])


def test_neighboursAtAnUnusualDistanceAreDoubted():
    places = found()
    last = replace(places[-1], centre=places[-1].centre - [0, 0, 25.0],
                   bounds=Bounds(places[-1].bounds.minimum - [0, 0, 25.0], places[-1].bounds.maximum - [0, 0, 25.0]))
    doubts = doubtsOf([*places[:-1], last], 0.5)
    assert f"unusual distance from {places[-2].level}" in doubts[-1] and not doubts[0]


@pytest.mark.parametrize(("above", "below", "doubted"), [
    ([], [-1], (False, True)), ([], [-2, -1], (False, True)), ([-2], [-1], (True, True)), ([-1], [-2], (True, True))])
def test_anUnusualDistanceSpeaksAgainstThePartAtTheImagesEdge(above, below, doubted):
    places = found()
    near = replace(places[-1], centre=places[-2].centre - [0, 0, 6.0])
    doubts = doubtsOf([*places[:-1], near], 0.5, cutOf(places, above, below))
    assert tuple("unusual distance" in doubt for doubt in doubts[-2:]) == doubted


@pytest.mark.parametrize(("size", "isDoubted"), [(0.5, True), (0.7, False), (1, False), (1.3, False), (1.6, True)])
def test_distancesThatNoPersonHasAreDoubted(size, isDoubted):
    """As those of a CT whose spacing is misstated."""
    places = [replace(place, centre=size * place.centre,
                      bounds=Bounds(size * place.bounds.minimum, size * place.bounds.maximum)) for place in found()]
    doubts = doubtsOf(places, 0.5)
    assert ["distances unlike a person's" in doubt for doubt in doubts] == [isDoubted] * len(places)
    assert not any("unlike" in doubt for doubt in doubtsOf(places[:2], 0.5))


@pytest.mark.parametrize(("sides", "axis", "side"), [
    (([20, 20, 20], [40, 40, 59.5]), 1, 0), (([20, 20, 1], [40, 40, 40]), 1, 1), (([20, 1, 20], [40, 40, 40]), 2, 0)])
def test_facesThatLookAtNoImageAreTold(sides, axis, side):
    grid = volume(np.zeros((30, 60, 60)))
    shown = facesInView(Bounds(*np.array(sides, float)), grid)
    assert not shown[axis, side] and shown.sum() == 5


@pytest.mark.parametrize(("confidences", "doubted"), [((0.99, 0.99), (True, True)), ((0.7, 0.7), (True, True)),
                                                      ((0.99, 0.7), (False, True)), ((0.7, 0.99), (True, False))])
def test_anUnusualDistanceSpeaksAgainstTheOneThatIsUncertainAnyway(confidences, doubted):
    upper, lower = (replace(place, confidence=confidence)
                    for place, confidence in zip(found()[-2:], confidences, strict=True))
    near = replace(lower, centre=upper.centre - [0, 0, 6.0])
    doubts = doubtsOf([*found()[:-2], upper, near], 0.9)
    assert tuple("unusual distance" in doubt for doubt in doubts[-2:]) == doubted
