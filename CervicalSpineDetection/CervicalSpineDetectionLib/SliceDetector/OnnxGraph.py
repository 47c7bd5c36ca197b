"""YOLOv5 as a graph for ONNX Runtime, made of weights without torch, whose loading takes longer than a detection.

It computes what ultralytics' network does, with the batch normalisation folded into the convolutions, up to the maps of
its head; ``OnnxNetwork`` makes boxes of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from CervicalSpineDetectionLib.SliceDetector.NetworkLayers import WrongWeights, hasRelu, yolov5Layers
from CervicalSpineDetectionLib.Spine.Arrays import Array

INPUT = "pictures"
# Steps of a box edge's distance that the head weighs against each other.
BINS = 16
# Of ultralytics' batch normalisation.
EPSILON = 1e-3
OPSET, IR_VERSION = 17, 8  # ONNX 1.12; ONNX Runtime reads it since 1.12 as well
CHANNEL_STEP = 8
RUNTIME_OPERATORS = "com.microsoft"  # name of those that ONNX Runtime has beside ONNX's


def yolov5Graph(architecture: str, classCount: int, weights: Mapping[str, Array]) -> bytes:
    """A serialized ONNX model.

    In: uint8 pictures, shape (n, 3, rows, columns). Out, for strides 8, 16 and 32, maps of rows / stride and columns /
    stride: of box edges, 4 * BINS deep, and of classes.

    :param weights: name -> array, as ultralytics names them.
    :raises WrongWeights: they are not those of this network.
    """
    graph = Graph(weights, hasRelu(architecture))
    maps, head = addBody(graph, architecture, classCount)
    sizes = [channels for _, channels in maps]
    outputs = []
    for scale, (source, _) in enumerate(maps):
        outputs += [addBoxHead(graph, source, sizes, head, scale),
                    addClassHead(graph, source, sizes, head, scale, classCount)]
    checkAllUsed(weights, graph.used, f"{head}.dfl.conv.weight")
    return graph.model(outputs)


def addBody(graph: Graph, architecture: str, classCount: int) -> tuple[list[tuple[str, int]], str]:
    """All layers but the head.

    :return: ((result, channels) for strides 8, 16 and 32, name of the head's layer).
    :raises WrongWeights: the graph's weights are not those of this network.
    """
    layers = yolov5Layers(architecture, classCount)
    depth, width, most = layers["scales"][layers["scale"]]
    made = [(INPUT, 3)]
    given: list[tuple[str, int]] = []
    for number, (sources, count, kind, arguments) in enumerate(layers["backbone"] + layers["head"]):
        name = f"model.{number}"
        # Layer 0 is second in the list, behind the pictures.
        given = [made[source if source < 0 else source + 1] for source in np.atleast_1d(sources)]
        source, channels = given[0]
        if kind in ("Conv", "C3", "SPPF"):
            out = _rounded(min(arguments[0], most) * width)
        if number == 0:
            source = graph.first(name, channels, out, *arguments[1:])
        elif kind == "Conv":
            source = graph.block(source, name, channels, out, *arguments[1:])
        elif kind == "C3":
            source = _c3(graph, source, name, channels, out, max(round(count * depth), 1), False not in arguments)
        elif kind == "SPPF":
            source = _sppf(graph, source, name, channels, out, arguments[1])
        elif kind == "nn.Upsample":
            source, out = graph.doubled(source), channels
        elif kind == "Concat":
            source, out = graph.joined(*(one for one, _ in given)), sum(many for _, many in given)
        made.append((source, out))
    return given, name


def _rounded(channels: float) -> int:
    return int(np.ceil(channels / CHANNEL_STEP)) * CHANNEL_STEP


class Graph:
    """Nodes and constants as they come. What its methods give is the name of a result.

    :param weights: name -> array. :param relu: see ``NetworkLayers.hasRelu``.
    """

    def __init__(self, weights: Mapping[str, Array], relu: bool = False) -> None:
        self._weights, self._relu = weights, relu
        self.used: set[str] = set()
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        self.inputShape: tuple[int | str, ...] = (3, "rows", "columns")
        # What comes before the activation of each block, name -> result.
        self.blocks: dict[str, str] = {}

    def model(self, outputs: Sequence[str], integers: Sequence[str] = (), places: Sequence[str] = ()) -> bytes:
        """Serialized.

        :param outputs: results in single precision. :param integers: results in 8 bits, that come before them.
        :param places: names of inputs beside the pictures: whole numbers of 64 bits, shape (m, 3).
        """
        shown = [helper.make_tensor_value_info(result, kind, None)
                 for results, kind in ((integers, TensorProto.UINT8), (outputs, TensorProto.FLOAT))
                 for result in results]
        given = [helper.make_tensor_value_info(INPUT, TensorProto.UINT8, ["n", *self.inputShape]),
                 *(helper.make_tensor_value_info(name, TensorProto.INT64, ["m", 3]) for name in places)]
        return self.serialized("yolov5", given, shown)

    def serialized(self, name: str, given: Sequence[Any], shown: Sequence[Any]) -> bytes:
        """:param given, shown: descriptions of what comes in and out, as ``onnx.helper`` makes them."""
        model = helper.make_model(
            helper.make_graph(self._nodes, name, given, shown, self._constants),
            opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid(RUNTIME_OPERATORS, 1)],
            ir_version=IR_VERSION)
        return bytes(model.SerializeToString())

    def first(self, name: str, channels: int, out: int, kernel: int, stride: int, padding: int) -> str:
        """The first block, on the pictures."""
        pictures = self.node("Mul", self.node("Cast", INPUT, to=TensorProto.FLOAT), self.constant(1 / 255))
        return self.block(pictures, name, channels, out, kernel, stride, padding)

    def block(self, source: str, name: str, channels: int, out: int, kernel: int = 1, stride: int = 1,
              padding: int | None = None) -> str:
        """Convolution, normalisation and activation: ultralytics' "Conv"."""
        weight, bias = self._normalized(name, channels, out, kernel)
        result = self._convolution(source, weight, bias, stride, padding)
        self.blocks[name] = result
        return self.node("Relu", result) if self._relu else self.node("Mul", result, self.node("Sigmoid", result))

    def convolution(self, source: str, name: str, channels: int, out: int) -> str:
        """Of single pixels, with a bias."""
        return self._convolution(source, self._take(f"{name}.weight", out, channels, 1, 1),
                                 self._take(f"{name}.bias", out))

    def sum(self, one: str, other: str) -> str:
        return self.node("Add", one, other)

    def joined(self, *sources: str) -> str:
        """Channels of one after those of the other."""
        return self.node("Concat", *sources, axis=1)

    def largest(self, source: str, kernel: int) -> str:
        """Of each place and its neighbours."""
        return self.node("MaxPool", source, kernel_shape=[kernel] * 2, pads=[kernel // 2] * 4, strides=[1, 1])

    def doubled(self, source: str) -> str:
        """In rows and columns, each place twice."""
        return self.node("Resize", source, "", self.constant([1, 1, 2, 2]), mode="nearest", nearest_mode="floor",
                         coordinate_transformation_mode="asymmetric")

    def node(self, kind: str, *inputs: str, **attributes: Any) -> str:
        result = f"result{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, inputs, [result], **attributes))
        return result

    def constant(self, numbers: Any, kind: Any = np.float32) -> str:
        name = f"constant{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.asarray(numbers, kind), name))
        return name

    def _normalized(self, name: str, channels: int, out: int, kernel: int) -> tuple[Array, Array]:
        """Weights and bias of a block's convolution, its normalisation in them, float64."""
        scale, shift, mean, variance = (self._take(f"{name}.bn.{part}", out).astype(float)
                                        for part in ("weight", "bias", "running_mean", "running_var"))
        scale /= np.sqrt(variance + EPSILON)
        weight = self._take(f"{name}.conv.weight", out, channels, kernel, kernel) * scale[:, None, None, None]
        return weight, shift - mean * scale

    def _convolution(self, source: str, weight: Array, bias: Array, stride: int = 1, padding: int | None = None) -> str:
        return self.node("Conv", source, self.constant(weight), self.constant(bias),
                         **windowOf(weight, stride, padding))

    def _take(self, name: str, *shape: int) -> Array:
        if name not in self._weights or self._weights[name].shape != shape:
            raise WrongWeights(name)
        self.used.add(name)
        return self._weights[name]


def checkAllUsed(weights: Mapping[str, Array], used: set[str], *others: str) -> None:
    """:param used, others: names of weights that the network needs. :raises WrongWeights: some are for another."""
    left = {name for name in weights if not name.endswith("num_batches_tracked")} - used - {*others}
    if left:
        raise WrongWeights(min(left))


def windowOf(weight: Array, stride: int, padding: int | None) -> dict[str, list[int]]:
    """ONNX attributes of a convolution. :param padding: None: results of the size of what they are made of."""
    kernel = weight.shape[2]
    return {"kernel_shape": [kernel] * 2, "strides": [stride] * 2,
            "pads": [kernel // 2 if padding is None else padding] * 4}


def _c3(graph: Graph, source: str, name: str, channels: int, out: int, count: int, shortcut: bool) -> str:
    half = out // 2
    own = graph.block(source, f"{name}.cv1", channels, half)
    for part in range(count):
        seen = graph.block(own, f"{name}.m.{part}.cv1", half, half)
        seen = graph.block(seen, f"{name}.m.{part}.cv2", half, half, 3)
        own = graph.sum(own, seen) if shortcut else seen
    beside = graph.block(source, f"{name}.cv2", channels, half)
    return graph.block(graph.joined(own, beside), f"{name}.cv3", out, out)


def _sppf(graph: Graph, source: str, name: str, channels: int, out: int, kernel: int) -> str:
    pooled = [graph.block(source, f"{name}.cv1", channels, channels // 2)]
    for _ in range(3):
        pooled.append(graph.largest(pooled[-1], kernel))
    return graph.block(graph.joined(*pooled), f"{name}.cv2", 2 * channels, out)


def addBoxHead(graph: Graph, source: str, sizes: Sequence[int], head: str, scale: int) -> str:
    """:return: map of box edges.

    :param source: map that the head is given for one scale. :param sizes: channels of these maps, of all scales.
    """
    return _addHead(graph, source, sizes[scale], f"{head}.cv2.{scale}", max(16, sizes[0] // 4, 4 * BINS), 4 * BINS)


def addClassHead(graph: Graph, source: str, sizes: Sequence[int], head: str, scale: int, classCount: int) -> str:
    """:return: map of classes. See ``addBoxHead``."""
    return _addHead(graph, source, sizes[scale], f"{head}.cv3.{scale}", max(sizes[0], min(classCount, 100)), classCount)


def _addHead(graph: Graph, source: str, channels: int, name: str, inner: int, out: int) -> str:
    seen = graph.block(source, f"{name}.0", channels, inner, 3)
    seen = graph.block(seen, f"{name}.1", inner, inner, 3)
    return graph.convolution(seen, f"{name}.2", inner, out)
