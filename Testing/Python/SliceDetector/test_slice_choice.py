"""Which slices, rows and columns the network is shown."""

import numpy as np
import pytest
import torch

from CervicalSpineDetectionLib.SliceDetector.Detector import CLASS_NAMES, SliceDetections
from CervicalSpineDetectionLib.SliceDetector.SliceChoice import (
    SpineRegion,
    besideRegions,
    bodyRegion,
    firstLook,
    holdsSpine,
)
from CervicalSpineDetectionLib.SliceDetector.TorchNetwork import TorchNetwork
from CervicalSpineDetectionLib.SliceDetector.YoloDetector import YoloDetector

CARD = {"name": "test", "sha256": "", "pixelSize": 1.0, "sliceSpacing": 2.0, "window": [-200, 1000],
        "classes": list(CLASS_NAMES)}
C3, BODY = CLASS_NAMES.index("C3"), CLASS_NAMES.index("body")


def seen(boxes=(), bodies=(), score=1.0):
    return SliceDetections(np.reshape(boxes, (-1, 4)), np.full((len(boxes), 12), score), np.reshape(bodies, (-1, 4)),
                           np.full(len(bodies), score))


class BrightnessNetwork(torch.nn.Module):
    """Sees one vertebra and its body where the middle channel is bright; its box is that of the bright pixels."""

    def __init__(self):
        super().__init__()
        self.shapes = []

    def fuse(self, verbose):
        return self

    def forward(self, pictures):
        self.shapes.append(tuple(pictures.shape))
        prediction = torch.zeros(len(pictures), 4 + len(CLASS_NAMES), 2)
        for picture, out in zip(pictures, prediction, strict=True):
            bright = torch.nonzero(picture[1] > 0.5)
            if len(bright):
                (top, left), (bottom, right) = bright.amin(dim=0), bright.amax(dim=0) + 1
                box = [(left + right) / 2, (top + bottom) / 2, right - left, bottom - top]
                out[:4] = torch.tensor(box)[:, None]
                out[4 + C3, 0] = out[4 + BODY, 1] = 0.9
        return [prediction]


def detector(everySlice=False):
    network = BrightnessNetwork()
    return YoloDetector(TorchNetwork(network, torch.device("cpu")), CARD, everySlice=everySlice), network


def test_theMiddleIsLookedAtFirst():
    middle, sides = firstLook(71, 2.0)
    assert middle.tolist() == [21, 27, 33, 39, 45] and sides.tolist() == [3, 9, 15, 51, 57, 63, 69]


@pytest.mark.parametrize("count", [1, 2, 3, 6, 71])
@pytest.mark.parametrize("spacing", [0.5, 2.0, 20.0])
def test_theFirstLookLeavesNoGapAsWideAsABody(count, spacing):
    middle, sides = firstLook(count, spacing)
    looked = np.sort([*middle, *sides])
    gaps = np.diff([-1, *looked, count]) * spacing
    assert 0 <= looked[0] and looked[-1] < count and gaps.max() <= max(24, 2 * spacing)


@pytest.mark.parametrize(("bodies", "holds"), [
    ((0, 6, 7, 1, 0), True), ((1, 6, 7, 6, 1), True), ((0, 0, 4, 6, 7), False), ((7, 6, 1, 0, 0), False),
    ((0, 0, 1, 0, 0), False), ((0, 0, 0, 0, 0), False)])
def test_theSpineIsWhereBodiesEndToBothSides(bodies, holds):
    looks = [seen(bodies=[(70, 20 * i, 90, 20 * i + 15) for i in range(number)]) for number in bodies]
    assert holdsSpine(looks) == holds


def test_faintBodiesAreNoSpine():
    faint = seen(bodies=[(70, 20 * i, 90, 20 * i + 15) for i in range(7)], score=0.2)
    assert not holdsSpine([seen(), faint, seen()])


def test_allBodiesAreInTheirRegionThoughTheFirstLooksShowLessOfThem():
    # Bodies from 58 to 82 mm; those outermost are no wider than what lies between two looks.
    looked = np.arange(3, 71, 6)
    region = bodyRegion([seen(bodies=[(50, 60, 60, 70)]) if 60 < 2 * i < 80 else seen() for i in looked], looked, 71,
                        1.0, 2.0, 32)
    assert region.slices.start * 2 <= 58 and (region.slices.stop - 1) * 2 >= 82
    assert len(region.slices) < 30


def test_theRegionHoldsAllBoxesWithAMarginOnTheGridOfTheNetwork():
    region = bodyRegion([seen([(70, 40, 150, 90)], [(60, 45, 80, 60)]), seen([(90, 200, 170, 230)])], np.array([3, 9]),
                        12, 1.0, 2.0, 32)
    assert region == SpineRegion(range(10), slice(0, 256), slice(32, 224))


def test_faintSightingsBesideClearOnesDoNotWidenTheRegion():
    clear, faint = seen([(70, 70, 100, 100)], [(70, 70, 90, 90)]), seen([(10, 10, 250, 250)], [(10, 10, 250, 250)], 0.1)
    region = bodyRegion([faint, clear], np.array([27, 33]), 71, 1.0, 2.0, 32)
    assert region.slices.start == 33 - 6 and region.columns == region.rows == slice(32, 128)


