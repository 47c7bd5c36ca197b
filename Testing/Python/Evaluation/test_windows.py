from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk

from CervicalSpineDetectionLib.Evaluation.ViewMetrics import (
    calibrationError,
    riskAndCoverage,
    scoreView,
    viewFigures,
)
from CervicalSpineDetectionLib.Evaluation.Windows import KnownLevel, View, ViewedLevel, levelsOfWholeView, viewsOf
from CervicalSpineDetectionLib.Spine.Boxes import Bounds, OrientedBox
from CervicalSpineDetectionLib.Spine.Levels import LEVELS, Level
from CervicalSpineDetectionLib.Spine.Vertebra import DetectionResult, NameBasis, Vertebra

BOX = OrientedBox(np.zeros(3), np.ones(3), np.eye(3))


def centreOf(level):
    return np.array([0.0, 10, 100 - 18.0 * Level(level).order])


def known(*levels):
    return [KnownLevel(Level(level), centre, Bounds(centre - [30, 10, 11], centre + [30, 40, 11]))
            for level, centre in ((level, centreOf(level)) for level in levels)]


def ct():
    """Voxel values are their own heights in mm."""
    heights = np.arange(-90, 150, 3.0)
    image = sitk.GetImageFromArray(np.tile(heights[:, None, None], (1, 40, 40)).astype(np.float32))
    image.SetSpacing([4, 4, 3])
    image.SetOrigin([-80, -70, -90])
    return image


def views(*levels, most=None, seed=0):
    return list(viewsOf("a", ct(), known(*levels), np.random.default_rng(seed), most))


def vertebra(name, at, doubt="", confidence=0.9):
    centre = centreOf(at) if isinstance(at, str) else np.asarray(at, float)
    return Vertebra(name, confidence, centre, Bounds(centre - 10, centre + 10), BOX, doubt=doubt)


def boundsAt(middle, half=(30, 25, 11)):
    return Bounds(np.asarray(middle, float) - half, np.asarray(middle, float) + half)


def view(*levels, inView=None):
    return View("a", "whole", ct(), tuple(
        ViewedLevel(Level(level), centreOf(level), boundsAt(centreOf(level) + [0, 15, 0]), True,
                    inView is None or level in inView)
        for level in levels))


def test_theWholeCtComesFirstAndUncut():
    first = views("C2", "C3", "C4", "C5")[0]
    assert first.kind == "whole" and first.image.GetSize() == ct().GetSize()
    assert all(viewed.inView for viewed in first.levels)


def test_aLevelIsInViewWhereItsCentreAndMostOfItsHeightAre():
    for cut in views(*LEVELS[:7]):
        if not cut.kind.startswith(("cut", "window")):
            continue
        voxels = sitk.GetArrayViewFromImage(cut.image)
        for viewed in cut.levels:
            inside = voxels.min() - 1.5 <= viewed.centre[2] <= voxels.max() + 1.5
            assert inside or not viewed.inView


def test_aWindowOfSoManyLevelsShowsAboutSoMany():
    for cut in views(*LEVELS[:7]):
        if cut.kind.startswith("window"):
            assert abs(sum(viewed.inView for viewed in cut.levels) - int(cut.kind[-1])) <= 1


def test_aTurnedHeaderTurnsVoxelsAndCentresAlike():
    turned = [one for one in views(*LEVELS[:7]) if one.kind.startswith("turned")]
    assert len(turned) == 4
    for one in turned:
        for viewed, original in zip(one.levels, known(*LEVELS[:7]), strict=True):
            index = one.image.TransformPhysicalPointToContinuousIndex(viewed.centre.tolist())
            before = ct().TransformPhysicalPointToContinuousIndex(original.centre.tolist())
            assert index == pytest.approx(before, abs=1e-3)


def test_theSameSeedCutsTheSameViews():
    assert [one.image.GetSize() for one in views(*LEVELS[:5])] == [one.image.GetSize() for one in views(*LEVELS[:5])]
    assert [one.image.GetSize() for one in views(*LEVELS[:5])] != [
        one.image.GetSize() for one in views(*LEVELS[:5], seed=1)]


def test_noMoreViewsThanAskedForAndTheWholeOneAmongThem():
    chosen = views(*LEVELS[:7], most=5)
    assert len(chosen) <= 5 and chosen[0].kind == "whole"


def test_landmarksAreC1C2AndTheVertebraOfTheFirstRibs():
    assert view("C2", "C3").hasLandmark and view("C7", "T1").hasLandmark and not view("C4", "C5").hasLandmark
    assert not view("C2", "C3", inView=["C3"]).hasLandmark


def test_rightFlaggedSilentAndMissedAreToldApart():
    scores = scoreView(view("C3", "C4", "C5", "C6"), [
        vertebra("C3", "C3"), vertebra("C4", "C4", "level uncertain"), vertebra("C6", "C5")])
    figures = viewFigures(scores)
    assert [figures[key] for key in ("levels", "right", "rightFlagged", "silentlyWrong", "wrongFlagged", "missed")] == [
        4, 1, 1, 1, 0, 1]
    assert figures["silentlyWrongPer1000"] == 250


def test_onlyCervicalLevelsInViewAreCountedAsLevelsNotFurtherNames():
    between = (centreOf("C3") + centreOf("C4")) / 2 + [12.0, 0, 0]
    figures = viewFigures(scoreView(view("C3", "C4", "T1"), [
        vertebra("C3", "C3"), vertebra("C4", "C4"), vertebra("C5", "C4", "level uncertain"),
        vertebra("C6", between, "level uncertain"), vertebra("C7", "T1", "level uncertain")]))
    assert (figures["levels"], figures["right"], figures["rightShare"], figures["wrongFlagged"]) == (2, 2, 1, 3)


