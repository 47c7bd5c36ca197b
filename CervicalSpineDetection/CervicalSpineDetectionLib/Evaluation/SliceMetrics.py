"""2D boxes against label maps: average precision as ultralytics measures it.

Two sets of boxes are compared. "detector": what ``SliceDetector.detect`` gives for each slice, after its own
suppression and the second look at its edges; a box stands for every class it scores above ``MINIMUM_SCORE``, as in
ultralytics' validator; slices and parts of slices that the detector leaves out for speed have none and their true
boxes count as missed.
"afterFusion": the boxes of the vertebrae the level chain named, each of one class, its settled level, scored by the
box's best class score times the level's confidence.

A third set shows how far the figures hang on where a person would stop drawing: the detector's boxes against truth
without those vertebrae of which a slice shows less than 40 or 80 mm2. A box on one that was left out is neither a hit
nor false, as in COCO's evaluation, where such truth is ignored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import SimpleITK as sitk
import torch

from CervicalSpineDetectionLib.Fusion.Edges import withEdges
from CervicalSpineDetectionLib.Fusion.Fuse import FusionResult, fuse
from CervicalSpineDetectionLib.Fusion.SliceBoxes import sliceBoxesOf, toPixelEdges
from CervicalSpineDetectionLib.Imaging.HounsfieldUnits import correctHuOffset
from CervicalSpineDetectionLib.Imaging.Resampling import interpolatedLabels, resampleLabels
from CervicalSpineDetectionLib.Imaging.SagittalVolume import SagittalVolume, emptyGrid
from CervicalSpineDetectionLib.Looks import sharpenerOf, slicesOf
from CervicalSpineDetectionLib.SliceDetector.Detector import (
    BODY_CLASS,
    CLASS_NAMES,
    ProgressCallback,
    SliceDetections,
    SliceDetector,
)
from CervicalSpineDetectionLib.SliceDetector.SecondLook import AskedBoxes, Sharpener
from CervicalSpineDetectionLib.SliceDetector.Ultralytics import importUltralytics
from CervicalSpineDetectionLib.Spine.Arrays import Array
from CervicalSpineDetectionLib.Spine.Levels import CERVICAL_LEVELS
from CervicalSpineDetectionLib.Truth.SliceBoxes import MINIMUM_AREA_MM2, SliceBox, boxesInSlice, middlesOf

MINIMUM_SCORE = 0.01
FINER = 2
IOU_THRESHOLDS = torch.linspace(0.5, 0.95, 10)
VARIANTS = ("detector", "afterFusion")
# Of a vertebra in a slice, mm2; "detector" itself draws from ``MINIMUM_AREA_MM2`` on.
LARGER_AREAS_MM2 = (40, 80)


@dataclass(frozen=True)
class SliceStatistics:
    """What ultralytics' metric needs of some slices.

    :param correct: bool, shape (n, 10): prediction matches a true box at each of ``IOU_THRESHOLDS``.
    :param scores: shape (n,).
    :param classes: shape (n,), indices into ``CLASS_NAMES``.
    :param trueClasses: shape (m,).
    """

    correct: np.ndarray
    scores: np.ndarray
    classes: np.ndarray
    trueClasses: np.ndarray


class RememberingDetector:
    """A ``Detector.SliceDetector`` that does not look twice at the same slices.

    The pipeline and ``scoreSlices`` ask for the same ones, and the network takes most of the time.
    """

    def __init__(self, detector: SliceDetector) -> None:
        self._detector = detector
        self._slices: Array | None = None
        self._detections: list[SliceDetections] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._detector, name)

    def detect(self, slices: Array, progress: ProgressCallback | None = None) -> list[SliceDetections]:
        if self._slices is None or not np.array_equal(slices, self._slices):
            self._slices, self._detections = slices, self._detector.detect(slices, progress)
        return self._detections


def scoreSlices(image: sitk.Image, labels: sitk.Image, detector: SliceDetector) -> dict[str, SliceStatistics]:
    """Both variants on all sagittal slices of one CT.

    :param image: sitk CT.
    :param labels: sitk label map of it, codes as in ``Levels.SPINE_LEVELS``, any grid.
    :param detector: a ``Detector.SliceDetector``.
    :return: name of the variant -> SliceStatistics; besides ``VARIANTS`` those of ``areaVariant``.
    """
    image, _ = correctHuOffset(image)
    volume, slices = slicesOf(image, detector)
    detections = detector.detect(slices)
    truth, *larger = trueBoxes(labels, volume, (MINIMUM_AREA_MM2, *LARGER_AREAS_MM2))
    fused = fuse(detections, volume)
    sharpen = sharpenerOf(image, volume, detector)
    if sharpen:
        fused, detections = withEdges(fused, volume, sharpen), withMovedEdges(detections, volume.pixelSize, sharpen)
    found = [detectorBoxes(d) for d in detections]
    statistics = {"detector": matched(found, truth), "afterFusion": matched(fusedBoxes(fused, volume), truth)}
    for area, boxes in zip(LARGER_AREAS_MM2, larger, strict=True):
        leftOut = [[box for box in all_ if box not in kept] for all_, kept in zip(truth, boxes, strict=True)]
        statistics[areaVariant(area)] = matched(found, boxes, leftOut)
    return statistics


def areaVariant(area: float) -> str:
    """Name of the variant whose truth leaves out what shows less than so many mm2."""
    return f"detector{area}mm2"


def trueBoxes(labels: sitk.Image, volume: SagittalVolume,
              minimumAreas: Sequence[float]) -> list[list[list[SliceBox]]]:
    """Boxes of a label map on the slices of a SagittalVolume, see ``Truth.SliceBoxes.boxesInSlice``.

    Labels are looked at ``FINER`` times as finely as the slices, and between their voxels: told to whole pixels of the
    slices, edges would be off by 0.2 mm, and told by the nearest voxel by as much again.

    :return: for each area a list of boxes for each slice, in pixels of the slices.
    """
    pixelSize = volume.pixelSize / FINER
    # The middle of the first pixel lies further out.
    outward = (volume.pixelSize - pixelSize) / 2
    grid = emptyGrid(np.array(volume.voxels.shape) * [1, FINER, FINER], volume.origin + [0, -outward, outward],
                     pixelSize, volume.sliceSpacing)
    levels = interpolatedLabels(labels, grid)
    xs = volume.origin[0] + np.arange(len(levels)) * volume.sliceSpacing
    middles = middlesOf(resampleLabels(labels, volume), xs, volume.pixelSize)
    return [[[(kind, left / FINER, top / FINER, right / FINER, bottom / FINER)
              for kind, left, top, right, bottom in boxesInSlice(level, x, middles, pixelSize, area)]
             for level, x in zip(levels, xs, strict=True)] for area in minimumAreas]


def detectorBoxes(detections: SliceDetections) -> Array:
    """Predictions of one SliceDetections: array (n, 6) of corners, score, class."""
    box, kind = np.nonzero(detections.scores > MINIMUM_SCORE)
    whole = np.column_stack([detections.boxes[box], detections.scores[box, kind], kind])
    body = np.column_stack([detections.bodyBoxes, detections.bodyScores,
                            np.full(len(detections.bodyScores), BODY_CLASS)])
    return np.concatenate([whole, body])


def withMovedEdges(detections: Sequence[SliceDetections], pixelSize: float,
                   sharpen: Sharpener) -> list[SliceDetections]:
    """All boxes with the edges that a second look finds."""
    found = sliceBoxesOf(detections, pixelSize)
    counts = [(len(one.boxes), len(one.bodyBoxes)) for one in found]
    indices = np.repeat(np.arange(len(found)), np.sum(counts, axis=1))
    isBody = np.concatenate([np.repeat([False, True], own) for own in counts])
    boxes = np.concatenate([part for one in found for part in (one.boxes, one.bodyBoxes)])
    if not len(boxes):
        return list(detections)
    edges = toPixelEdges(sharpen(AskedBoxes(indices, boxes, isBody, np.arange(len(boxes)))).boxes, pixelSize)
    return [replace(one, boxes=edges[(indices == index) & ~isBody], bodyBoxes=edges[(indices == index) & isBody])
            for index, one in enumerate(detections)]


def fusedBoxes(fused: FusionResult, volume: SagittalVolume) -> list[Array]:
    """Predictions after fusion: one array (n, 6) a slice of corners, score, class."""
    rows = [[] for _ in volume.voxels]
    for link in fused.links:
        for track, kind in ((link.candidate.track, link.level.order), (link.candidate.body, BODY_CLASS)):
            if track is not None:
                boxes = toPixelEdges(track.boxes, volume.pixelSize)
                for index, box, strength in zip(track.slices, boxes, track.strengths, strict=True):
                    rows[index].append([*box, strength * link.confidence, kind])
    return [np.array(row, float).reshape(-1, 6) for row in rows]


def matched(predictions: Sequence[Array], truth: Sequence[Sequence[Any]],
            leftOut: Sequence[Sequence[Any]] | None = None) -> SliceStatistics:
    """Match boxes slice by slice as ultralytics' validator does.

    :param predictions: one array (n, 6) a slice: corners, score, class.
    :param truth: one list a slice of (class, firstColumn, firstRow, lastColumn, lastRow).
    :param leftOut: the same of true boxes that need not be found, and may be.
    :return: SliceStatistics.
    """
    importUltralytics()
    if leftOut is not None:
        predictions = [_without(found, boxes, ignored)
                       for found, boxes, ignored in zip(predictions, truth, leftOut, strict=True)]
    from ultralytics.engine.validator import BaseValidator
    from ultralytics.utils.metrics import box_iou

    validator = SimpleNamespace(iouv=IOU_THRESHOLDS)
    correct = []
    predictions = [slice_[np.argsort(-slice_[:, 4], kind="stable")] for slice_ in predictions]
    for found, boxes in zip(predictions, truth, strict=True):
        if not boxes or not len(found):
            correct.append(np.zeros((len(found), len(IOU_THRESHOLDS)), bool))
            continue
        seen, true = torch.from_numpy(found).float(), torch.tensor(boxes, dtype=torch.float32)
        iou = box_iou(true[:, 1:], seen[:, :4])
        hits = BaseValidator.match_predictions(validator, seen[:, 5], true[:, 0], iou)  # type: ignore[arg-type]
        correct.append(hits.numpy())
    all_ = np.concatenate(predictions)
    return SliceStatistics(np.concatenate(correct), all_[:, 4], all_[:, 5].astype(int),
                           np.array([box[0] for boxes in truth for box in boxes], int))


def _without(found: Array, truth: Sequence[Any], leftOut: Sequence[Any]) -> Array:
    """Predictions without those that stand for a box that was left out: of its class, nearest to it, and near it."""
    if not leftOut or not len(found):
        return found
    from ultralytics.utils.metrics import box_iou

    boxes = torch.tensor([*leftOut, *truth], dtype=torch.float32)
    iou = box_iou(boxes[:, 1:], torch.from_numpy(found[:, :4]).float()).numpy()
    iou[boxes[:, 0].numpy()[:, None] != found[:, 5]] = 0
    nearest = iou.argmax(axis=0)
    return found[(nearest >= len(leftOut)) | (iou.max(axis=0) < float(IOU_THRESHOLDS[0]))]


def averagePrecision(statistics: Sequence[SliceStatistics]) -> dict[str, Any]:
    """mAP over cases by ``ultralytics.utils.metrics.ap_per_class``.

    :param statistics: list of SliceStatistics.
    :return: dict: "mAP50" and "mAP50-95", means over the cervical levels in the truth, and "perClass": class name ->
        "AP50", "AP50-95", "boxes" (of the truth).
    """
    importUltralytics()
    from ultralytics.utils.metrics import ap_per_class

    joined = [np.concatenate([getattr(s, name) for s in statistics])
              for name in ("correct", "scores", "classes", "trueClasses")]
    correct, scores, classes, trueClasses = joined
    result = ap_per_class(correct, scores, classes, trueClasses)
    counts = np.bincount(joined[3], minlength=len(CLASS_NAMES))
    perClass = {
        CLASS_NAMES[kind]: {"AP50": float(ap[0]), "AP50-95": float(ap.mean()), "boxes": int(counts[kind])}
        for kind, ap in zip(result[6], result[5], strict=True)
    }
    cervical = [perClass[level] for level in CERVICAL_LEVELS if level in perClass]
    return {"mAP50": _mean(cervical, "AP50"), "mAP50-95": _mean(cervical, "AP50-95"), "perClass": perClass}


def _mean(entries: Sequence[Mapping[str, float]], key: str) -> float:
    return float(np.mean([entry[key] for entry in entries])) if entries else float("nan")
