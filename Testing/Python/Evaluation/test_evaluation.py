import numpy as np
import pytest

from CervicalSpineDetectionLib.Evaluation.Bootstrap import intervals
from CervicalSpineDetectionLib.Evaluation.Metrics import Reference, boxIou, scoreCase, summary
from CervicalSpineDetectionLib.Evaluation.Reliability import reliability
from CervicalSpineDetectionLib.Evaluation.Report import badness
from CervicalSpineDetectionLib.Spine.Boxes import Bounds, OrientedBox
from CervicalSpineDetectionLib.Spine.Vertebra import Vertebra


def box(z, half=10):
    return Bounds(np.array([-20.0, -20, z - half]), np.array([20.0, 20, z + half]))


def vertebra(level, z, confidence=0.9):
    doubt = "level uncertain" if confidence < 0.5 else ""
    return Vertebra(level, confidence, np.array([0.0, 0, z]), box(z), OrientedBox(np.zeros(3), np.ones(3), np.eye(3)),
                    doubt=doubt)


REFERENCES = {level: Reference(np.array([0.0, 0, z]), box(z)) for level, z in (("C3", 0), ("C4", -18), ("T1", -72))}
RIGHT = scoreCase("right", [vertebra("C3", 0), vertebra("C4", -18)], REFERENCES)
SHIFTED = scoreCase("shifted", [vertebra("C3", -18, 0.4), vertebra("C4", -46, 0.8)], REFERENCES)
FALSE = scoreCase("false", [vertebra("C3", 0), vertebra("C4", -18), vertebra("C7", -60, 0.3)], REFERENCES)


def test_thePerfectAnswerScoresOne():
    figures = summary([RIGHT])
    assert figures["identificationRate20mm"] == figures["identificationRate8mm"] == figures["meanIou"] == 1
    assert figures["allLevelsRightPerScan"] == 1 and figures["falseLevels"] == figures["missedLevels"] == 0


def test_aShiftByOneLevelIsNoHitThoughNearerThan20mm():
    assert not SHIFTED.levels[0].isHit(20) and SHIFTED.levels[0].nearest == "C4"
    assert summary([SHIFTED])["allLevelsRightPerScan"] == 0


def test_tenMillimetresOffIsAHitByVerseAndNotStrictly():
    score = scoreCase("a", [vertebra("C3", 8.5)], REFERENCES).levels[0]
    assert score.isHit(20) and not score.isHit(8)


def test_aMissedLevelCountsInRateAndIou():
    figures = summary([scoreCase("a", [vertebra("C3", 0)], REFERENCES)])
    assert figures["missedLevels"] == 1 and figures["identificationRate20mm"] == 0.5 and figures["meanIou"] == 0.5


def test_aLevelTheReferenceLacksIsFalseAndSpoilsItsScan():
    assert FALSE.falseLevels == {"C7": 0.3}
    figures = summary([RIGHT, FALSE])
    assert figures["falseLevels"] == 1 and figures["allLevelsRightPerScan"] == 0.5


def test_foundThoracicLevelsAreNotScored():
    assert scoreCase("a", [vertebra("T2", -90)], REFERENCES).falseLevels == {}


@pytest.mark.parametrize("found", [[vertebra("C7", 0)], []])
def test_aReferenceWithoutCentreCountsForTheBoxOnly(found):
    case = scoreCase("a", found, {"C7": Reference(None, box(0))})
    figures = summary([case])
    assert figures["meanIou"] == len(found) and np.isnan(figures["centreErrorMedian"])
    assert np.isnan(figures["identificationRate20mm"]) and figures["missedLevels"] == 1 - len(found)


def test_aLevelWithoutCentreDoesNotHideTheErrorsOfOthers():
    case = scoreCase("a", [vertebra("C3", 2), vertebra("C4", -18)], {**REFERENCES, "C4": Reference(None, box(-18))})
    assert summary([case])["centreErrorMedian"] == 2


