"""The network in whole numbers of 8 bits, see ``IntegerGrid``.

The last convolutions of the head, which say what a place shows and where its box ends, stay in single precision.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from CervicalSpineDetectionLib.SliceDetector.IntegerGrid import PIXELS, Grid, GridGraph
from CervicalSpineDetectionLib.SliceDetector.NetworkLayers import WrongWeights, hasRelu
from CervicalSpineDetectionLib.SliceDetector.OnnxGraph import (
    BINS,
    INPUT,
    RUNTIME_OPERATORS,
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
SHARES = Grid(1 / 256, 0)  # what a sigmoid gives
CHOSEN = "chosen"  # input of ``IntegerModels.boxes``


@dataclass(frozen=True)
class IntegerModels:
    """Serialized ONNX models.

    :param look: in: uint8 ``blocksOf`` pictures. Out, for strides 8, 16 and 32: maps of uint8, shape (n, rows, columns,
        channels), and then, for the same, what each place shows, shape (n * rows * columns, classes).
    :param boxes: for each of the strides. In: part of a map; ``CHOSEN``, int64, shape (m, 3), pictures, rows and
        columns of places in it. Out: how far from the middles of these places their boxes reach to the left, top, right
        and bottom, in strides, shape (m, 4).
    """

    look: bytes
    boxes: list[bytes]


def integerModels(architecture: str, classCount: int, weights: Mapping[str, Array],
                  ranges: Mapping[str, Sequence[float]]) -> IntegerModels:
    """:param weights: name -> array, as ultralytics names them. :param ranges: see ``IntegerGraph``.
    :raises WrongWeights: weights or ranges are not those of this network.
    """
    relu = hasRelu(architecture)
    look = IntegerGraph(weights, ranges, relu)
    maps, head = addBody(look, architecture, classCount)
    sizes = [channels for _, channels in maps]
    classes = [addClassHead(look, source, sizes, head, scale, classCount) for scale, (source, _) in enumerate(maps)]
    used, boxes = look.used, []
    for scale, (source, channels) in enumerate(maps):
        box = BoxGraph(weights, ranges, relu, channels)
        edges = addBoxHead(box, box.given(look.gridOf(source)), sizes, head, scale)
        boxes.append(box.model([box.distances(edges, f"{head}.dfl.conv.weight")], places=[CHOSEN]))
        used |= box.used
    checkAllUsed(weights, used)
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


class IntegerGraph(GridGraph):
    """:param ranges: name of a block -> lowest and highest number that comes before its activation.
    :param relu: see ``NetworkLayers.hasRelu``. :param channels: of the input.
    """

    def __init__(self, weights: Mapping[str, Array], ranges: Mapping[str, Sequence[float]], relu: bool = False,
                 channels: int = 3 * BLOCK_ROWS * BLOCK_COLUMNS) -> None:
        super().__init__(weights, relu)
        self.inputShape = ("rows", "columns", channels)
        self._ranges = ranges

    def given(self, grid: Grid) -> str:
        """What comes in. :param grid: of it."""
        return self.onGrid(grid, "Transpose", INPUT, perm=[0, 3, 1, 2])

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
        return self.channelsSecond(self.regrouped(self.channelsLast(result), out))

    def block(self, source: str, name: str, channels: int, out: int, kernel: int = 1, stride: int = 1,
              padding: int | None = None) -> str:
        weight, bias = self._normalized(name, channels, out, kernel)
        return self._activated(self._onIntegers(source, name, weight, bias, **windowOf(weight, stride, padding)))

    def convolution(self, source: str, name: str, channels: int, out: int) -> str:
        """In single precision, one place after the other, shape (places, out)."""
        return self._multiplied(self._placesOf(source, channels), name, channels, out)

    def sum(self, one: str, other: str) -> str:
        ours, others = self._grids[one], self._grids[other]
        return self.added(Grid.over(ours.low + others.low, ours.high + others.high), one, other)

    def joined(self, *sources: str) -> str:
        grids = [self._grids[source] for source in sources]
        if len({*grids}) == 1:
            return self.onGrid(grids[0], "Concat", *sources, axis=1)
        grid = Grid.over(min(one.low for one in grids), max(one.high for one in grids))
        parts = [name for source, own in zip(sources, grids, strict=True)
                 for name in (source, *self.constantsOf(own))]
        return self.onGrid(grid, "QLinearConcat", *self.constantsOf(grid), *parts, axis=1, domain=RUNTIME_OPERATORS)

    def largest(self, source: str, kernel: int) -> str:
        return self.likeIts(source, super().largest(source, kernel))

    def _activated(self, source: str) -> str:
        """By SiLU; by ReLU it is already, for what is below 0 is cut off where convolutions are brought to 8 bits."""
        if self._relu:
            return source
        grid = self._grids[source]
        sigmoid = self.onOwnGrid(SHARES, "QLinearSigmoid", source, *self.constantsOf(grid))
        after = Grid.over(LEAST_OF_SILU, grid.high / (1 + float(np.exp(-grid.high))))
        return self.multiplied(after, source, sigmoid)

    def _onIntegers(self, source: str, name: str, weight: Array, bias: Array, **window: object) -> str:
        """A convolution. :param name: of the block whose range its results have."""
        if name not in self._ranges:
            raise WrongWeights(name)
        low, high = self._ranges[name]
        least = 0.0 if self._relu else max(low, LEAST_BEFORE_ACTIVATION)
        return self.convolvedOn(Grid.over(least, high), source, weight, bias, **window)

    def _placesOf(self, source: str, channels: int) -> str:
        """One after the other, shape (places, channels)."""
        places = self.node("Reshape", self.channelsLast(source), self.constant([-1, channels], np.int64))
        return self.likeIts(source, places)

    def _multiplied(self, places: str, name: str, channels: int, out: int) -> str:
        """A convolution of single pixels. :param places: shape (places, channels)."""
        weight, bias = self._take(f"{name}.weight", out, channels, 1, 1), self._take(f"{name}.bias", out)
        return self.node("Gemm", self.known(places), self.constant(weight[:, :, 0, 0].T), self.constant(bias))


class BoxGraph(IntegerGraph):
    """The head's part that tells of boxes, at chosen places; only its first block is computed everywhere."""

    def block(self, source: str, name: str, channels: int, out: int, kernel: int = 1, stride: int = 1,
              padding: int | None = None) -> str:
        """Of the second one, shape (places, out)."""
        if not self.used:  # no weights yet
            return super().block(source, name, channels, out, kernel, stride, padding)
        return self._atChosen(source, name, channels, out, kernel)

    def _atChosen(self, source: str, name: str, channels: int, out: int, kernel: int) -> str:
        """A block as one of single pixels, whose channels are those of a place and its neighbours."""
        weight, bias = self._normalized(name, channels, out, kernel)
        around = self.constant([[0, row, column] for row, column in np.ndindex(kernel, kernel)], np.int64)
        places = self.node("Add", self.node("Unsqueeze", CHOSEN, self.constant([1], np.int64)), around)
        border = kernel // 2
        padded = self.node("Pad", self.channelsLast(source), self.constant(2 * [0, border, border, 0], np.int64),
                           self.constantsOf(self.gridOf(source))[1])
        size = channels * kernel**2
        seen = self.node("Reshape", self.node("GatherND", padded, places), self.constant([1, -1, 1, size], np.int64))
        single = weight.transpose(0, 2, 3, 1).reshape(out, size, 1, 1)
        found = self._onIntegers(self.channelsSecond(self.likeIts(source, seen)), name, single, bias,
                                 **windowOf(single, 1, None))
        return self._activated(self._placesOf(found, out))

    def convolution(self, source: str, name: str, channels: int, out: int) -> str:
        return self._multiplied(source, name, channels, out)

    def distances(self, edges: str, name: str) -> str:
        """:param edges: shape (places, 4 * BINS). :param name: of the weights that hold the distances of the bins."""
        shares = self.node("Softmax", self.node("Reshape", edges, self.constant([-1, 4, BINS], np.int64)), axis=2)
        bins = self.constant(self._take(name, 1, BINS, 1, 1).reshape(BINS, 1))
        return self.node("Reshape", self.node("MatMul", shares, bins), self.constant([-1, 4], np.int64))
