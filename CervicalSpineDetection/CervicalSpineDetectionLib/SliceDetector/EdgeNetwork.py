"""A second look at each box: a small network that moves its edges by some millimetres, to where the bone ends.

The first network tells vertebrae apart in whole slices; this one is shown a box and its surroundings with finer pixels,
knows no levels, and says where each edge lies. ``Training.EdgeTraining`` trains it. See WhyASecondLook.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import numpy as np

from CervicalSpineDetectionLib.Imaging.SagittalVolume import FineSlices
from CervicalSpineDetectionLib.ProcessTuning import onThreads
from CervicalSpineDetectionLib.SliceDetector.EdgeCrops import (
    Crops,
    bySize,
    cropsOf,
    edgesFrom,
    nearBoxes,
    pixelFor,
    shapesFor,
)
from CervicalSpineDetectionLib.SliceDetector.EdgeLayers import LAYERS, MOST_COLUMNS, MOST_ROWS, STRIDES
from CervicalSpineDetectionLib.SliceDetector.NetworkLayers import WrongWeights
from CervicalSpineDetectionLib.SliceDetector.OnnxNetwork import isThere, session
from CervicalSpineDetectionLib.SliceDetector.SecondLook import AskedBoxes, SharpBoxes
from CervicalSpineDetectionLib.Spine.Arrays import Array

BATCH = 16
# Crops -> the three results of ``EdgeLayers.edgeMaps``, first of all.
Runner: TypeAlias = Callable[[Crops], list[Array]]


class EdgeNetwork:
    """See ``SecondLook.SecondLook``; run by ONNX Runtime where it is installed, else by torch, on the processor.

    :param weights: "LAYER.weight" and "LAYER.bias" of ``LAYERS`` -> array.
    :param ranges: to compute in 8 bits, which takes ONNX Runtime; see ``EdgeIntegerGraph.integerEdgeGraph``.
    :raises WrongWeights: weights or ranges are not those of this network.
    """

    def __init__(self, weights: Mapping[str, Array], ranges: Mapping[str, Sequence[float]] | None = None) -> None:
        expected = {f"{name}.{part}": shape if part == "weight" else shape[:1]
                    for name, shape in LAYERS.items() for part in ("weight", "bias")}
        wrong = [name for name in {*expected, *weights}
                 if name not in weights or weights[name].shape != expected.get(name)]
        if wrong:
            raise WrongWeights(min(wrong))
        self._run = _runner({name: weights[name] for name in expected}, ranges)

    def sharpened(self, slices: FineSlices, asked: AskedBoxes) -> SharpBoxes:
        """See ``SecondLook.SecondLook``."""
        shapes = shapesFor(asked.boxes[asked.chosen], slices.pixelSize)
        batches = bySize(shapes, BATCH)
        # Thin layers leave threads of their own idle: batches beside each other keep them busy.
        parts = onThreads(
            lambda batch: self._answer(slices, asked, asked.chosen[batch], shapes[batch].max(axis=0)), batches)
        back = np.argsort(np.concatenate(batches))
        return SharpBoxes(*(np.concatenate(part)[back] for part in zip(*parts, strict=True)))

    def pixelFor(self, spacing: Sequence[float]) -> float:
        """See ``SecondLook.SecondLook``."""
        return pixelFor(spacing)

    def mapsOf(self, crops: Crops) -> Sequence[Array]:
        """See ``EdgeLayers.edgeMaps``."""
        return self._run(crops)

    def _answer(self, slices: FineSlices, asked: AskedBoxes, rows: Array,
                shape: Array) -> tuple[Array, Array, Array, Array]:
        """Fields of ``SharpBoxes``. :param rows: of the boxes that are asked for. :param shape: of the crops."""
        # Of the same slice and kind, but not the box itself.
        beside = (asked.indices[rows, None] == asked.indices) & (asked.isBody[rows, None] == asked.isBody)
        beside[np.arange(len(rows)), rows] = False
        crops = cropsOf(slices, asked.indices[rows], asked.boxes[rows], [asked.boxes[own] for own in beside],
                        asked.isBody[rows], shape)
        np.clip(crops.pictures, 0, 1, out=crops.pictures)
        columns, downward, own = self.mapsOf(crops)
        pixels = STRIDES[0] * crops.pixels
        shown = np.zeros((len(rows), MOST_ROWS // STRIDES[0], MOST_COLUMNS // STRIDES[0]), bool)
        shown[:, : own.shape[2], : own.shape[3]] = own[:, 0] > 0
        return edgesFrom(columns, downward, crops), shown, crops.origins + pixels[:, None] / 2, pixels


def _runner(weights: Mapping[str, Array], ranges: Mapping[str, Sequence[float]] | None) -> Runner:
    if ranges is not None:
        from CervicalSpineDetectionLib.SliceDetector.EdgeIntegerGraph import integerEdgeGraph

        return onnxRunner(integerEdgeGraph(weights, ranges))
    if isThere():
        from CervicalSpineDetectionLib.SliceDetector.EdgeGraph import edgeGraph

        return onnxRunner(edgeGraph(weights))
    import torch

    from CervicalSpineDetectionLib.SliceDetector.EdgeModule import EdgeModule

    module = EdgeModule(weights)

    def byTorch(crops: Crops) -> list[Array]:
        near = [[torch.from_numpy(mask) for mask in masks] for masks in nearBoxes(crops)]
        with torch.inference_mode():
            return [found.numpy() for found in module(torch.from_numpy(crops.pictures), near)]

    return byTorch


def onnxRunner(model: bytes) -> Runner:
    """:param model: see ``EdgeGraph.serializedMaps``."""
    from CervicalSpineDetectionLib.SliceDetector.EdgeGraph import MASKS
    from CervicalSpineDetectionLib.SliceDetector.OnnxGraph import INPUT

    run = session(model, threads=1)

    def byOnnx(crops: Crops) -> list[Array]:
        near = [mask for masks in nearBoxes(crops) for mask in masks]
        return list(run.run(None, {INPUT: crops.pictures, **dict(zip(MASKS, near, strict=True))}))

    return byOnnx
