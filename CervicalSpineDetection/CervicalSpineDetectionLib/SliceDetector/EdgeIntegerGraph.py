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

OWN, LAST = "own", ("columns3", "rows3")
GATHERED = ("fine", "joined", OWN)  # whose results the first layers along rows and columns are given
# Numbers beyond this part of their range are rare, and cut off; finer steps gain more: of four CTs, edges move by 0.027
# mm in the median and 0.15 at 95 %, with 1 by 0.034 and 0.19, with 0.6 by 0.031 and 0.16.
USED_PART = 0.8
COLUMNS = 3  # an axis
BLOCK = 4  # columns that the first layer takes as channels


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
        self._masks: dict[tuple[str, str], str] = {}

    def convolved(self, name: str, given: str, bent: bool = True) -> str:
        if name == OWN:
            return self._ofEachPlace(name, given)
        if name in LAST:
            return super().convolved(name, self.known(given), bent)
        low, high = self._ranges[name]
        weight, bias = self.takeLayer(name)
        grid = Grid.over(0.0 if bent else low, high)
        if given == INPUT:
            return self._first(grid, weight, bias)
        return self.convolvedOn(grid, self._whole(given), weight, bias, **self.windowOfLayer(name))

    def sum(self, one: str, other: str, bent: bool = True) -> str:
        ours, others = self.gridOf(one), self.gridOf(other)
        return self.added(Grid.over(0.0 if bent else ours.low + others.low, ours.high + others.high), one, other)

    def greatest(self, given: str, near: str, axis: int) -> str:
        if not self.isOnGrid(given):
            return super().greatest(given, near, axis)
        return self.channelsSecond(super().greatest(self._numbers(given), self._mask(given, near, axis), axis - 1))

    def mean(self, given: str, near: str, axis: int) -> str:
        return self.channelsSecond(super().mean(self._numbers(given), self._mask(given, near, axis), axis - 1))

    def _mask(self, given: str, near: str, axis: int) -> str:
        """What is near, channels last, computed once. One number for 16 channels of a place takes six times as long as
        one for each."""
        if (given, near) not in self._masks:
            mask = self.channelsLast(near)
            if axis == COLUMNS:
                sizes = self.constant([1] * 3, np.int64), self.node("Shape", self._numbers(given), start=3)
                mask = self.node("Expand", mask, self.node("Concat", *sizes, axis=0))
            self._masks[given, near] = mask
        return self._masks[given, near]

    def _first(self, grid: Grid, weight: Array, bias: Array) -> str:
        """The first layer, of blocks of columns, whose results are those of two places beside each other: few channels
        take as long to fetch as many."""
        out, channels, rows, columns = weight.shape
        both: Array = np.zeros((2, out, channels, rows, 2 * BLOCK))
        for place in range(2):
            first = BLOCK - 1 + 2 * place  # a column before its own block
            both[place, ..., first : first + columns] = weight
        both = both.reshape(2, out, channels, rows, 2, BLOCK).transpose(0, 1, 5, 2, 3, 4)
        blocks = self.regrouped(self.channelsLast(self._whole(INPUT)), BLOCK * channels)
        found = self.convolvedOn(grid, self.channelsSecond(blocks), both.reshape(2 * out, -1, rows, 2),
                                 np.tile(bias, 2), kernel_shape=[rows, 2], strides=[2, 1], pads=[1, 1, 1, 0])
        return self.channelsSecond(self.regrouped(self.channelsLast(found), out))

    def _ofEachPlace(self, name: str, given: str) -> str:
        """A layer of one result, whose kernel is one pixel."""
        weight, bias = self.takeLayer(name)
        products = self.node("MatMul", self._numbers(given), self.constant(weight[:, :, 0, 0].T))
        return self.plus(self.channelsSecond(products), float(bias[0]))

    def _numbers(self, source: str) -> str:
        """In single precision, channels last, computed once."""
        if source not in self._singles:
            self._singles[source] = self.known(self.channelsLast(source))
        return self._singles[source]

    def _whole(self, source: str) -> str:
        """In whole numbers: of what comes in, and of what was gathered."""
        if self.isOnGrid(source):
            return source
        highest = max(self._ranges[name][1] for name in GATHERED)
        grid = PIXELS if source == INPUT else Grid.over(LEAST_OWN, highest)
        return self.onGrid(grid, "QuantizeLinear", source, *self.constantsOf(grid))