def test_aSliceThroughOneBodyAloneIsNotTakenForTheSpine():
    spine = seen(bodies=[(70, 20 * i, 90, 20 * i + 15) for i in range(8)])
    rib = seen(bodies=[(70, 140, 90, 155)])
    region = bodyRegion([rib, seen(), spine, spine], np.array([3, 15, 33, 39]), 71, 1.0, 2.0, 32)
    assert region.slices.start == 33 - 12


def test_whereNoneIsClearFaintOnesCount():
    region = bodyRegion([seen(bodies=[(70, 70, 90, 90)], score=0.06), seen()], np.array([3, 33]), 71, 1.0, 2.0, 32)
    assert 3 in region.slices and region.columns == slice(32, 128)


def test_withoutABodyTheSpineMayBeAnywhere():
    assert bodyRegion([seen([(70, 40, 150, 90)])], np.array([3]), 12, 1.0, 2.0, 32) is None


def neck(levels, bodies=True):
    """A slice through vertebrae of these levels, 20 pixels high each, and their bodies."""
    boxes = [(100, 100 + 20 * level, 150, 120 + 20 * level) for level in levels]
    scores = np.eye(12)[list(levels)].reshape(-1, 12)
    shown = boxes if bodies else []
    return SliceDetections(np.reshape(boxes, (-1, 4)), scores, np.reshape(shown, (-1, 4)), np.ones(len(shown)))


def test_theAtlasIsWhollyInTheRegionOfTheBodiesSeen():
    # Atlas 90 mm wide around x = 70 mm, its arch and the bodies 24 mm.
    chest = range(3, 12)
    around = SpineRegion(range(23, 48), slice(32, 512), slice(32, 256))
    (region,) = besideRegions([neck(chest, bodies=58 <= 2 * i <= 82) for i in around.slices], around, 71, 1.0, 2.0, 32)
    assert region.slices.start * 2 <= 70 - 45 and (region.slices.stop - 1) * 2 >= 70 + 45
    assert (region.rows, region.columns) == (around.rows, around.columns)


def test_besideTheBodiesOfAWholeNeckOnlyItsOwnRowsAreLookedAt():
    around = SpineRegion(range(23, 48), slice(32, 512), slice(64, 192))
    near, far = besideRegions([neck(range(12), bodies=58 <= 2 * i <= 82) for i in around.slices], around, 90, 1.0, 2.0,
                              32)
    # C1 from row 100, C7 to row 240, columns 100 to 150, and 24 around them.
    assert (near.rows, near.columns) == (slice(64, 288), slice(64, 192))
    assert near.slices.start * 2 <= 70 - 45 and (near.slices.stop - 1) * 2 >= 70 + 45
    # What leans so far to a side is C1, down to row 120.
    assert (far.rows, far.columns) == (slice(64, 160), slice(64, 192))
    assert far.slices.start < near.slices.start and far.slices.stop > near.slices.stop


def test_wherePartOfTheUpperNeckIsMissingTheChestTellsTheNames():
    around = SpineRegion(range(23, 48), slice(32, 512), slice(64, 192))
    (region,) = besideRegions([neck([0, 1, 2, *range(4, 12)]) for _ in around.slices], around, 71, 1.0, 2.0, 32)
    assert region.rows == around.rows


def test_boxesStandWhereTheyAreInTheWholePicture():
    slices = np.zeros((71, 3, 300, 280), np.uint8)
    slices[28:43, :, 150:170, 140:180] = 255
    chosen, network = detector()
    found, whole = chosen.detect(slices), detector(everySlice=True)[0].detect(slices)
    assert network.shapes[-1][2:] == (128, 128) and sum(shape[0] for shape in network.shapes) < 60
    for own, other in zip(found, whole, strict=True):
        assert np.array_equal(own.boxes, other.boxes) and np.array_equal(own.bodyBoxes, other.bodyBoxes)
        assert np.array_equal(own.scores, other.scores) and np.array_equal(own.bodyScores, other.bodyScores)


def test_aSpineOutOfTheMiddleIsFound():
    slices = np.zeros((71, 3, 64, 64), np.uint8)
    slices[:8, :, 20:30, 20:40] = 255
    assert [len(found.boxes) for found in detector()[0].detect(slices)] == [1] * 8 + [0] * 63


def test_whereNoBodyIsSeenEverySliceIsLookedAtWhole():
    slices = np.zeros((71, 3, 96, 64), np.uint8)
    chosen, network = detector()
    assert len(chosen.detect(slices)) == 71
    assert sum(shape[0] for shape in network.shapes) == 71 and {shape[2:] for shape in network.shapes} == {(96, 64)}


def test_progressRunsToTheNumberOfSlices():
    slices = np.zeros((71, 3, 96, 64), np.uint8)
    slices[33:38, :, 20:30, 20:40] = 255
    calls = []
    detector()[0].detect(slices, lambda *call: calls.append(call))
    done = [call[1] for call in calls]
    assert done == sorted(done) and calls[-1] == ("Detecting", 71, 71)
