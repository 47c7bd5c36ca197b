"""The network in whole numbers of 8 bits, which many processors multiply four times as fast as single precision.

Weights have a step for each channel, results one step and a whole number that stands for 0. The last convolutions of
the head, which say what a place shows and where its box ends, stay in single precision.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from CervicalSpineDetectionLib.SliceDetector.NetworkLayers import WrongWeights
from CervicalSpineDetectionLib.SliceDetector.OnnxGraph import (
    INPUT,
    RUNTIME_OPERATORS,
    Graph,
    addBody,
    addBoxHead,
    addClassHead,
    checkAllUsed,
    windowOf,
)
from CervicalSpineDetectionLib.Spine.Arrays import Array

# What comes before an activation is told apart down to here only: SiLU gives -0.015 there, and nears 0 further down.
LEAST_BEFORE_ACTIVATION = -6.0
LEAST_OF_SILU = -0.2785
# A block of pixels that the first layer takes as channels: rows and columns; columns before the picture.
BLOCK_ROWS, BLOCK_COLUMNS, COLUMNS_BEFORE = 2, 4, 2
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
SHARES = Grid(1 / 256, 0)  # what a sigmoid gives


@dataclass(frozen=True)
class IntegerModels:
    """Serialized ONNX models.

    :param look: in: uint8 ``blocksOf`` pictures. Out, for strides 8, 16 and 32: maps of uint8, shape (n, rows, columns,
        channels), and then, for the same, maps of classes, shape (n, classes, rows, columns).
    :param boxes: for each of the strides. In: part of a map. Out: box edges, shape (n, 4 * BINS, rows, columns).
    """

    look: bytes
    boxes: list[bytes]


def integerModels(architecture: str, classCount: int, weights: Mapping[str, Array],
                  ranges: Mapping[str, Sequence[float]]) -> IntegerModels:
    """:param weights: name -> array, as ultralytics names them. :param ranges: see ``IntegerGraph``.
    :raises WrongWeights: weights or ranges are not those of this network.
    """
    look = IntegerGraph(weights, ranges)
    maps, head = addBody(look, architecture, classCount)
    sizes = [channels for _, channels in maps]
    classes = [addClassHead(look, source, sizes, head, scale, classCount) for scale, (source, _) in enumerate(maps)]
    used, boxes = look.used, []
    for scale, (source, channels) in enumerate(maps):
        box = IntegerGraph(weights, ranges, channels)
        given = box.given(look.gridOf(source))
        boxes.append(box.model([addBoxHead(box, given, sizes, head, scale)]))
        used |= box.used
    checkAllUsed(weights, used, f"{head}.dfl.conv.weight")
    return IntegerModels(look.model(classes, [look.channelsLast(source) for source, _ in maps]), boxes)


def blocksOf(pictures: Array) -> Array:
    """Blocks of 2 x 4 pixels as channels, in memory as the first layer looks at them.

    :param pictures: uint8, shape (n, 3, rows, columns), rows even, columns a multiple of 4.
    :return: uint8, shape (n, rows / 2, columns / 4 + 1, 24), from two columns before the picture to two behind it.
    """
    count, channels, rows, columns = pictures.shape
    padded = np.zeros((count, channels, rows, columns + BLOCK_COLUMNS), np.uint8)
    padded[..., COLUMNS_BEFORE : COLUMNS_BEFORE + columns] = pictures
    parts = padded.view(np.uint32)
    blocks = np.empty((count, rows // BLOCK_ROWS, columns // BLOCK_COLUMNS + 1, BLOCK_ROWS * channels), np.uint32)
    for channel in range(channels):
        for row in range(BLOCK_ROWS):
            blocks[..., BLOCK_ROWS * channel + row] = parts[:, channel, row::BLOCK_ROWS]
    return blocks.view(np.uint8)


def oneConvolution(weights: Array, outStep: float) -> bytes:
    """A serialized ONNX model that does nothing else.

    In and out: uint8, shape (n, channels, rows, columns), in steps of 1 and ``outStep``.

    :param weights: int8, shape (out, channels, kernel, kernel).
    """
    graph = IntegerGraph({}, {}, weights.shape[1])
    whole, out = graph.constantsOf(Grid(1.0, 0)), graph.constantsOf(Grid(outStep, 0))
    result = graph.node("QLinearConv", INPUT, *whole, graph.constant(weights, np.int8), whole[0],
                        graph.constant(0, np.int8), *out, **windowOf(weights, 1, None))
    graph.inputShape = (weights.shape[1], "rows", "columns")
    return graph.model([], [result])


class IntegerGraph(Graph):
    """:param ranges: name of a block -> lowest and highest number that comes before its activation.
    :param channels: of the input.
    """

    def __init__(self, weights: Mapping[str, Array], ranges: Mapping[str, Sequence[float]],
                 channels: int = 3 * BLOCK_ROWS * BLOCK_COLUMNS) -> None:
        super().__init__(weights)
        self.inputShape = ("rows", "columns", channels)
        self._ranges = ranges
        self._grids: dict[str, Grid] = {}
        self._constants8: dict[Grid, list[str]] = {}

    def gridOf(self, source: str) -> Grid:
        return self._grids[source]

    def given(self, grid: Grid) -> str:
        """What comes in. :param grid: of it."""
        return self._on(grid, "Transpose", INPUT, perm=[0, 3, 1, 2])

    def channelsLast(self, source: str) -> str:
        return self.node("Transpose", source, perm=[0, 2, 3, 1])

    def first(self, name: str, channels: int, out: int, kernel: int, stride: int, padding: int) -> str:
        """Of blocks of 2 x 4 pixels, whose results are those of two places beside each other: of the 3 channels, of
        which most of its time would go into fetching them, 24."""
        weight, bias = self._normalized(name, channels, out, kernel)
        if (channels, kernel, stride, padding) != (3, 6, 2, 2):
            raise WrongWeights(name)
        both: Array = np.zeros((2, out, channels, kernel, 2 * BLOCK_COLUMNS))
        for place in range(2):
            both[place, ..., stride * place : stride * place + kernel] = weight
        both = both.reshape(2 * out, channels, kernel // BLOCK_ROWS, BLOCK_ROWS, 2, BLOCK_COLUMNS)
        both = both.transpose(0, 1, 3, 5, 2, 4).reshape(2 * out, -1, kernel // BLOCK_ROWS, 2)
        result = self._activated(self._onIntegers(self.given(PIXELS), name, both, np.tile(bias, 2), kernel_shape=[3, 2],
                                                  strides=[1, 1], pads=[1, 0, 1, 0]))
        places = self.node("Reshape", self.channelsLast(result), self.constant([0, 0, -1, out], np.int64))
        return self._on(self._grids[result], "Transpose", places, perm=[0, 3, 1, 2])

    def block(self, source: str, name: str, channels: int, out: int, kernel: int = 1, stride: int = 1,
              padding: int | None = None) -> str:
        weight, bias = self._normalized(name, channels, out, kernel)
        return self._activated(self._onIntegers(source, name, weight, bias, **windowOf(weight, stride, padding)))

    def convolution(self, source: str, name: str, channels: int, out: int) -> str:
        """In single precision."""
        known = self.node("DequantizeLinear", source, *self.constantsOf(self._grids[source]))
        return super().convolution(known, name, channels, out)

    def sum(self, one: str, other: str) -> str:
        ours, others = self._grids[one], self._grids[other]
        return self._onOwn(Grid.over(ours.low + others.low, ours.high + others.high), "QLinearAdd", one,
                           *self.constantsOf(ours), other, *self.constantsOf(others))

    def joined(self, *sources: str) -> str:
        grids = [self._grids[source] for source in sources]
        if len({*grids}) == 1:
            return self._on(grids[0], "Concat", *sources, axis=1)
        grid = Grid.over(min(one.low for one in grids), max(one.high for one in grids))
        parts = [name for source, own in zip(sources, grids, strict=True)
                 for name in (source, *self.constantsOf(own))]
        return self._on(grid, "QLinearConcat", *self.constantsOf(grid), *parts, axis=1, domain=RUNTIME_OPERATORS)

    def largest(self, source: str, kernel: int) -> str:
        return self._like(source, super().largest(source, kernel))

    def doubled(self, source: str) -> str:
        return self._like(source, super().doubled(source))

    def _like(self, source: str, result: str) -> str:
        self._grids[result] = self._grids[source]
        return result

    def _on(self, grid: Grid, kind: str, *inputs: str, **attributes: object) -> str:
        """A node whose results are on a grid."""
        result = self.node(kind, *inputs, **attributes)
        self._grids[result] = grid
        return result

    def _onOwn(self, grid: Grid, kind: str, *inputs: str) -> str:
        """The same for ONNX Runtime's own operators, which are told the grid last."""
        return self._on(grid, kind, *inputs, *self.constantsOf(grid), domain=RUNTIME_OPERATORS)

    def constantsOf(self, grid: Grid) -> list[str]:
        """Step and zero, as operators are told them."""
        if grid not in self._constants8:
            self._constants8[grid] = [self.constant(grid.step), self.constant(grid.zero, np.uint8)]
        return self._constants8[grid]

    def _activated(self, source: str) -> str:
        """SiLU."""
        grid = self._grids[source]
        own, shares = self.constantsOf(grid), self.constantsOf(SHARES)
        sigmoid = self._onOwn(SHARES, "QLinearSigmoid", source, *own)
        after = Grid.over(LEAST_OF_SILU, grid.high / (1 + float(np.exp(-grid.high))))
        return self._onOwn(after, "QLinearMul", source, *own, sigmoid, *shares)

    def _onIntegers(self, source: str, name: str, weight: Array, bias: Array, **window: object) -> str:
        """A convolution. :param name: of the block whose range its results have."""
        if name not in self._ranges:
            raise WrongWeights(name)
        low, high = self._ranges[name]
        grid, given = Grid.over(max(low, LEAST_BEFORE_ACTIVATION), high), self._grids[source]
        steps = np.abs(weight).max(axis=(1, 2, 3)) / LARGEST_WEIGHT
        steps = np.where(steps > 0, steps, 1).astype(np.float32).astype(float)
        whole = np.rint(weight / steps[:, None, None, None])
        return self._on(grid, "QLinearConv", source, *self.constantsOf(given), self.constant(whole, np.int8),
                        self.constant(steps), self.constant(np.zeros(len(steps)), np.int8),
                        *self.constantsOf(grid), self.constant(np.rint(bias / (given.step * steps)), np.int32),
                        **window)