def test_iouOfHalfOverlappingBoxesIsAThird():
    assert boxIou(box(0), box(10)) == pytest.approx(1 / 3)


def test_edgeErrorsAreFoundMinusReference():
    assert np.allclose(scoreCase("a", [vertebra("C3", 3)], REFERENCES).levels[0].edgeErrors, [0, 0, 3, 0, 0, 3])


def test_edgeErrorsAreMediansOfTheirSizeAndBiasKeepsTheSign():
    cases = [scoreCase("a", [vertebra("C3", z)], REFERENCES) for z in (-2, -1, 4)]
    figures = summary(cases)
    assert figures["edgeErrorMedian"] == [0, 0, 2, 0, 0, 2] and figures["edgeBias"] == [0, 0, -1, 0, 0, -1]


def test_scansAreDrawnNotLevels():
    # Every level of a scan is right or wrong together: with two scans only 0, 0.5 and 1 can be drawn.
    seen = []
    limits = intervals([RIGHT, SHIFTED], lambda drawn: seen.append(summary(drawn)) or seen[-1], resamples=50)
    assert {figures["identificationRate20mm"] for figures in seen} == {0, 0.5, 1}
    assert limits["identificationRate20mm"] == [0, 1]


def test_intervalsAreTheSameEachTimeAndNanWhereNothingIsDefined():
    noCentre = [scoreCase("a", [vertebra("C7", 0)], {"C7": Reference(None, box(0))})]
    assert intervals([RIGHT, SHIFTED, FALSE], summary, 30) == intervals([RIGHT, SHIFTED, FALSE], summary, 30)
    limits = intervals(noCentre, summary, 5)
    assert np.isnan(limits["centreErrorMedian"]).all() and limits["meanIou"] == [1, 1]


def test_theIntervalOfAMeanHasTheTextbookWidth():
    values = np.random.default_rng(3).normal(0, 1, 400)
    lower, upper = intervals(list(values), lambda drawn: {"mean": np.mean(drawn)}, 1000)["mean"]
    assert upper - lower == pytest.approx(2 * 1.96 / 20, rel=0.12)


def test_wrongLevelsAreCountedFlaggedOrNot():
    figures = reliability([RIGHT, SHIFTED, FALSE])
    assert figures["wrongFlagged"] == 2 and figures["wrongUnflagged"] == 1  # 0.4 and the false 0.3; 0.8
    assert figures["rightFlagged"] == 0 and figures["rightUnflagged"] == 4


def test_eachConfidenceFallsInItsBinTheLowerEdgeIncluded():
    bins = {entry["from"]: entry for entry in reliability([RIGHT, SHIFTED, FALSE])["bins"]}
    assert bins[0.9]["levels"] == 4 and bins[0.9]["right"] == 1
    assert bins[0.8]["levels"] == 1 and bins[0.8]["right"] == 0
    assert bins[0.0]["levels"] == 2 and bins[0.5]["levels"] == 0 and bins[0.5]["right"] is None


def test_theCalibrationErrorIsTheMeanGapOfConfidenceAndTruth():
    assert reliability([RIGHT])["expectedCalibrationError"] == pytest.approx(0.1)


def test_theWorstScansComeFirst():
    off = scoreCase("off", [vertebra("C3", 8.5), vertebra("C4", -18)], REFERENCES)
    loose = scoreCase("loose", [vertebra("C3", 3), vertebra("C4", -18)], REFERENCES)
    order = sorted([RIGHT, loose, off, FALSE, SHIFTED], key=badness)
    assert [case.case for case in order] == ["shifted", "false", "off", "loose", "right"]


def test_aSliverMayBeFoundAndNeedNot():
    found = [vertebra("C3", 0), vertebra("C4", -18), vertebra("C7", -60, 0.3)]
    assert scoreCase("a", found, REFERENCES, {"C7"}).falseLevels == {}
    assert [level.level for level in scoreCase("a", found[:2], REFERENCES, {"C7"}).levels] == ["C3", "C4"]
