"""How large the numbers in networks become, for their computing in 8 bits (``SliceDetector.IntegerGrid``)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import SimpleITK as sitk

from CervicalSpineDetectionLib.Pipeline import slicesFor
from CervicalSpineDetectionLib.SliceDetector.EdgeCrops import Crops
from CervicalSpineDetectionLib.SliceDetector.EdgeGraph import EdgeGraph, serializedMaps
from CervicalSpineDetectionLib.SliceDetector.EdgeLayers import LAYERS
from CervicalSpineDetectionLib.SliceDetector.EdgeNetwork import EdgeNetwork, onnxRunner
from CervicalSpineDetectionLib.SliceDetector.NetworkLayers import hasRelu
from CervicalSpineDetectionLib.SliceDetector.OnnxGraph import INPUT, Graph, addBody, addBoxHead, addClassHead
from CervicalSpineDetectionLib.SliceDetector.OnnxNetwork import session
from CervicalSpineDetectionLib.SliceDetector.YoloDetector import STRIDE, YoloDetector
from CervicalSpineDetectionLib.Spine.Arrays import Array

# Slices of each CT, spread over this part of it.
SLICES, FIRST, LAST = 5, 0.2, 0.8
DIGITS = 4
MAPS = 3  # that a second look gives


def integerRanges(architecture: str, classCount: int, weights: Mapping[str, Array],
                  pictures: Iterable[Array]) -> dict[str, list[float]]:
    """Name of each block -> lowest and highest number that comes before its activation.

    :param weights: name -> array, as ultralytics names them.
    :param pictures: each uint8, shape (n, 3, rows, columns), rows and columns multiples of ``STRIDE``.
    :raises WrongWeights: the weights are not those of this network.
    """
    graph = Graph(weights, hasRelu(architecture))
    maps, head = addBody(graph, architecture, classCount)
    sizes = [channels for _, channels in maps]
    for scale, (source, _) in enumerate(maps):
        addBoxHead(graph, source, sizes, head, scale)
        addClassHead(graph, source, sizes, head, scale, classCount)
    network = session(graph.model([*graph.blocks.values()]))
    return _rangesOf(graph.blocks, (network.run(None, {INPUT: one[None]}) for some in pictures for one in some))


class MeasuredEdges(EdgeNetwork):
    """A second look that keeps in mind how large its numbers become. See ``EdgeNetwork``."""

    def __init__(self, weights: Mapping[str, Array]) -> None:
        super().__init__(weights)
        self._all = onnxRunner(serializedMaps(EdgeGraph(weights), list(LAYERS)))
        self._seen: list[list[Array]] = []

    def mapsOf(self, crops: Crops) -> Sequence[Array]:
        found = self._all(crops)
        self._seen.append([np.array([numbers.min(), numbers.max()]) for numbers in found[MAPS:]])
        return found[:MAPS]

    def ranges(self) -> dict[str, list[float]]:
        """Name of each layer -> lowest and highest number that it gave, before it was bent."""
        return _rangesOf(LAYERS, self._seen)


def _rangesOf(names: Iterable[str], found: Iterable[Sequence[Array]]) -> dict[str, list[float]]:
    """:param found: yields numbers of each name."""
    spans = [[(numbers.min(), numbers.max()) for numbers in one] for one in found]
    low, high = np.min(spans, axis=0)[:, 0], np.max(spans, axis=0)[:, 1]
    return {name: [round(float(number), DIGITS) for number in span]
            for name, span in zip(names, np.stack([low, high], axis=1), strict=True)}


def fewSlices(ct: sitk.Image, detector: YoloDetector) -> Array:
    """As the detector is shown them, see ``integerRanges``."""
    _, slices, _ = slicesFor(ct, detector)
    chosen = slices[np.linspace(FIRST * len(slices), LAST * len(slices), SLICES).astype(int).clip(0, len(slices) - 1)]
    rows, columns = chosen.shape[2:]
    return np.pad(chosen, ((0, 0), (0, 0), (0, -rows % STRIDE), (0, -columns % STRIDE)))
