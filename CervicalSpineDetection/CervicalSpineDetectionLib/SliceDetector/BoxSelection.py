"""The best boxes of a picture among the hundreds that a network gives around each vertebra.

In numpy, with the arithmetic and the order of ``torchvision.ops.nms``: the boxes are the same, and torchvision, whose
import takes as long as a whole detection, is not needed for a few hundred boxes.
"""

from __future__ import annotations

import numpy as np

from CervicalSpineDetectionLib.SliceDetector.Detector import BODY_CLASS, SliceDetections
from CervicalSpineDetectionLib.Spine.Arrays import Array

SCORE_THRESHOLD = 0.05
# The same before the network's sigmoid, with room for rounding.
LEAST_LOGIT = float(np.log(SCORE_THRESHOLD / (1 - SCORE_THRESHOLD))) - 0.01
# Two whole vertebrae beside each other overlap by about 0.3, two bodies hardly at all.
SAME_VERTEBRA_IOU = 0.5
SAME_BODY_IOU = 0.3
# Three times the vertebrae of a person. A network that sees one everywhere must not hold up the fusion for minutes.
MAXIMUM_BOXES = 100


def bestBoxes(centres: Array, sizes: Array, scores: Array) -> SliceDetections:
    """Best boxes of one picture.

    :param centres: pixels, shape (n, 2). :param sizes: pixels, shape (n, 2).
    :param scores: shape (n, classes), as ``Detector.CLASS_NAMES``.
    """
    whole = _keep(centres, sizes, scores[:, :BODY_CLASS].max(axis=1), SAME_VERTEBRA_IOU)
    bodies = _keep(centres, sizes, scores[:, BODY_CLASS], SAME_BODY_IOU)
    return SliceDetections(_corners(centres, sizes, whole), scores[whole, :BODY_CLASS],
                           _corners(centres, sizes, bodies), scores[bodies, BODY_CLASS])


def _corners(centres: Array, sizes: Array, chosen: Array) -> Array:
    """Pixel edges of the chosen boxes, shape (k, 4)."""
    centre, half = centres[chosen], sizes[chosen] / 2
    return np.concatenate([centre - half, centre + half], axis=1)


def _keep(centres: Array, sizes: Array, score: Array, sameObjectIou: float) -> Array:
    """Indices of the ``MAXIMUM_BOXES`` best boxes over the threshold, best first, of which no two overlap by more than
    ``sameObjectIou``.
    """
    candidates = np.flatnonzero(score > SCORE_THRESHOLD)
    candidates = candidates[np.argsort(-score[candidates], kind="stable")]
    corners = _corners(centres, sizes, candidates)
    return candidates[suppress(corners, sameObjectIou)[:MAXIMUM_BOXES]]


def suppress(corners: Array, sameObjectIou: float) -> Array:
    """Which boxes are no second sighting of a better one.

    :param corners: shape (n, 4), best box first.
    :return: their indices, rising.
    """
    left, top, right, bottom = corners.T
    area = (right - left) * (bottom - top)
    width, height = (np.maximum(np.minimum.outer(last, last) - np.maximum.outer(first, first), 0)
                     for first, last in ((left, right), (top, bottom)))
    overlap = width * height
    # Beside an empty box 0 / 0 is no overlap.
    with np.errstate(invalid="ignore"):
        isSame = (overlap / (np.add.outer(area, area) - overlap)).astype(float) > sameObjectIou
    isOpen, kept = np.ones(len(corners), bool), []
    for best in range(len(corners)):
        if isOpen[best]:
            kept.append(best)
            isOpen &= ~isSame[best]
    return np.array(kept, int)