def test_aThoracicVertebraWithACervicalNameIsWrong():
    figures = viewFigures(scoreView(view("T1", "T2"), [vertebra("C7", "T1")]))
    assert figures["silentlyWrong"] == 1 and figures["missed"] == 0


def test_aNameBetweenKnownVertebraeIsWrongAndOneBeyondThemOnlyWhereImpossible():
    shown = view("C3", "C4", "C5")
    between, below = (centreOf("C3") + centreOf("C4")) / 2 + [12.0, 0, 0], centreOf("C6")
    assert [score.isWrong for score in scoreView(shown, [vertebra("C7", between)]) if score.level is None] == [True]
    assert [score for score in scoreView(shown, [vertebra("C6", below)]) if score.level is None] == []
    assert len([score for score in scoreView(shown, [vertebra("C4", below)]) if score.level is None]) == 1


def test_aLevelOutOfViewNeedNotBeFoundButNotBeMisnamed():
    shown = view("C3", "C4", inView=["C4"])
    assert viewFigures(scoreView(shown, [vertebra("C4", "C4")]))["levels"] == 1
    assert viewFigures(scoreView(shown, [vertebra("C4", "C4"), vertebra("C2", "C3")]))["silentlyWrong"] == 1


def test_aConfidenceThatIsRightAsOftenAsItSaysHasNoCalibrationError():
    scores = scoreView(view("C3", "C4", "C5", "C6"), [
        vertebra(name, at, confidence=0.75) for name, at in (("C3", "C3"), ("C4", "C4"), ("C5", "C5"), ("C7", "C6"))])
    assert calibrationError(scores) == pytest.approx(0)


@pytest.mark.parametrize("bodyInView", [True, False])
def test_theAtlasIsNotTakenForTheDensWithinIt(bodyInView):
    """Of the axis a view cut below the atlas shows the dens alone, right in the middle of the ring."""
    middle = centreOf("C1")
    atlas = ViewedLevel(Level.C1, middle - [0, 0, 4], boundsAt(middle, (40, 25, 8)), bodyInView, True)
    axis = ViewedLevel(Level.C2, centreOf("C2"), boundsAt(middle, (15, 20, 7)), False, False)
    shown = View("a", "cut below", ct(), (atlas, axis))
    ring = replace(vertebra("C1", middle - [0, 1, 4]), bounds=boundsAt(middle, (38, 24, 8)))
    dens = replace(vertebra("C2", middle - [0, 0, 14]), bounds=boundsAt(middle, (12, 12, 6)))
    for found in ([ring], [ring, dens]):
        figures = viewFigures(scoreView(shown, found))
        assert (figures["right"], figures["silentlyWrong"], figures["missed"]) == (1, 0, 0)
    assert viewFigures(scoreView(shown, [replace(ring, level="C2")]))["silentlyWrong"] == 1


def test_aPieceOfAVertebraHasTheRightNameWhereverItsCentreIsGuessed():
    below = ViewedLevel(Level.C4, centreOf("C4"), boundsAt(centreOf("C4") + [0, 20, 9], (40, 30, 5)), False, False)
    shown = View("a", "cut below", ct(), (*view("C2", "C3").levels, below))
    whole = [vertebra("C2", "C2"), vertebra("C3", "C3")]
    piece = replace(vertebra("C4", centreOf("C4") + [0, 8, 14]),
                    bounds=boundsAt(centreOf("C4") + [-9, 6, 7], (20, 8, 5)))
    assert [one.level for one in scoreView(shown, [*whole, piece])] == ["C2", "C3"]
    wrong = scoreView(shown, [*whole, replace(piece, level="C5")])
    assert [(one.level, one.found) for one in wrong if one.isWrong] == [("C4", "C5")]


def test_whatAViewDoesNotShowAtAllIsNotFoundInIt():
    cut = next(one for one in views(*LEVELS[:7]) if one.kind == "cut below")
    assert [one.shown is None for one in cut.levels] == [False] + [True] * 6


def test_whereTheBodyIsOutOfViewTheBoxesOfWhatIsShownAreCompared():
    shown = ViewedLevel(Level.C4, centreOf("C4"), boundsAt(centreOf("C4") + [0, 40, -8], (20, 10, 9)), False, True)
    arch = vertebra("C4", centreOf("C4") + [0, 40, -8])
    assert viewFigures(scoreView(View("a", "posterior part", ct(), (shown,)), [arch]))["right"] == 1


def test_riskRisesWhereLessSureNamesAreWrong():
    scores = scoreView(view("C3", "C4"), [vertebra("C3", "C3"), vertebra("C5", "C4", confidence=0.5)])
    coverage, risk = riskAndCoverage(scores)
    assert coverage.tolist() == [0.5, 1] and risk.tolist() == [0, 0.5]


def test_aWholeViewIsTrustedOnlyWithC1AndC2AndWithoutADoubt():
    found = [vertebra(level, level) for level in LEVELS[:7]]
    sure = DetectionResult(found, basis=NameBasis(("C1", "C2")))
    assert [one.level for one in levelsOfWholeView(sure)] == list(LEVELS[:7])
    assert levelsOfWholeView(DetectionResult(found, basis=NameBasis(("first ribs",)))) == []
    doubted = [*found[:6], vertebra("C7", "C7", "level uncertain")]
    assert levelsOfWholeView(DetectionResult(doubted, basis=NameBasis(("C1", "C2")))) == []
