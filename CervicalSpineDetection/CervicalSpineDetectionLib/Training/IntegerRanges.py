"""How large the numbers in a network become, for its computing in 8 bits (``SliceDetector.IntegerGraph``)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from CervicalSpineDetectionLib.Phantom.Phantom import makePhantom
from CervicalSpineDetectionLib.Pipeline import slicesFor
from CervicalSpineDetectionLib.SliceDetector.OnnxGraph import INPUT, Graph, addBody, addBoxHead, addClassHead
from CervicalSpineDetectionLib.SliceDetector.OnnxNetwork import session
from CervicalSpineDetectionLib.SliceDetector.YoloDetector import STRIDE, YoloDetector
from CervicalSpineDetectionLib.Spine.Arrays import Array

# Slices of each phantom, spread over this part of it.
SLICES, FIRST, LAST = 5, 0.2, 0.8
DIGITS = 4


def integerRanges(architecture: str, classCount: int, weights: Mapping[str, Array],
                  pictures: Iterable[Array]) -> dict[str, list[float]]:
    """Name of each block -> lowest and highest number that comes before its activation.

    :param weights: name -> array, as ultralytics names them.
    :param pictures: each uint8, shape (n, 3, rows, columns), rows and columns multiples of ``STRIDE``.
    :raises WrongWeights: the weights are not those of this network.
    """
    graph = Graph(weights)
    maps, head = addBody(graph, architecture, classCount)
    sizes = [channels for _, channels in maps]
    for scale, (source, _) in enumerate(maps):
        addBoxHead(graph, source, sizes, head, scale)
        addClassHead(graph, source, sizes, head, scale, classCount)
    network = session(graph.model([*graph.blocks.values()]))
    low, high = (np.full(len(graph.blocks), start) for start in (np.inf, -np.inf))
    for some in pictures:
        for one in some:
            found = network.run(None, {INPUT: one[None]})
            low = np.minimum(low, [numbers.min() for numbers in found])
            high = np.maximum(high, [numbers.max() for numbers in found])
    return {name: [round(float(number), DIGITS) for number in span]
            for name, span in zip(graph.blocks, np.stack([low, high], axis=1), strict=True)}


def phantomSlices(detector: YoloDetector, seeds: Sequence[int], tell: Callable[[str], None]) -> Iterable[Array]:
    """A few slices of each phantom, as the detector is shown them. :param tell: gets a line of progress."""
    for seed in seeds:
        _, slices, _ = slicesFor(makePhantom(seed).ct, detector)
        chosen = slices[np.linspace(FIRST * len(slices), LAST * len(slices), SLICES).astype(int).clip(
            0, len(slices) - 1)]
        rows, columns = chosen.shape[2:]
        tell(f"Phantom {seed}")
        yield np.pad(chosen, ((0, 0), (0, 0), (0, -rows % STRIDE), (0, -columns % STRIDE)))
