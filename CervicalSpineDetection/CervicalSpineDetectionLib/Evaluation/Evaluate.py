"""Detect and score case after case."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import SimpleITK as sitk

from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Evaluation.Cases import Case
from CervicalSpineDetectionLib.Evaluation.Metrics import CaseScore, LevelScore, scoreCase
from CervicalSpineDetectionLib.Evaluation.OrientedBoxMetrics import OrientedBoxScore, scoreOrientedBoxes
from CervicalSpineDetectionLib.Evaluation.Pictures import CasePicture, picture
from CervicalSpineDetectionLib.Evaluation.Report import badness, remark
from CervicalSpineDetectionLib.Evaluation.SliceMetrics import RememberingDetector, SliceStatistics, scoreSlices
from CervicalSpineDetectionLib.Imaging.ReadImage import readImage
from CervicalSpineDetectionLib.Pipeline import detectVertebrae
from CervicalSpineDetectionLib.SliceDetector.Detector import SliceDetector
from CervicalSpineDetectionLib.Spine.Vertebra import Vertebra


@dataclass
class Evaluation:
    """What ``evaluateCases`` measured.

    :param scores: one a case.
    :param slices: of each case with a label map, statistics of its slices.
    :param orientedBoxes: of each case with a label map, those of its vertebrae.
    :param pictures: one a case, the worst first.
    """

    scores: list[CaseScore] = field(default_factory=list)
    slices: list[dict[str, SliceStatistics]] = field(default_factory=list)
    orientedBoxes: list[list[OrientedBoxScore]] = field(default_factory=list)
    pictures: list[CasePicture] = field(default_factory=list)


def evaluateCases(cases: Iterable[Case], detector: SliceDetector, say: Callable[[str], None] = print) -> Evaluation:
    """Detect and score case after case.

    :param say: called with a line for each.
    """
    detector = RememberingDetector(detector)
    evaluation = Evaluation()
    pictures = []
    for case in cases:
        vertebrae = detectVertebrae(case.image, detector).vertebrae
        score = scoreCase(case.name, vertebrae, case.references, case.slivers)
        evaluation.scores.append(score)
        pictures.append((badness(score), picture(case, vertebrae, remark(score))))
        if case.labels is not None:
            evaluation.slices.append(scoreSlices(case.image, case.labels, detector))
            evaluation.orientedBoxes.append(scoreOrientedBoxes(vertebrae, case.references, case.labels))
        say(f"{case.name:<16} {'  '.join(_levelText(level) for level in score.levels)}"
            f"{'  false: ' + ' '.join(score.falseLevels) if score.falseLevels else ''}")
    evaluation.pictures = [shown for _, shown in sorted(pictures, key=lambda pair: pair[0])]
    return evaluation


def evaluateNegative(path: str | Path, detector: SliceDetector) -> tuple[str, list[Vertebra] | None]:
    """:return: (name, list of Vertebra found; None where the scan was refused as no CT of use)."""
    if not Path(path).exists():
        raise InputError(f"{path} does not exist; check the path.")
    return falseLevels(Path(path).name, lambda: readImage(path), detector)


def falseLevels(name: str, read: Callable[[], sitk.Image],
                detector: SliceDetector) -> tuple[str, list[Vertebra] | None]:
    """What is found in a CT without cervical vertebrae.

    :param read: gives the sitk CT.
    :return: as ``evaluateNegative``.
    """
    try:
        vertebrae = detectVertebrae(read(), detector).vertebrae
    except InputError as error:
        print(f"{name}: refused: {error}", flush=True)
        return name, None
    print(f"{name}: {' '.join(f'{v.level} {v.confidence:.2f}' for v in vertebrae) or 'nothing found'}", flush=True)
    return name, vertebrae


def _levelText(score: LevelScore) -> str:
    """e.g. "C3 1.2mm 0.81", with the level it took it for where that is another."""
    if not score.found:
        return f"{score.level} missed"
    taken = "" if score.nearest in (score.level, None) else f" (at {score.nearest})"
    overlap = "" if math.isnan(score.iou) else f" {score.iou:.2f}"
    return f"{score.level} {score.centreError:.1f}mm{overlap}{taken}"
