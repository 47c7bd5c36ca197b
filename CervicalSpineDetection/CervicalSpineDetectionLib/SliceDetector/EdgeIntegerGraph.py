"""The second look's network in whole numbers of 8 bits, see ``IntegerGrid``.

What it gathers along rows and columns, and the last layers, stay in single precision.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from CervicalSpineDetectionLib.SliceDetector.EdgeGraph import EdgeGraph, serializedMaps
from CervicalSpineDetectionLib.SliceDetector.EdgeLayers import LAYERS, LEAST_OWN
from CervicalSpineDetectionLib.SliceDetector.IntegerGrid import PIXELS, Grid, GridGraph
from CervicalSpineDetectionLib.SliceDetector.NetworkLayers import WrongWeights
from CervicalSpineDetectionLib.SliceDetector.OnnxGraph import INPUT
from CervicalSpineDetectionLib.Spine.Arrays import Array

LAST = ("own", "columns3", "rows3")
GATHERED = ("fine", "joined", "own")  # whose results the first layers along rows and columns are given
# Numbers beyond this part of their range are rare, and cut off; finer steps gain more: of four CTs, edges move by 0.027
# mm in the median and 0.15 at 95 %, with 1 by 0.034 and 0.19, with 0.6 by 0.031 and 0.16.
USED_PART = 0.8


def integerEdgeGraph(weights: Mapping[str, Array], ranges: Mapping[str, Sequence[float]]) -> bytes:
    """See ``EdgeGraph.edgeGraph``. :param ranges: layer -> lowest and highest number that it gives, before it is bent.
    :raises WrongWeights: the ranges are not those of this network.
    """
    missing = [name for name in LAYERS if name not in ranges]
    if missing:
        raise WrongWeights(missing[0])
    return serializedMaps(IntegerEdgeGraph(weights, ranges))


class IntegerEdgeGraph(EdgeGraph, GridGraph):
    """See ``EdgeLayers.Calculus``."""

    def __init__(self, weights: Mapping[str, Array], ranges: Mapping[str, Sequence[float]]) -> None:
        super().__init__(weights)
        self._ranges = {name: USED_PART * np.array(span) for name, span in ranges.items()}
        self._singles: dict[str, str] = {}

    def convolved(self, name: str, given: str, bent: bool = True) -> str:
        if name in LAST:
            return super().convolved(name, self._single(given), bent)
        low, high = self._ranges[name]
        weight, bias = self.takeLayer(name)
        return self.convolvedOn(Grid.over(0.0 if bent else low, high), self._whole(given), weight, bias,
                                **self.windowOfLayer(name))

    def sum(self, one: str, other: str, bent: bool = True) -> str:
        ours, others = self.gridOf(one), self.gridOf(other)
        return self.added(Grid.over(0.0 if bent else ours.low + others.low, ours.high + others.high), one, other)

    def greatest(self, given: str, near: str, axis: int) -> str:
        return super().greatest(self._single(given), near, axis)

    def mean(self, given: str, near: str, axis: int) -> str:
        return super().mean(self._single(given), near, axis)

    def _single(self, source: str) -> str:
        """In single precision, computed once."""
        if not self.isOnGrid(source):
            return source
        if source not in self._singles:
            self._singles[source] = self.known(source)
        return self._singles[source]

    def _whole(self, source: str) -> str:
        """In whole numbers: of what comes in, and of what was gathered."""
        if self.isOnGrid(source):
            return source
        highest = max(self._ranges[name][1] for name in GATHERED)
        grid = PIXELS if source == INPUT else Grid.over(LEAST_OWN, highest)
        return self.onGrid(grid, "QuantizeLinear", source, *self.constantsOf(grid))
