"""Graphs for ONNX Runtime that compute in whole numbers of 8 bits, which many processors multiply four times as fast as
single precision.

Weights have a step for each channel, results one step and a whole number that stands for 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from CervicalSpineDetectionLib.SliceDetector.OnnxGraph import INPUT, RUNTIME_OPERATORS, Graph, windowOf
from CervicalSpineDetectionLib.Spine.Arrays import Array

LARGEST, LARGEST_WEIGHT = 255, 127


@dataclass(frozen=True)
class Grid:
    """Numbers that 0 to 255 stand for: ``step`` * (whole number - ``zero``)."""

    step: float
    zero: int

    @staticmethod
    def over(low: float, high: float) -> Grid:
        """From the lowest to the highest number; 0 is one of them."""
        low, high = min(low, 0.0), max(high, 0.0)
        step = float(np.float32((high - low) / LARGEST)) or 1.0
        return Grid(step, int(np.clip(round(-low / step), 0, LARGEST)))

    @property
    def low(self) -> float:
        return -self.zero * self.step

    @property
    def high(self) -> float:
        return (LARGEST - self.zero) * self.step


PIXELS = Grid(float(np.float32(1 / LARGEST)), 0)


class GridGraph(Graph):
    """Results are in single precision or whole numbers on a grid."""

    def __init__(self, weights: Mapping[str, Array], relu: bool = False) -> None:
        super().__init__(weights, relu)
        self._grids: dict[str, Grid] = {}
        self._constants8: dict[Grid, list[str]] = {}

    def isOnGrid(self, source: str) -> bool:
        """Else it is in single precision."""
        return source in self._grids

    def gridOf(self, source: str) -> Grid:
        return self._grids[source]

    def constantsOf(self, grid: Grid) -> list[str]:
        """Step and zero, as operators are told them."""
        if grid not in self._constants8:
            self._constants8[grid] = [self.constant(grid.step), self.constant(grid.zero, np.uint8)]
        return self._constants8[grid]

    def onGrid(self, grid: Grid, kind: str, *inputs: str, **attributes: object) -> str:
        """A node whose results are on a grid."""
        result = self.node(kind, *inputs, **attributes)
        self._grids[result] = grid
        return result

    def onOwnGrid(self, grid: Grid, kind: str, *inputs: str) -> str:
        """The same for ONNX Runtime's own operators, which are told the grid last."""
        return self.onGrid(grid, kind, *inputs, *self.constantsOf(grid), domain=RUNTIME_OPERATORS)

    def likeIts(self, source: str, result: str) -> str:
        """A result on the grid of what it is made of."""
        self._grids[result] = self._grids[source]
        return result

    def added(self, grid: Grid, one: str, other: str) -> str:
        """Two results; what is beyond the grid is cut off."""
        return self._ofTwo("QLinearAdd", grid, one, other)

    def multiplied(self, grid: Grid, one: str, other: str) -> str:
        """The same of their products."""
        return self._ofTwo("QLinearMul", grid, one, other)

    def _ofTwo(self, kind: str, grid: Grid, one: str, other: str) -> str:
        return self.onOwnGrid(grid, kind, one, *self.constantsOf(self._grids[one]), other,
                              *self.constantsOf(self._grids[other]))

    def channelsLast(self, source: str) -> str:
        """As ONNX Runtime computes with them; what stands the other way it turns where it has to."""
        return self._turned(source, [0, 2, 3, 1])

    def channelsSecond(self, source: str) -> str:
        """As convolutions are given them."""
        return self._turned(source, [0, 3, 1, 2])

    def _turned(self, source: str, axes: Sequence[int]) -> str:
        result = self.node("Transpose", source, perm=axes)
        return self.likeIts(source, result) if self.isOnGrid(source) else result

    def regrouped(self, source: str, channels: int) -> str:
        """With so many channels, which are last, and as many more or fewer columns."""
        return self.likeIts(source, self.node("Reshape", source, self.constant([0, 0, -1, channels], np.int64)))

    def doubled(self, source: str) -> str:
        """By copies, channels last; ONNX Runtime's own operator fetches number by number."""
        given = self.channelsLast(source)
        channels = self.node("Shape", given, start=3)
        wide = self.node("Reshape", self.node("Concat", given, given, axis=3),
                         self.node("Concat", self.constant([0, 0, -1], np.int64), channels, axis=0))
        high = self.node("Reshape", self.node("Concat", wide, wide, axis=2),
                         self.node("Concat", self.constant([0, -1], np.int64),
                                   self.node("Shape", wide, start=2), axis=0))
        return self.channelsSecond(self.likeIts(source, high))

    def known(self, source: str) -> str:
        """In single precision."""
        return self.node("DequantizeLinear", source, *self.constantsOf(self._grids[source]))

    def convolvedOn(self, grid: Grid, source: str, weight: Array, bias: Array, **window: object) -> str:
        """A convolution; what is beyond the grid is cut off. :param window: see ``OnnxGraph.windowOf``."""
        given = self._grids[source]
        steps = np.abs(weight).max(axis=(1, 2, 3)) / LARGEST_WEIGHT
        steps = np.where(steps > 0, steps, 1).astype(np.float32).astype(float)
        whole = np.rint(weight / steps[:, None, None, None])
        return self.onGrid(grid, "QLinearConv", source, *self.constantsOf(given), self.constant(whole, np.int8),
                           self.constant(steps), self.constant(np.zeros(len(steps)), np.int8),
                           *self.constantsOf(grid), self.constant(np.rint(bias / (given.step * steps)), np.int32),
                           **window)


def oneConvolution(weights: Array, outStep: float) -> bytes:
    """A serialized ONNX model that does nothing else.

    In and out: uint8, shape (n, channels, rows, columns), in steps of 1 and ``outStep``.

    :param weights: int8, shape (out, channels, kernel, kernel).
    """
    graph = GridGraph({})
    whole, out = graph.constantsOf(Grid(1.0, 0)), graph.constantsOf(Grid(outStep, 0))
    result = graph.node("QLinearConv", INPUT, *whole, graph.constant(weights, np.int8), whole[0],
                        graph.constant(0, np.int8), *out, **windowOf(weights, 1, None))
    graph.inputShape = (weights.shape[1], "rows", "columns")
    return graph.model([], [result])
