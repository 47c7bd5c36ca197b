"""The second look's network as a graph for ONNX Runtime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

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
    return serializedMaps(EdgeGraph(weights))


def serializedMaps(graph: EdgeGraph, others: Sequence[str] = ()) -> bytes:
    """The same of any such graph. :param others: layers whose results it gives too, before they are bent."""
    names = list(MASKS)
    outputs = edgeMaps(graph, INPUT, [names[: len(STRIDES)], names[len(STRIDES) :]])
    given = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", *shape])
             for name, shape in {INPUT: (CHANNELS, "rows", "columns"), **MASKS}.items()]
    # A result can be given once only.
    copies = [graph.node("Identity", graph.blocks[name]) for name in others]
    shown = [helper.make_tensor_value_info(result, TensorProto.FLOAT, None) for result in (*outputs, *copies)]
    return graph.serialized("edges", given, shown)


class EdgeGraph(Graph):
    """See ``EdgeLayers.Calculus``."""

    def __init__(self, weights: Mapping[str, Array]) -> None:
        super().__init__(weights)
        self._products: dict[tuple[str, str], str] = {}

    def convolved(self, name: str, given: str, bent: bool = True) -> str:
        weight, bias = self.takeLayer(name)
        result = self.node("Conv", given, self.constant(weight), self.constant(bias), **self.windowOfLayer(name))
        self.blocks[name] = result
        return self.node("Relu", result) if bent else result

    def takeLayer(self, name: str) -> tuple[Array, Array]:
        """Weights and bias."""
        return self._take(f"{name}.weight", *LAYERS[name]), self._take(f"{name}.bias", LAYERS[name][0])

    @staticmethod
    def windowOfLayer(name: str) -> dict[str, list[int]]:
        """ONNX attributes of its convolution."""
        rows, columns = LAYERS[name][2:]
        return {"kernel_shape": [rows, columns], "strides": [2 if name in STEPPING else 1] * 2,
                "pads": [rows // 2, columns // 2] * 2}

    def sum(self, one: str, other: str, bent: bool = True) -> str:
        result = super().sum(one, other)
        return self.node("Relu", result) if bent else result

    def plus(self, given: str, number: float) -> str:
        return self.node("Add", given, self.constant(number))

    def lengthened(self, given: str, axis: int) -> str:
        scales = [2 if axis == own else 1 for own in range(4)]
        return self.node("Resize", given, "", self.constant(scales), mode="linear",
                         coordinate_transformation_mode="half_pixel")

    def greatest(self, given: str, near: str, axis: int) -> str:
        return self.node("ReduceMax", self._masked(given, near), axes=[axis], keepdims=1)

    def mean(self, given: str, near: str, axis: int) -> str:
        sums = [self.node("ReduceSum", one, self.constant([axis], np.int64), keepdims=1)
                for one in (self._masked(given, near), near)]
        return self.node("Div", *sums)

    def _masked(self, given: str, near: str) -> str:
        """What is near, 0 elsewhere, computed once."""
        if (given, near) not in self._products:
            self._products[given, near] = self.node("Mul", given, near)
        return self._products[given, near]
