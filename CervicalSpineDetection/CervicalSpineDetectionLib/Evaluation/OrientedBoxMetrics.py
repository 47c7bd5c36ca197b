"""Boxes along the vertebrae's own axes against label maps: what they hold, how tight they are, how they lean."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from CervicalSpineDetectionLib.Evaluation.Metrics import STRICT_RADIUS_MM, Reference
from CervicalSpineDetectionLib.Spine.Arrays import Array
from CervicalSpineDetectionLib.Spine.Levels import CERVICAL_LEVELS, Level
from CervicalSpineDetectionLib.Spine.Vertebra import Vertebra
from CervicalSpineDetectionLib.Truth.TightBoxes import endPlateLean, shareInside, tightestBox


@dataclass(frozen=True)
class OrientedBoxScore:
    """One vertebra.

    :param held: share of its voxels inside the found box, 0 to 1.
    :param volumeRatio: of the found box over the tightest one along the same axes that holds 98 % of the voxels.
    :param leanError: degrees, found minus that of its end plates; nan for C1 and C2, which have not two.
    """

    level: Level
    held: float
    volumeRatio: float
    leanError: float


def scoreOrientedBoxes(vertebrae: Sequence[Vertebra], references: Mapping[str, Reference],
                       labels: sitk.Image) -> list[OrientedBoxScore]:
    """Of the cervical vertebrae that are wholly in view and were found in their place.

    :param vertebrae: as found.
    :param labels: codes as in ``Levels.SPINE_LEVELS``, identity direction.
    """
    scores = []
    for vertebra, _, points, plates in scoredVertebrae(vertebrae, references, labels):
        box = vertebra.orientedBox
        tightest = tightestBox(points, box.axes)
        scores.append(OrientedBoxScore(vertebra.level, shareInside(points, box),
                                       float(np.prod(box.size) / np.prod(tightest.size)), -plates))
    return scores


def scoredVertebrae(vertebrae: Sequence[Vertebra], references: Mapping[str, Reference],
                    labels: sitk.Image) -> Iterator[tuple[Vertebra, Reference, Array, float]]:
    """Those that ``scoreOrientedBoxes`` is of: seen, as a whole and in their place.

    :return: yields (vertebra, its reference, centres of its voxels of shape (n, 3), degrees that its end plates lean
        further forward than its box: nan for C1 and C2, which have not two).
    """
    for vertebra in vertebrae:
        reference = references.get(vertebra.level)
        if reference is None or reference.centre is None or not _isScored(vertebra, reference.centre):
            continue
        points = voxelsOf(labels, vertebra.level)
        hasPlates = vertebra.level not in (Level.C1, Level.C2)
        yield vertebra, reference, points, (
            endPlateLean(points, reference.centre, vertebra.orientedBox.axes) if hasPlates else float("nan"))


def _isScored(vertebra: Vertebra, centre: Array) -> bool:
    """:param centre: shape (3,), LPS mm, the true one."""
    return (vertebra.level in CERVICAL_LEVELS and not vertebra.inferred and vertebra.complete
            and float(np.linalg.norm(centre - vertebra.centre)) <= STRICT_RADIUS_MM)


def voxelsOf(labels: sitk.Image, level: Level) -> Array:
    """Centres of a vertebra's voxels, shape (n, 3), LPS mm. :param labels: as in ``scoreOrientedBoxes``."""
    index = np.argwhere(sitk.GetArrayViewFromImage(labels) == level.code)[:, ::-1]
    return np.asarray(index * np.array(labels.GetSpacing()) + labels.GetOrigin())


def orientedBoxFigures(cases: Sequence[Sequence[OrientedBoxScore]]) -> dict[str, float]:
    """Figures over cases; nan where nothing counts.

    :param cases: scores of each scan.
    """
    table = np.array([[score.held, score.volumeRatio, score.leanError] for case in cases for score in case])
    table = table.reshape(-1, 3)
    leans = table[~np.isnan(table[:, 2]), 2]
    return {
        "vertebrae": len(table),
        "heldMean": _of(np.mean, table[:, 0]),
        "heldMedian": _of(np.median, table[:, 0]),
        "volumeRatioMedian": _of(np.median, table[:, 1]),
        "leanErrorMedian": _of(np.median, np.abs(leans)),
        "leanBias": _of(np.median, leans),
    }


def _of(statistic: Callable[[Array], float], values: Array) -> float:
    return float(statistic(values)) if len(values) else float("nan")
