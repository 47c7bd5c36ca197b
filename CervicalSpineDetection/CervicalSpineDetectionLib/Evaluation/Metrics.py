"""Found vertebrae against reference vertebrae."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from CervicalSpineDetectionLib.Spine.Arrays import Array
from CervicalSpineDetectionLib.Spine.Boxes import Bounds
from CervicalSpineDetectionLib.Spine.Levels import CERVICAL_LEVELS, Level
from CervicalSpineDetectionLib.Spine.Vertebra import Vertebra

VERSE_RADIUS_MM = 20.0  # Sekuboyina et al. 2021, VerSe, Medical Image Analysis 73, 102166
STRICT_RADIUS_MM = 8.0
SIDES = ("right", "anterior", "inferior", "left", "posterior", "superior")


@dataclass(frozen=True)
class Reference:
    """What a reader marked.

    :param centre: shape (3,) LPS mm, or None where the body is out of view.
    :param bounds: Bounds of the whole vertebra in view, or None where only the centre was marked.
    """

    centre: np.ndarray | None
    bounds: Bounds | None


@dataclass(frozen=True)
class LevelScore:
    """One reference level of one case.

    :param hasCentre: the reference has a centre; else the level counts for box and edges only.
    :param nearest: level of the reference centre that is nearest to the found one; None where nothing was found.
    :param centreError: mm; nan where nothing was found or the reference has no centre.
    :param iou: 0 where nothing was found; nan where the reference has no box.
    :param edgeErrors: shape (6,) mm, found minus reference, of ``SIDES``; nan where nothing was found, or no box.
    :param uncertain: the name was flagged.
    """

    case: str
    level: str
    found: bool
    confidence: float
    hasCentre: bool
    nearest: str | None
    centreError: float
    iou: float
    edgeErrors: np.ndarray
    uncertain: bool = False

    def isHit(self, radius: float) -> bool:
        """Right by the VerSe rule: the nearest centre is that of the same level, and nearer than the radius (mm)."""
        return self.nearest == self.level and self.centreError < radius


@dataclass(frozen=True)
class CaseScore:
    """One scan.

    :param levels: list of LevelScore, one a cervical level of the reference.
    :param falseLevels: level -> confidence of what was found but is not in the reference.
    :param uncertainFalse: those of them that were flagged.
    """

    case: str
    levels: list[LevelScore]
    falseLevels: dict[str, float]
    uncertainFalse: frozenset[str] = frozenset()

    def isRight(self, radius: float) -> bool:
        """Every level with a centre is a hit, and none is false."""
        return not self.falseLevels and all(score.isHit(radius) for score in self.levels if score.hasCentre)

    @cached_property
    def _table(self) -> Array:
        """Shape (levels, 12): found, hasCentre, hit at 20 mm, at 8 mm, centre error, IoU, edge errors."""
        return np.array([
            [score.found, score.hasCentre, score.isHit(VERSE_RADIUS_MM), score.isHit(STRICT_RADIUS_MM),
             score.centreError, score.iou, *score.edgeErrors] for score in self.levels
        ], float).reshape(-1, 12)

    @cached_property
    def _counts(self) -> tuple[int, bool, bool]:
        return len(self.falseLevels), self.isRight(VERSE_RADIUS_MM), self.isRight(STRICT_RADIUS_MM)


def scoreCase(case: str, vertebrae: Sequence[Vertebra], references: Mapping[str, Reference],
              slivers: Collection[str] = ()) -> CaseScore:
    """Scores of one case.

    :param vertebrae: list of Vertebra found.
    :param references: level -> Reference; thoracic ones count as neighbours only.
    :param slivers: levels that are neither missed nor false, see ``Cases.Case``.
    :return: CaseScore.
    """
    found = {vertebra.level: vertebra for vertebra in vertebrae if vertebra.level in CERVICAL_LEVELS}
    centres = {level: reference.centre for level, reference in references.items() if reference.centre is not None}
    scores = []
    for level, reference in references.items():
        if level not in CERVICAL_LEVELS:
            continue
        hasCentre = reference.centre is not None
        vertebra = found.get(Level(level))
        if vertebra is None:
            scores.append(LevelScore(case, level, False, 0.0, hasCentre, None, np.nan,
                                     np.nan if reference.bounds is None else 0.0, np.full(6, np.nan)))
            continue
        distances = {other: float(np.linalg.norm(vertebra.centre - centre)) for other, centre in centres.items()}
        iou, edges = _boxErrors(vertebra.bounds, reference.bounds)
        nearest = min(distances, key=lambda other: distances[other], default=None)
        scores.append(LevelScore(case, level, True, vertebra.confidence, hasCentre, nearest,
                                 distances.get(level, np.nan), iou, edges, vertebra.uncertain))
    false = sorted(found.keys() - references.keys() - set(slivers))
    return CaseScore(case, scores, {level: found[level].confidence for level in false},
                     frozenset(level for level in false if found[level].uncertain))


def _boxErrors(found: Bounds, reference: Bounds | None) -> tuple[float, Array]:
    """IoU, edge errors; nan where the reference has no box."""
    if reference is None:
        return np.nan, np.full(6, np.nan)
    return boxIou(found, reference), np.concatenate([found.minimum - reference.minimum,
                                                     found.maximum - reference.maximum])


def boxIou(first: Bounds, second: Bounds) -> float:
    """Intersection over union of two axis-aligned boxes in 3D."""
    overlap = np.minimum(first.maximum, second.maximum) - np.maximum(first.minimum, second.minimum)
    shared = np.prod(np.maximum(overlap, 0))
    return float(shared / (np.prod(first.size) + np.prod(second.size) - shared))


def summary(cases: Sequence[CaseScore]) -> dict[str, Any]:
    """Figures over cases.

    :param cases: list of CaseScore.
    :return: name -> number, or list of six numbers in the order of ``SIDES``; errors in mm, nan where nothing counts.
    """
    table = np.concatenate([case._table for case in cases]) if cases else np.empty((0, 12))
    counts = np.array([case._counts for case in cases]).reshape(-1, 3)
    found, hasCentre, hit20, hit8 = table[:, :4].T.astype(bool)
    errors = table[found & hasCentre, 4]
    hasBox = ~np.isnan(table[:, 5])
    edges = table[found & hasBox, 6:]
    return {
        "cases": len(cases),
        "levels": len(table),
        "missedLevels": int((~found).sum()),
        "falseLevels": int(counts[:, 0].sum()),
        "identificationRate20mm": _mean(hit20[hasCentre]),
        "identificationRate8mm": _mean(hit8[hasCentre]),
        "allLevelsRightPerScan": _mean(counts[:, 1]),
        "allLevelsRightPerScan8mm": _mean(counts[:, 2]),
        "centreErrorMedian": _quantile(errors, 0.5),
        "centreError95": _quantile(errors, 0.95),
        "meanIou": _mean(table[hasBox, 5]),
        "edgeErrorMedian": _median(np.abs(edges)),
        "edgeBias": _median(edges),
    }


def _mean(values: Array) -> float:
    return float(np.mean(values)) if len(values) else float("nan")


def _quantile(values: Array, q: float) -> float:
    return float(np.quantile(values, q)) if len(values) else float("nan")


def _median(edges: Array) -> list[float]:
    return np.median(edges, axis=0).tolist() if len(edges) else [float("nan")] * 6
