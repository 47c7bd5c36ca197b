import numpy as np
import pytest

from CervicalSpineDetectionLib.Detection.Vertebra import Bounds, OrientedBox, Vertebra
from CervicalSpineDetectionLib.Evaluation.Metrics import Reference, boxIou, scoreCase, summary


def box(z, half=10):
    return Bounds(np.array([-20.0, -20, z - half]), np.array([20.0, 20, z + half]))


def vertebra(level, z, confidence=0.9):
    return Vertebra(level, confidence, np.array([0.0, 0, z]), box(z), OrientedBox(np.zeros(3), np.ones(3), np.eye(3)))


REFERENCES = {level: Reference(np.array([0.0, 0, z]), box(z)) for level, z in (("C3", 0), ("C4", -18), ("T1", -72))}


def test_thePerfectAnswerScoresOne():
    scores, extra = scoreCase("a", [vertebra("C3", 0), vertebra("C4", -18)], REFERENCES)
    figures = summary(scores, len(extra))
    assert figures["identificationRate20mm"] == figures["identificationRate8mm"] == figures["meanIou"] == 1
    assert figures["allLevelsRightPerScan"] == 1 and figures["falseLevels"] == figures["missedLevels"] == 0


def test_aShiftByOneLevelIsNoHitThoughNearerThan20mm():
    scores, _ = scoreCase("a", [vertebra("C3", -18), vertebra("C4", -36)], REFERENCES)
    assert not scores[0].isHit(20) and scores[0].nearest == "C4"
    assert summary(scores, 0)["allLevelsRightPerScan"] == 0


def test_tenMillimetresOffIsAHitByVerseAndNotStrictly():
    scores, _ = scoreCase("a", [vertebra("C3", 8.5)], REFERENCES)
    assert scores[0].isHit(20) and not scores[0].isHit(8)


def test_aMissedLevelCountsInRateAndIou():
    scores, _ = scoreCase("a", [vertebra("C3", 0)], REFERENCES)
    figures = summary(scores, 0)
    assert figures["missedLevels"] == 1 and figures["identificationRate20mm"] == 0.5 and figures["meanIou"] == 0.5


def test_aLevelTheReferenceLacksIsFalse():
    assert scoreCase("a", [vertebra("C3", 0), vertebra("C7", -60)], REFERENCES)[1] == ["C7"]


def test_aReferenceWithoutCentreCountsForTheBoxOnly():
    references = {"C7": Reference(None, box(0))}
    scores, _ = scoreCase("a", [vertebra("C7", 0)], references)
    assert scores[0].iou == 1 and np.isnan(summary(scores, 0)["centreErrorMedian"])


def test_iouOfHalfOverlappingBoxesIsAThird():
    assert boxIou(box(0), box(10)) == pytest.approx(1 / 3)


def test_edgeErrorsAreFoundMinusReference():
    scores, _ = scoreCase("a", [vertebra("C3", 3)], REFERENCES)
    assert np.allclose(scores[0].edgeErrors, [0, 0, 3, 0, 0, 3])
