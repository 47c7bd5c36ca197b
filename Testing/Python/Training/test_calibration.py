from dataclasses import replace

import numpy as np
import pytest

from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Evaluation.Windows import View, ViewedLevel
from CervicalSpineDetectionLib.Fusion.LevelChain import Sighting, levelPosterior
from CervicalSpineDetectionLib.Fusion.LevelModel import LevelModel
from CervicalSpineDetectionLib.Spine.Boxes import Bounds
from CervicalSpineDetectionLib.Spine.Levels import Level
from CervicalSpineDetectionLib.Spine.Morphometry import DEPTH_MM, SPACING_MM
from CervicalSpineDetectionLib.Training.Calibration import (
    MOST_EXPECTED_PER_1000,
    NamedSightings,
    calibrate,
    certaintyOf,
    fitLevelModel,
    namedSightings,
)

HEIGHTS = np.concatenate([[0], np.cumsum(SPACING_MM)])


def seen(first, opinion):
    """Three vertebrae from ``first`` on that the network takes for three from ``opinion`` on."""
    sightings = []
    for step in range(3):
        order = Level(first).order + step
        scores = np.full(12, 0.3)
        scores[Level(opinion).order + step] = 10.0
        sightings.append(Sighting(np.array([0.0, 0, -HEIGHTS[order]]), scores, 20.0, 20.0, DEPTH_MM[order], True))
    return NamedSightings(sightings, np.arange(Level(first).order, Level(first).order + 3))


def views(wrong, count=20):
    """Of so many views the network is wrong by one level in ``wrong``, all along the chain."""
    return [seen("C4", "C5" if i < wrong else "C4") for i in range(count)]


def meanConfidence(views_, model):
    return np.mean([levelPosterior(view.sightings, model).marginals.max(axis=1).mean() for view in views_])


def test_aNetworkThatIsOftenWrongIsBelievedLess():
    good, bad = fitLevelModel(views(0)), fitLevelModel(views(8))
    assert meanConfidence(views(0), good) > 0.97
    assert meanConfidence(views(8), bad) == pytest.approx(0.6, abs=0.12)  # right in 12 of 20


def test_theCertaintyLiesAboveTheWrongNames():
    wrong = views(8)
    model = LevelModel(evidenceWeight=2.0)
    certainty = certaintyOf(wrong, model)
    misnamed = levelPosterior(wrong[0].sightings, model)
    highest = max(misnamed.marginals[index, order] for index, order in misnamed.names())
    assert certainty > highest or certainty == 0.9999


def test_withoutAWrongNameTheProbabilitiesThemselvesDecide():
    doubtful = seen("C4", "C4")
    model = LevelModel()
    certainty = certaintyOf([doubtful] * 20, model)
    posterior = levelPosterior(doubtful.sightings, model)
    confidences = np.array([posterior.marginals[index, order] for index, order in posterior.names()] * 20)
    above = confidences[confidences >= certainty]
    assert 0.5 < certainty and (1 - above).sum() <= MOST_EXPECTED_PER_1000 * len(confidences) / 1000


def viewOf(*levels, arches=(), below=()):
    """Vertebrae in a straight line; of ``arches`` the body is out of view, of ``below`` all."""
    viewed = []
    for level in (*levels, *arches, *below):
        middle = np.array([0.0, 0, -HEIGHTS[Level(level).order]])
        shown = None if level in below else Bounds(middle + [-20, 30.0, -10], middle + [20, 50.0, 10])
        viewed.append(ViewedLevel(Level(level), middle, shown, level in levels, level not in below))
    return View("a", "window", None, tuple(viewed))


def test_aSightingIsTheKnownVertebraInViewThatItIsAt():
    view = viewOf("C2", "C3", arches=["C4"], below=["C5"])
    second, third, fourth, fifth = (one.centre for one in view.levels)
    at = [second + [0, 0, 40], second + [0, 3, 0], second + [0, 5, 0], third + [30, 0, 0], third, fourth + [0, 38, 0],
          fifth]
    named = namedSightings(view, [replace(seen("C4", "C4").sightings[0], centre=centre) for centre in at])
    assert named.known.tolist() == [-1, Level.C2.order, -1, -1, Level.C3.order, Level.C4.order, -1]


def test_parametersGoIntoTheCardAndBack():
    model = replace(LevelModel(), evidenceWeight=1.25, certainty=0.97)
    assert LevelModel.fromCard({"levelModel": model.asCard()}) == model
    assert LevelModel.fromCard({}) == LevelModel()


@pytest.mark.parametrize("entry", [{"evidenceWeight": -1.0}, {"certainty": 0.0}, {"certainty": 2.0},
                                   {"evidenceWeight": float("nan")}, {"crowding": "x"}])
def test_aCardWithNumbersThatCanNotBeUsedIsRefused(entry):
    with pytest.raises(ValueError):
        LevelModel.fromCard({"levelModel": entry})


def test_nothingToCalibrateOnIsSaid(tmp_path):
    with pytest.raises(InputError, match="that show C1 and C2"):
        calibrate(None, None, [], None, 0, print)
