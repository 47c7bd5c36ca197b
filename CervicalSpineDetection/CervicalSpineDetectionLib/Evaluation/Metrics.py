"""Found vertebrae against reference vertebrae."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from CervicalSpineDetectionLib.Detection.Anatomy import CERVICAL_LEVELS
from CervicalSpineDetectionLib.Detection.Vertebra import Bounds

VERSE_RADIUS_MM = 20.0  # Sekuboyina et al. 2021, VerSe, Medical Image Analysis 73, 102166
STRICT_RADIUS_MM = 8.0


@dataclass(frozen=True)
class Reference:
    """What a reader marked.

    :param centre: shape (3,) LPS mm, or None where the body is out of view.
    :param bounds: Bounds of the whole vertebra in view.
    """

    centre: np.ndarray | None
    bounds: Bounds


@dataclass(frozen=True)
class LevelScore:
    """One reference level of one case.

    :param nearest: level of the reference centre that is nearest to the found one; None where nothing was found.
    :param centreError: mm; nan where nothing was found or the reference has no centre.
    :param edgeErrors: shape (6,) mm, found minus reference: right, anterior, inferior, left, posterior, superior.
    """

    case: str
    level: str
    found: bool
    confidence: float
    nearest: str | None
    centreError: float
    iou: float
    edgeErrors: np.ndarray

    def isHit(self, radius):
        """Right by the VerSe rule: the nearest centre is that of the same level, and nearer than the radius (mm)."""
        return self.nearest == self.level and self.centreError < radius


def scoreCase(case, vertebrae, references):
    """Scores of the cervical reference levels of one case.

    :param vertebrae: list of Vertebra found.
    :param references: level -> Reference; thoracic ones count as neighbours only.
    :return: (list of LevelScore, list of false levels: found but not in the reference).
    """
    found = {vertebra.level: vertebra for vertebra in vertebrae}
    centres = {level: reference.centre for level, reference in references.items() if reference.centre is not None}
    scores = []
    for level, reference in references.items():
        if level not in CERVICAL_LEVELS:
            continue
        vertebra = found.get(level)
        if vertebra is None:
            scores.append(LevelScore(case, level, False, 0.0, None, np.nan, 0.0, np.full(6, np.nan)))
            continue
        distances = {other: float(np.linalg.norm(vertebra.centre - centre)) for other, centre in centres.items()}
        edges = np.concatenate([vertebra.bounds.minimum - reference.bounds.minimum,
                                vertebra.bounds.maximum - reference.bounds.maximum])
        scores.append(LevelScore(
            case, level, True, vertebra.confidence, min(distances, key=distances.get, default=None),
            distances.get(level, np.nan), boxIou(vertebra.bounds, reference.bounds), edges))
    return scores, sorted(set(found) & set(CERVICAL_LEVELS) - set(references))


def boxIou(first, second):
    """Intersection over union of two axis-aligned boxes in 3D."""
    overlap = np.minimum(first.maximum, second.maximum) - np.maximum(first.minimum, second.minimum)
    shared = np.prod(np.maximum(overlap, 0))
    return float(shared / (np.prod(first.size) + np.prod(second.size) - shared))


def summary(scores, falseLevels):
    """Figures over all cases.

    :param scores: list of LevelScore.
    :param falseLevels: how many levels were found that the reference does not have.
    :return: dict of numbers, errors in mm.
    """
    withCentre = [score for score in scores if not (score.found and np.isnan(score.centreError))]
    errors = np.array([score.centreError for score in withCentre if score.found])
    cases = {score.case for score in scores}
    wrong = {score.case for score in withCentre if not score.isHit(VERSE_RADIUS_MM)}
    edges = np.array([score.edgeErrors for score in scores if score.found])
    return {
        "cases": len(cases),
        "levels": len(scores),
        "missedLevels": sum(not score.found for score in scores),
        "falseLevels": falseLevels,
        "identificationRate20mm": _rate(score.isHit(VERSE_RADIUS_MM) for score in withCentre),
        "identificationRate8mm": _rate(score.isHit(STRICT_RADIUS_MM) for score in withCentre),
        "allLevelsRightPerScan": 1 - len(wrong) / max(len(cases), 1),
        "centreErrorMedian": _quantile(errors, 0.5),
        "centreError95": _quantile(errors, 0.95),
        "meanIou": float(np.mean([score.iou for score in scores])) if scores else 0.0,
        "edgeErrorMedian": np.round(np.median(np.abs(edges), axis=0), 2).tolist() if len(edges) else [],
        "edgeBias": np.round(np.median(edges, axis=0), 2).tolist() if len(edges) else [],
    }


def _rate(hits):
    hits = list(hits)
    return sum(hits) / len(hits) if hits else 0.0


def _quantile(values, q):
    return float(np.quantile(values, q)) if len(values) else float("nan")
