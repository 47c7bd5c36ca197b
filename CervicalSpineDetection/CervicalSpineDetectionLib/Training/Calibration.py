"""Fits the level chain's few parameters, and the certainty below which a name is flagged, on views with known names.

Maximum likelihood: the parameters under which the known names of all views are most probable. What they are fitted on
must not be trained on, and must not be what they are judged on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.optimize import minimize

from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Evaluation.ViewReport import namedCts, viewsOfCases
from CervicalSpineDetectionLib.Evaluation.Windows import View
from CervicalSpineDetectionLib.Fusion.LevelChain import Sighting, levelPosterior
from CervicalSpineDetectionLib.Fusion.LevelModel import LevelModel
from CervicalSpineDetectionLib.Imaging.HounsfieldUnits import correctHuOffset
from CervicalSpineDetectionLib.Looks import Examination
from CervicalSpineDetectionLib.SliceDetector.Detector import SliceDetector
from CervicalSpineDetectionLib.Spine.Arrays import Array
from CervicalSpineDetectionLib.Spine.Levels import CERVICAL_LEVELS

FITTED = ("evidenceWeight", "crowding", "classFloor", "depthWeight", "falseCost", "bodyCost", "missedCost")
SAME_VERTEBRA_MM = 10.0
# Of a thousand levels of the fitting data so many may get a wrong name above the certainty: as counted, and, for few
# errors tell little, as the probabilities themselves expect.
MOST_WRONG_PER_1000, MOST_EXPECTED_PER_1000 = 1.0, 2.0
LEAST_PROBABILITY = 1e-4  # of a known name; without it one impossible view would outweigh a thousand others


@dataclass(frozen=True)
class NamedSightings:
    """What was seen in one view, and what it really is.

    :param known: shape (n,), order of the true level of each sighting; -1 where it is not known.
    """

    sightings: list[Sighting]
    known: Array


def namedSightings(view: View, sightings: Sequence[Sighting]) -> NamedSightings:
    """Sightings with the true level of the known vertebra that each is nearest to: bodies in view first, then arches
    whose bodies are out of view, where also the middle of what is shown of them counts.

    :param sightings: in LPS mm of the view.
    """
    pairs = []
    for one in view.levels:
        for index, sighting in enumerate(sightings):
            distance = float(np.linalg.norm(sighting.centre - one.centre))
            if not one.bodyInView and one.shown is not None:
                distance = min(distance, float(np.linalg.norm(sighting.centre - one.shown.centre)))
            if (one.bodyInView or one.inView) and distance < SAME_VERTEBRA_MM:
                pairs.append((not one.bodyInView, distance, index, one.level.order))
    known = np.full(len(sightings), -1)
    for _, _, index, order in sorted(pairs):
        if known[index] < 0 and order not in known:
            known[index] = order
    return NamedSightings(list(sightings), known)


def calibrate(detector: SliceDetector, folder: str | None, unlabelled: Sequence[str], most: int | None, seed: int,
              tell: Callable[[str], None]) -> tuple[LevelModel, dict[str, Any]]:
    """Fit on views of CTs with known levels.

    :param folder, unlabelled, most, seed: see ``ViewReport.namedCts`` and ``viewsOfCases``.
    :param tell: gets a line of progress.
    :return: (parameters, what they were fitted on, for the model card).
    :raises InputError: no view shows a known level.
    """
    views = []
    names: dict[str, None] = {}
    for view in viewsOfCases(namedCts(folder, unlabelled, detector), most, seed):
        try:
            fused, _, _ = Examination(correctHuOffset(view.image)[0], detector).best()
        except InputError:
            continue
        named = namedSightings(view, fused.sightings)
        # Where the patient seems to be turned every name is flagged, however probable.
        if (named.known >= 0).any() and not fused.orientationDoubt:
            views.append(named)
        if view.case not in names:
            names[view.case] = None
            tell(f"{view.case}, {len(views)} views")
    if not views:
        raise InputError("None of the CTs shows a level whose name is known; give CTs that show C1 and C2.")
    model = fitLevelModel(views)
    counted = int(sum((view.known >= 0).sum() for view in views))
    return model, {"cases": list(names), "views": len(views), "vertebrae": counted, "seed": seed,
                   "meanLogLikelihood": round(-_badness(views, model), 4)}


def _badness(views: Sequence[NamedSightings], model: LevelModel) -> float:
    return float(np.mean(np.concatenate([-np.log(_probabilities(view, model)) for view in views])))


def fitLevelModel(views: Sequence[NamedSightings], start: LevelModel | None = None) -> LevelModel:
    """The parameters under which the known names are most probable, and the certainty that goes with them.

    :param views: each counts as much as the number of its known names.
    """
    start = start or LevelModel()

    def withValues(values: Array) -> LevelModel:
        return replace(start, **dict(zip(FITTED, np.exp(values).tolist(), strict=True)))

    def badness(values: Array) -> float:
        return _badness(views, withValues(values))

    # On a logarithmic scale: all are positive, and a tenth more means the same for each.
    first = np.log([max(getattr(start, name), 1e-3) for name in FITTED])
    simplex = np.vstack([first, first + 0.5 * np.eye(len(first))])
    found = minimize(badness, first, method="Nelder-Mead",
                     options={"initial_simplex": simplex, "xatol": 0.03, "fatol": 1e-4, "maxfev": 250})
    model = withValues(found.x)
    return replace(model, certainty=certaintyOf(views, model))


def _probabilities(view: NamedSightings, model: LevelModel) -> Array:
    marginals = levelPosterior(view.sightings, model).marginals
    rows = np.flatnonzero(view.known >= 0)
    return np.maximum(marginals[rows, view.known[rows]], LEAST_PROBABILITY)


def certaintyOf(views: Sequence[NamedSightings], model: LevelModel) -> float:
    """The probability above which few enough levels get a wrong name, see ``MOST_WRONG_PER_1000``."""
    confidences, wrong = [], []
    levels = 0
    for view in views:
        posterior = levelPosterior(view.sightings, model)
        levels += int(((view.known >= 0) & (view.known < len(CERVICAL_LEVELS))).sum())
        for index, order in posterior.names():
            if view.known[index] != -1 and order < len(CERVICAL_LEVELS):
                confidences.append(posterior.marginals[index, order])
                wrong.append(view.known[index] != order)
    surest = np.argsort(confidences)[::-1]
    confidence = np.array(confidences, float)[surest]
    counted = np.cumsum(np.array(wrong, bool)[surest]) > MOST_WRONG_PER_1000 * levels / 1000
    expected = np.cumsum(1 - confidence) > MOST_EXPECTED_PER_1000 * levels / 1000
    tooMany = np.flatnonzero(counted | expected)
    # Just above the first name that is one too many.
    return float(np.clip(confidence[tooMany[0]] + 1e-6, 0.5, 0.9999)) if len(tooMany) else 0.5
