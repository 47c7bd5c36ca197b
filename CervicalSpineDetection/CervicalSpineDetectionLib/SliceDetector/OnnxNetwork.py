"""The network run by ONNX Runtime on the processor (extra "slicer"): ready in a quarter of a second, where loading
torch takes several. Its numbers are those of torch in single precision but for rounding.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np

from CervicalSpineDetectionLib.ProcessTuning import threadCount
from CervicalSpineDetectionLib.SliceDetector.BoxSelection import LEAST_LOGIT
from CervicalSpineDetectionLib.SliceDetector.NetworkLayers import WrongWeights, yolov5Layers
from CervicalSpineDetectionLib.Spine.Arrays import Array

PACKAGES = ("onnx", "onnxruntime")
STRIDES = (8, 16, 32)
# Of single precision.
LARGEST_EXPONENT = 80
# Where graphics cards' drivers show that there is one.
CARDS = ("/dev/nvidiactl", "/dev/kfd")


def canRun(device: str, precision: str) -> bool:
    """Whether a network that is wanted like this can be an ``OnnxNetwork``.

    :param device: see ``YoloDetector.loadDetector``; with "auto" no graphics card may be there.
    """
    return ((device == "cpu" or (device == "auto" and not _mayHaveCard())) and precision in ("auto", "single")
            and isThere())


def isThere() -> bool:
    """Whether ONNX Runtime is installed, and what it takes to make graphs for it."""
    return all(importlib.util.find_spec(package) for package in PACKAGES)


def _mayHaveCard() -> bool:
    """In doubt yes: then torch is asked."""
    return sys.platform == "darwin" or bool(shutil.which("nvidia-smi")) or any(map(os.path.exists, CARDS))


def session(model: bytes, threads: int | None = None) -> Any:
    """An onnxruntime.InferenceSession on the processor.

    :param model: serialized ONNX model.
    :param threads: None for as many as ``threadCount``.
    """
    import onnxruntime

    # On Windows it tells the system's log of each session.
    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # its errors are raised too
    # A number given, it does not tie its threads to cores, which containers forbid.
    options.intra_op_num_threads = threads or threadCount()
    # See ``ProcessTuning``.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def binsOf(architecture: str, classCount: int, weights: Mapping[str, Array]) -> Array:
    """Distances that the head weighs, shape (BINS, 1). :raises WrongWeights: the weights hold none."""
    from CervicalSpineDetectionLib.SliceDetector.OnnxGraph import BINS

    layers = yolov5Layers(architecture, classCount)
    last = len(layers["backbone"]) + len(layers["head"]) - 1
    bins = weights.get(f"model.{last}.dfl.conv.weight", np.zeros(0))
    if bins.shape != (1, BINS, 1, 1):
        raise WrongWeights("bins")
    return np.asarray(bins[0, :, 0], np.float32)


class OnProcessor:
    """What networks that ONNX Runtime runs have in common, see ``YoloDetector.Network``."""

    device = "cpu"

    @property
    def threads(self) -> int:
        """See there."""
        return threadCount()

    @property
    def together(self) -> int:
        """See there; each with one thread, as thin layers leave others idle."""
        return threadCount()

    def makeRoom(self) -> None:
        """See there."""


class OnnxNetwork(OnProcessor):
    """See ``YoloDetector.Network``.

    :param architecture: see ``NetworkLayers``. :param weights: name -> array, as ultralytics names them.
    :raises WrongWeights: the weights are not those of this network.
    """

    precision = "single"

    def __init__(self, architecture: str, classCount: int, weights: Mapping[str, Array]) -> None:
        from CervicalSpineDetectionLib.SliceDetector.OnnxGraph import INPUT, yolov5Graph

        self._bins, self._input = binsOf(architecture, classCount, weights), INPUT
        self._session = session(yolov5Graph(architecture, classCount, weights), threads=1)

    def predict(self, pictures: Array) -> Array:
        """See ``YoloDetector.Network``."""
        maps = self._session.run(None, {self._input: pictures})
        found = []
        for edges, classes, stride in zip(maps[::2], maps[1::2], STRIDES, strict=True):
            rows, columns = placesSeen(classes)
            found.append(decoded(edges[:, :, rows, columns], classes[:, :, rows, columns], rows, columns, stride,
                                 self._bins))
        return np.concatenate(found, axis=1)


def placesSeen(classes: Array) -> tuple[Array, Array]:
    """Rows and columns of a map where any picture shows something, each shape (places,).

    :param classes: what the head gives before its sigmoid, shape (n, classes, rows, columns).
    """
    return np.divmod(np.flatnonzero((classes.max(axis=1) > LEAST_LOGIT).any(axis=0)), classes.shape[3])


def decoded(edges: Array, logits: Array, rows: Array, columns: Array, stride: int, bins: Array) -> Array:
    """Box middles, sizes and scores of some places of one scale, shape (n, places, 4 + classes).

    :param edges: shape (n, 4 * BINS, places). :param logits: of classes, shape (n, classes, places).
    :param rows, columns: of the places, each shape (places,). :param bins: see ``binsOf``.
    """
    shares = edges.reshape(len(edges), 4, len(bins), -1)
    shares = np.exp(shares - shares.max(axis=2, keepdims=True))
    distances = (shares * bins).sum(axis=2) / shares.sum(axis=2)
    return boxesOf(distances.transpose(0, 2, 1), logits.transpose(0, 2, 1), rows, columns, stride)


def boxesOf(distances: Array, logits: Array, rows: Array, columns: Array, stride: int) -> Array:
    """The same. :param distances: to the left, top, right and bottom, in strides, from the middle of each place, shape
    (n, places, 4). :param logits: of classes, shape (n, places, classes).
    """
    middle = np.stack([columns, rows], axis=1).astype(np.float32) + np.float32(0.5)
    first, last = middle - distances[..., :2], middle + distances[..., 2:]
    scores = 1 / (1 + np.exp(-logits.clip(-LARGEST_EXPONENT)))
    return np.concatenate([(first + last) / 2 * stride, (last - first) * stride, scores], axis=2)
