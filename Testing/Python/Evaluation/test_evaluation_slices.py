import numpy as np
import pytest
import SimpleITK as sitk
from oracleDetector import OracleDetector, sliceDetections

from CervicalSpineDetectionLib.Evaluation.SliceMetrics import (
    RememberingDetector,
    averagePrecision,
    detectorBoxes,
    matched,
    scoreSlices,
)
from CervicalSpineDetectionLib.Phantom.Scanner import imageFromArray
from CervicalSpineDetectionLib.SliceDetector.Detector import BODY_CLASS

TRUTH = [[(2, 10, 10, 40, 30), (3, 12, 28, 42, 48)], [(2, 10, 10, 40, 30)]]


def predictions(*boxes):
    return np.array(boxes, float).reshape(-1, 6)


def figures(*slices):
    return averagePrecision([matched(list(slices), TRUTH)])


def test_theTruthItselfHasAPrecisionOfOne():
    exact = [predictions(*([*box[1:], 0.9, box[0]] for box in boxes)) for boxes in TRUTH]
    assert figures(*exact)["mAP50"] == pytest.approx(0.995, abs=0.006)  # ultralytics integrates by trapezoids
    assert figures(*exact)["mAP50-95"] == pytest.approx(0.995, abs=0.006)


def test_nothingFoundHasAPrecisionOfZero():
    result = figures(predictions(), predictions())
    assert result["mAP50"] == 0 and result["perClass"]["C3"]["boxes"] == 2


def test_aBoxOfTheWrongClassIsNoHit():
    result = figures(predictions([12, 28, 42, 48, 0.9, 2]), predictions())
    assert result["perClass"]["C4"]["AP50"] == result["perClass"]["C3"]["AP50"] == 0


def test_aBoxOfIou06CountsAt50AndNotAtTheHigherThresholds():
    result = figures(predictions([12, 28, 42, 40, 0.9, 3]), predictions())["perClass"]["C4"]
    assert result["AP50"] > 0.99 and result["AP50-95"] == pytest.approx(0.3, abs=0.01)  # 0.50, 0.55, 0.60


def test_aSecondBoxOnTheSameVertebraIsFalse():
    once = figures(predictions([10, 10, 40, 30, 0.9, 2]), predictions())["perClass"]["C3"]["AP50"]
    pair = predictions([10, 10, 40, 30, 0.9, 2], [10, 10, 40, 30, 0.95, 2])
    twice = figures(pair, predictions([10, 10, 40, 30, 0.8, 2]))["perClass"]["C3"]["AP50"]
    assert once == pytest.approx(0.5, abs=0.01) and 0.7 < twice < 0.9


def test_matchesGoByScoreWhateverTheOrderOfTheBoxes():
    poor, exact = [10, 10, 40, 26, 0.3, 2], [10, 10, 40, 30, 0.9, 2]
    results = [matched([predictions(*pair), predictions()], TRUTH) for pair in ((poor, exact), (exact, poor))]
    for result in results:
        assert result.scores.tolist() == [0.9, 0.3] and result.correct[0].all() and not result.correct[1].any()


def test_aBoxStandsForEveryClassItScores():
    detections = sliceDetections([(2, 10, 10, 40, 30), (BODY_CLASS, 10, 10, 20, 25)])
    detections.scores[0, 3] = 0.2
    rows = detectorBoxes(detections)
    assert sorted(map(tuple, rows[:, 4:])) == [(0.2, 3), (0.9, 2), (0.9, BODY_CLASS)]
    assert (rows[:2, :4] == [10, 10, 40, 30]).all()


def test_aBoxOnTruthThatIsLeftOutIsNeitherAHitNorFalse():
    sliver = (2, 60, 10, 64, 16)
    onIt, elsewhere = [60, 10, 64, 17, 0.95, 2], [80, 10, 84, 16, 0.95, 2]
    hit = [10, 10, 40, 30, 0.9, 2]
    for extra, left in ((onIt, 1), (elsewhere, 2), ([*onIt[:5], 3], 2)):
        result = matched([predictions(hit, extra)], [TRUTH[1]], [[sliver]])
        assert len(result.scores) == left and result.correct[:, 0].sum() == 1
    # Without the word that it is left out, it is false.
    assert len(matched([predictions(hit, onIt)], [TRUTH[1]]).scores) == 2


def test_truthFromALargerAreaLeavesOutTheLateralPartsAndNothingElse(neck):
    image, labels = neck
    voxels = sitk.GetArrayFromImage(labels)
    for code in range(1, 8):
        bottom = 155 - 18 * code
        voxels[bottom : bottom + 5, 22:28, 4:10] = code  # 30 mm2 a slice, at the right side of every vertebra
    thin = sitk.GetImageFromArray(voxels)
    thin.CopyInformation(labels)
    statistics = scoreSlices(image, thin, OracleDetector(image, thin))
    counts = {name: len(entry.trueClasses) for name, entry in statistics.items()}
    assert counts["detector"] > counts["detector40mm2"] >= counts["detector80mm2"] > 0
    # What finds every box is as good whatever is left out.
    assert averagePrecision([statistics["detector40mm2"]])["mAP50"] == pytest.approx(0.995, abs=0.006)


class Shifted(OracleDetector):
    """Takes every level for the next one down in one of three slices."""

    def detect(self, slices, progress=None):
        found = super().detect(slices, progress)
        for detections in found[::3]:
            detections.scores[:, 1:] = detections.scores[:, :-1].copy()
            detections.scores[:, 0] = 0
        return found


@pytest.fixture(scope="module")
def neck():
    """(CT, labels): blocks 18 mm apart, each a body and an arch with the canal between."""
    labels = np.zeros((60, 60, 160), np.uint8)
    for code in range(1, 8):
        top = 155 - 18 * code
        labels[10:50, 8:50, top : top + 15] = code
        labels[20:40, 24:40, top : top + 15] = 0
    return imageFromArray(np.where(labels, 600, 30).astype(np.int16), [1.0] * 3), imageFromArray(labels, [1.0] * 3)


def test_fusionMendsTheLevelsOfSingleSlices(neck):
    statistics = scoreSlices(*neck, Shifted(*neck))
    result = {name: averagePrecision([entry]) for name, entry in statistics.items()}
    assert result["detector"]["mAP50"] < 0.8
    assert result["afterFusion"]["mAP50"] > 0.9
    assert result["afterFusion"]["perClass"]["body"]["AP50"] > 0.9


def test_theSameSlicesAreLookedAtOnceAndOthersAnew():
    class Counting:
        pixelSize = 1.5

        def detect(self, slices, progress=None):
            looked.append(len(slices))
            return [len(looked)] * len(slices)

    looked = []
    detector = RememberingDetector(Counting())
    slices = np.arange(12).reshape(3, 2, 2)
    assert detector.pixelSize == 1.5
    assert detector.detect(slices) == detector.detect(slices.copy()) == [1, 1, 1]
    assert detector.detect(slices + 1) == [2, 2, 2] and looked == [3, 3]
