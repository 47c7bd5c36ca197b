"""The second look's network as a graph for ONNX Runtime."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from onnx import TensorProto, helper

from CervicalSpineDetectionLib.SliceDetector.EdgeLayers import (
    CHANNELS,
    LAYERS,
    STEPPING,
    STRIDES,
    edgeMaps,
)
from CervicalSpineDetectionLib.SliceDetector.OnnxGraph import INPUT, Graph
from CervicalSpineDetectionLib.Spine.Arrays import Array

MASKS: dict[str, tuple[int | str, ...]] = {
    **{f"rows{stride}": (1, f"rows / {stride}", 1) for stride in STRIDES},
    **{f"columns{stride}": (1, 1, f"columns / {stride}") for stride in STRIDES}}


def edgeGraph(weights: Mapping[str, Array]) -> bytes:
    """A serialized ONNX model. In: crops and the four masks of ``EdgeLayers.edgeMaps``; out: its results.

    :param weights: "LAYER.weight" and "LAYER.bias" of ``LAYERS`` -> array.
    """
    graph, names = EdgeGraph(weights), list(MASKS)
    outputs = edgeMaps(graph, INPUT, [names[: len(STRIDES)], names[len(STRIDES) :]])
    given = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", *shape])
             for name, shape in {INPUT: (CHANNELS, "rows", "columns"), **MASKS}.items()]
    shown = [helper.make_tensor_value_info(result, TensorProto.FLOAT, None) for result in outputs]
    return graph.serialized("edges", given, shown)


class EdgeGraph(Graph):
    """See ``EdgeLayers.Calculus``."""

    def convolved(self, name: str, given: str) -> str:
        rows, columns = LAYERS[name][2:]
        return self.node("Conv", given, self.constant(self._take(f"{name}.weight", *LAYERS[name])),
                         self.constant(self._take(f"{name}.bias", LAYERS[name][0])),
                         strides=[2 if name in STEPPING else 1] * 2, pads=[rows // 2, columns // 2] * 2)

    def bent(self, given: str) -> str:
        return self.node("Relu", given)

    def plus(self, given: str, number: float) -> str:
        return self.node("Add", given, self.constant(number))

    def lengthened(self, given: str, axis: int) -> str:
        scales = [2 if axis == own else 1 for own in range(4)]
        return self.node("Resize", given, "", self.constant(scales), mode="linear",
                         coordinate_transformation_mode="half_pixel")

    def greatest(self, given: str, near: str, axis: int) -> str:
        return self.node("ReduceMax", self.node("Mul", given, near), axes=[axis], keepdims=1)

    def mean(self, given: str, near: str, axis: int) -> str:
        sums = [self.node("ReduceSum", one, self.constant([axis], np.int64), keepdims=1)
                for one in (self.node("Mul", given, near), near)]
        return self.node("Div", *sums)
