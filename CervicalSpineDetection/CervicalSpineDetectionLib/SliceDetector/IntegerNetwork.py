"""The network in whole numbers of 8 bits, run by ONNX Runtime on processors that multiply them without loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from CervicalSpineDetectionLib.SliceDetector import OnnxNetwork
from CervicalSpineDetectionLib.SliceDetector.BoxSelection import LEAST_LOGIT
from CervicalSpineDetectionLib.SliceDetector.OnnxNetwork import STRIDES, OnProcessor, boxesOf, session
from CervicalSpineDetectionLib.Spine.Arrays import Array

RANGES = "integerRanges"  # field of a card
RANGES_OF = "integerRangesOf"  # the SHA-256 of the weights they were measured with, where a card names several
# How far the box of a place looks around it, in places: two convolutions of 3 x 3.
REACH = 2


def canRun(device: str, precision: str, card: Mapping[str, object]) -> bool:
    """Whether a network that is wanted like this can be an ``IntegerNetwork``.

    :param device, precision: see ``OnnxNetwork.canRun``.
    :param card: of weights; has a field ``RANGES`` where they were measured, see ``IntegerGraph``.
    """
    return OnnxNetwork.canRun(device, precision) and canCompute(precision, card.get(RANGES))


def canCompute(precision: str, ranges: object) -> bool:
    """The same of any network on the processor. :param ranges: of a card."""
    return precision == "auto" and _areRanges(ranges) and multipliesExactly()


def _areRanges(ranges: object) -> bool:
    """Of a card that people may have changed."""
    return isinstance(ranges, dict) and bool(ranges) and all(
        isinstance(span, list) and len(span) == 2 and all(isinstance(number, (int, float)) for number in span)
        and -np.inf < span[0] <= span[1] < np.inf for span in ranges.values())


@lru_cache(maxsize=1)
def multipliesExactly() -> bool:
    """Whether this processor adds up products of 8 bits in 32 (x86: "VNNI"), not in 16, which they exceed."""
    from CervicalSpineDetectionLib.SliceDetector.IntegerGrid import LARGEST, LARGEST_WEIGHT, oneConvolution

    channels, expected = 64, 200
    weights = np.full((16, channels, 1, 1), LARGEST_WEIGHT, np.int8)
    run = session(oneConvolution(weights, LARGEST * LARGEST_WEIGHT * channels / expected))
    found = run.run(None, {run.get_inputs()[0].name: np.full((1, channels, 1, 1), LARGEST, np.uint8)})[0]
    return bool((found == expected).all())


class IntegerNetwork(OnProcessor):
    """See ``YoloDetector.Network``.

    :param architecture: see ``NetworkLayers``. :param weights: name -> array, as ultralytics names them.
    :param ranges: see ``IntegerGraph``.
    :raises WrongWeights: weights or ranges are not those of this network.
    """

    precision = "int8"

    def __init__(self, architecture: str, classCount: int, weights: Mapping[str, Array],
                 ranges: Mapping[str, Sequence[float]]) -> None:
        from CervicalSpineDetectionLib.SliceDetector.IntegerGraph import CHOSEN, blocksOf, integerModels
        from CervicalSpineDetectionLib.SliceDetector.OnnxGraph import INPUT

        self._input, self._chosen, self._blocksOf = INPUT, CHOSEN, blocksOf
        models = integerModels(architecture, classCount, weights, ranges)
        self._look, self._boxes = session(models.look, threads=1), [session(one, threads=1) for one in models.boxes]

    def predict(self, pictures: Array) -> Array:
        """See ``YoloDetector.Network``."""
        seen = self._look.run(None, {self._input: self._blocksOf(pictures)})
        scales = len(STRIDES)
        return np.concatenate([self._found(*one) for one in zip(
            seen[:scales], seen[scales:], self._boxes, STRIDES, strict=True)], axis=1)

    def _found(self, features: Array, classes: Array, boxes: Any, stride: int) -> Array:
        """What one scale shows: boxes are computed where something is seen only."""
        classes = classes.reshape(*features.shape[:3], -1)
        isSeen = np.asarray((classes > LEAST_LOGIT).any(axis=3))
        rows, columns = np.nonzero(isSeen.any(axis=0))
        distances = np.zeros((len(classes), len(rows), 4), np.float32)
        if len(rows):
            pictures, places = np.nonzero(isSeen[:, rows, columns])
            top, left = (max(int(one.min()) - REACH, 0) for one in (rows, columns))
            bottom, right = (int(one.max()) + REACH + 1 for one in (rows, columns))
            part = np.ascontiguousarray(features[:, top:bottom, left:right])
            chosen = np.stack([pictures, rows[places] - top, columns[places] - left], axis=1)
            distances[pictures, places] = boxes.run(None, {self._input: part, self._chosen: chosen})[0]
        return boxesOf(distances, classes[:, rows, columns], rows, columns, stride)
