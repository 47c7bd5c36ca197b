"""A detector that knows the truth: boxes straight from a label map. Tests of the pipeline then test no network."""

import numpy as np

from CervicalSpineDetectionLib.Imaging.Resampling import resampleLabels, resampleSagittal
from CervicalSpineDetectionLib.Looks import GLIMPSES
from CervicalSpineDetectionLib.SliceDetector.Detector import BODY_CLASS, SliceDetections
from CervicalSpineDetectionLib.Truth.SliceBoxes import boxesInSlice, middlesOf


class OracleDetector:
    """See ``SliceDetector.Detector.SliceDetector``.

    :param ct: the image the pipeline will be given.
    :param labels: its label map, on any grid.
    """

    window = (-200.0, 1000.0)
    model = {"name": "oracle", "sha256": "0" * 64}

    def __init__(self, ct, labels, pixelSize=1.0, sliceSpacing=2.0):
        self.pixelSize, self.sliceSpacing = pixelSize, sliceSpacing
        volume = resampleSagittal(ct, pixelSize, sliceSpacing)
        levels = resampleLabels(labels, volume)
        xs = volume.origin[0] + np.arange(len(levels)) * sliceSpacing
        middles = middlesOf(levels, xs, pixelSize)
        self._boxes = [boxesInSlice(level, x, middles, pixelSize) for level, x in zip(levels, xs, strict=True)]

    def detect(self, slices, progress=None):
        if len(slices) <= GLIMPSES:  # shown turned, where nothing was certain
            return [sliceDetections([]) for _ in slices]
        assert len(slices) == len(self._boxes)
        return [sliceDetections(boxes) for boxes in self._boxes]


def sliceDetections(boxes, score=0.9):
    """SliceDetections of (class, firstColumn, firstRow, lastColumn, lastRow) boxes, each with one sure class."""
    whole = [box for box in boxes if box[0] != BODY_CLASS]
    bodies = [box[1:] for box in boxes if box[0] == BODY_CLASS]
    scores = np.zeros((len(whole), BODY_CLASS))
    for row, box in enumerate(whole):
        scores[row, box[0]] = score
    return SliceDetections(
        np.array([box[1:] for box in whole], float).reshape(-1, 4), scores,
        np.array(bodies, float).reshape(-1, 4), np.full(len(bodies), score),
    )
