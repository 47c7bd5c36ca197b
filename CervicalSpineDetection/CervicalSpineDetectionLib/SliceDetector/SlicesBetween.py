"""What a slice shows, told from the slices to both sides of it, where the CT has no voxels of its own there."""

from __future__ import annotations

import numpy as np

from CervicalSpineDetectionLib.SliceDetector.BoxSelection import SCORE_THRESHOLD
from CervicalSpineDetectionLib.SliceDetector.Detector import SliceDetections
from CervicalSpineDetectionLib.Spine.Arrays import Array

# Boxes of one object in slices 4 mm apart overlap by more, those of neighbours by hardly as much; chosen.
SAME_OBJECT_IOU = 0.3


def between(before: SliceDetections, behind: SliceDetections) -> SliceDetections:
    """The mean of two slices: boxes of one object in its mean place, those that one slice alone shows at half of their
    scores.
    """
    boxes, scores = _means(before.boxes, before.scores, behind.boxes, behind.scores)
    bodies, bodyScores = _means(before.bodyBoxes, before.bodyScores[:, None],
                                behind.bodyBoxes, behind.bodyScores[:, None])
    return SliceDetections(boxes, scores, bodies, bodyScores[:, 0])


def _means(boxes: Array, scores: Array, otherBoxes: Array, otherScores: Array) -> tuple[Array, Array]:
    """:param boxes, otherBoxes: shape (n, 4) and (m, 4). :param scores, otherScores: shape (n, k) and (m, k)."""
    one, other = _pairs(boxes, otherBoxes)
    alone, otherAlone = np.delete(np.arange(len(boxes)), one), np.delete(np.arange(len(otherBoxes)), other)
    means = np.concatenate([(boxes[one] + otherBoxes[other]) / 2, boxes[alone], otherBoxes[otherAlone]])
    found = np.concatenate([scores[one] + otherScores[other], scores[alone], otherScores[otherAlone]]) / 2
    clear = found.max(axis=1) > SCORE_THRESHOLD
    return means[clear], found[clear]


def _pairs(boxes: Array, others: Array) -> tuple[Array, Array]:
    """Indices of those boxes that are each other's best fit, both shape (k,)."""
    if not len(boxes) or not len(others):
        return np.arange(0), np.arange(0)
    low, high = np.maximum(boxes[:, None, :2], others[:, :2]), np.minimum(boxes[:, None, 2:], others[:, 2:])
    overlap = np.maximum(high - low, 0).prod(axis=2)
    areas, otherAreas = ((part[:, 2:] - part[:, :2]).prod(axis=1) for part in (boxes, others))
    iou = overlap / np.maximum(areas[:, None] + otherAreas - overlap, 1e-9)
    best = iou.argmax(axis=1)
    one = np.flatnonzero((iou.max(axis=1) >= SAME_OBJECT_IOU) & (iou.argmax(axis=0)[best] == np.arange(len(boxes))))
    return one, best[one]
