"""YOLOv5 as a graph for ONNX Runtime, made of weights without torch, whose loading takes longer than a detection.

It computes what ultralytics' network does, with the batch normalisation folded into the convolutions, up to the maps of
its head; ``OnnxNetwork`` makes boxes of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from CervicalSpineDetectionLib.SliceDetector.NetworkLayers import WrongWeights, yolov5Layers
from CervicalSpineDetectionLib.Spine.Arrays import Array

INPUT = "pictures"
# Steps of a box edge's distance that the head weighs against each other.
BINS = 16
# Of ultralytics' batch normalisation.
EPSILON = 1e-3
OPSET, IR_VERSION = 17, 8  # ONNX 1.12; ONNX Runtime reads it since 1.12 as well
CHANNEL_STEP = 8


def yolov5Graph(architecture: str, classCount: int, weights: Mapping[str, Array]) -> bytes:
    """A serialized ONNX model.

    In: uint8 pictures, shape (n, 3, rows, columns). Out, for strides 8, 16 and 32, maps of rows / stride and columns /
    stride: of box edges, 4 * BINS deep, and of classes.

    :param weights: name -> array, as ultralytics names them.
    :raises WrongWeights: they are not those of this network.
    """
    layers = yolov5Layers(architecture, classCount)
    depth, width, most = layers["scales"][layers["scale"]]
    graph = _Graph(weights)
    made = [(graph.add("Mul", graph.add("Cast", INPUT, to=TensorProto.FLOAT), graph.constant(1 / 255)), 3)]
    outputs: list[str] = []
    for number, (sources, count, kind, arguments) in enumerate(layers["backbone"] + layers["head"]):
        name = f"model.{number}"
        # Layer 0 is second in the list, behind the pictures.
        given = [made[source if source < 0 else source + 1] for source in np.atleast_1d(sources)]
        source, channels = given[0]
        if kind in ("Conv", "C3", "SPPF"):
            out = _rounded(min(arguments[0], most) * width)
        if kind == "Conv":
            source = graph.block(source, name, channels, out, *arguments[1:])
        elif kind == "C3":
            source = _c3(graph, source, name, channels, out, max(round(count * depth), 1), False not in arguments)
        elif kind == "SPPF":
            source = _sppf(graph, source, name, channels, out, arguments[1])
        elif kind == "nn.Upsample":
            scales = graph.constant([1, 1, 2, 2])
            source, out = graph.add("Resize", source, "", scales, mode="nearest", nearest_mode="floor",
                                    coordinate_transformation_mode="asymmetric"), channels
        elif kind == "Concat":
            source, out = graph.add("Concat", *(one for one, _ in given), axis=1), sum(many for _, many in given)
        else:
            outputs = _head(graph, given, name, classCount)
        made.append((source, out))
    graph.checkAllUsed(f"{name}.dfl.conv.weight")
    inputs = [helper.make_tensor_value_info(INPUT, TensorProto.UINT8, ["n", 3, "rows", "columns"])]
    model = helper.make_model(
        helper.make_graph(graph.nodes, architecture, inputs,
                          [helper.make_tensor_value_info(one, TensorProto.FLOAT, None) for one in outputs],
                          graph.constants),
        opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    return bytes(model.SerializeToString())


def _rounded(channels: float) -> int:
    return int(np.ceil(channels / CHANNEL_STEP)) * CHANNEL_STEP


class _Graph:
    """Nodes and constants as they come. What ``add`` gives is the name of a node's result."""

    def __init__(self, weights: Mapping[str, Array]) -> None:
        self._weights, self._used = weights, set()
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def add(self, kind: str, *inputs: str, **attributes: Any) -> str:
        result = f"result{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [result], **attributes))
        return result

    def constant(self, numbers: Any) -> str:
        name = f"constant{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(numbers, np.float32), name))
        return name

    def block(self, source: str, name: str, channels: int, out: int, kernel: int = 1, stride: int = 1,
              padding: int | None = None) -> str:
        """Convolution, normalisation and SiLU: ultralytics' "Conv"."""
        scale, shift, mean, variance = (self._take(f"{name}.bn.{part}", out).astype(float)
                                        for part in ("weight", "bias", "running_mean", "running_var"))
        scale /= np.sqrt(variance + EPSILON)
        weight = self._take(f"{name}.conv.weight", out, channels, kernel, kernel) * scale[:, None, None, None]
        result = self._convolution(source, weight, shift - mean * scale, stride, padding)
        return self.add("Mul", result, self.add("Sigmoid", result))

    def convolution(self, source: str, name: str, channels: int, out: int) -> str:
        """Of single pixels, with a bias."""
        return self._convolution(source, self._take(f"{name}.weight", out, channels, 1, 1),
                                 self._take(f"{name}.bias", out))

    def _convolution(self, source: str, weight: Array, bias: Array, stride: int = 1, padding: int | None = None) -> str:
        kernel = weight.shape[2]
        return self.add("Conv", source, self.constant(weight), self.constant(bias), kernel_shape=[kernel] * 2,
                        strides=[stride] * 2, pads=[kernel // 2 if padding is None else padding] * 4)

    def _take(self, name: str, *shape: int) -> Array:
        if name not in self._weights or self._weights[name].shape != shape:
            raise WrongWeights(name)
        self._used.add(name)
        return self._weights[name]

    def checkAllUsed(self, *others: str) -> None:
        """:param others: used elsewhere. :raises WrongWeights: some were for another network."""
        left = {name for name in self._weights if not name.endswith("num_batches_tracked")} - self._used - {*others}
        if left:
            raise WrongWeights(min(left))


def _c3(graph: _Graph, source: str, name: str, channels: int, out: int, count: int, shortcut: bool) -> str:
    half = out // 2
    own = graph.block(source, f"{name}.cv1", channels, half)
    for part in range(count):
        seen = graph.block(own, f"{name}.m.{part}.cv1", half, half)
        seen = graph.block(seen, f"{name}.m.{part}.cv2", half, half, 3)
        own = graph.add("Add", own, seen) if shortcut else seen
    beside = graph.block(source, f"{name}.cv2", channels, half)
    return graph.block(graph.add("Concat", own, beside, axis=1), f"{name}.cv3", out, out)


def _sppf(graph: _Graph, source: str, name: str, channels: int, out: int, kernel: int) -> str:
    pooled = [graph.block(source, f"{name}.cv1", channels, channels // 2)]
    for _ in range(3):
        pooled.append(graph.add("MaxPool", pooled[-1], kernel_shape=[kernel] * 2, pads=[kernel // 2] * 4,
                                strides=[1, 1]))
    return graph.block(graph.add("Concat", *pooled, axis=1), f"{name}.cv2", 2 * channels, out)


def _head(graph: _Graph, given: list[tuple[str, int]], name: str, classCount: int) -> list[str]:
    """:return: for each of the maps that are given, that of box edges and that of classes."""
    first = given[0][1]
    outputs = []
    for scale, (source, channels) in enumerate(given):
        for part, inner, out in (("cv2", max(16, first // 4, 4 * BINS), 4 * BINS),
                                 ("cv3", max(first, min(classCount, 100)), classCount)):
            seen = graph.block(source, f"{name}.{part}.{scale}.0", channels, inner, 3)
            seen = graph.block(seen, f"{name}.{part}.{scale}.1", inner, inner, 3)
            outputs.append(graph.convolution(seen, f"{name}.{part}.{scale}.2", inner, out))
    return outputs
