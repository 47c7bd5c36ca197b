"""The network run by ONNX Runtime on the processor (extra "slicer"): ready in a quarter of a second, where loading
torch takes several. Its numbers are those of torch in single precision but for rounding.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Mapping

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
    return (device == "cpu" or (device == "auto" and not _mayHaveCard())) and precision in ("auto", "single") and all(
        importlib.util.find_spec(package) for package in PACKAGES)


def _mayHaveCard() -> bool:
    """In doubt yes: then torch is asked."""
    return sys.platform == "darwin" or bool(shutil.which("nvidia-smi")) or any(map(os.path.exists, CARDS))


class OnnxNetwork:
    """See ``YoloDetector.Network``.

    :param architecture: see ``NetworkLayers``. :param weights: name -> array, as ultralytics names them.
    :raises WrongWeights: the weights are not those of this network.
    """

    device, precision = "cpu", "single"

    def __init__(self, architecture: str, classCount: int, weights: Mapping[str, Array]) -> None:
        import onnxruntime

        from CervicalSpineDetectionLib.SliceDetector.OnnxGraph import BINS, INPUT, yolov5Graph

        layers = yolov5Layers(architecture, classCount)
        last = len(layers["backbone"]) + len(layers["head"]) - 1
        bins = weights.get(f"model.{last}.dfl.conv.weight", np.zeros(0))
        if bins.shape != (1, BINS, 1, 1):
            raise WrongWeights("bins")
        self._bins, self._input = bins[0, :, 0].astype(np.float32), INPUT
        # On Windows it tells the system's log of each session.
        onnxruntime.disable_telemetry_events()
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4  # its errors are raised too
        # A number given, it does not tie its threads to cores, which containers forbid.
        options.intra_op_num_threads = threadCount()
        # See ``ProcessTuning``.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(yolov5Graph(architecture, classCount, weights), options,
                                                     providers=["CPUExecutionProvider"])

    def predict(self, pictures: Array) -> Array:
        """See ``YoloDetector.Network``."""
        maps = self._session.run(None, {self._input: pictures})
        return np.concatenate([self._decoded(edges, classes, stride)
                               for edges, classes, stride in zip(maps[::2], maps[1::2], STRIDES, strict=True)], axis=1)

    def makeRoom(self) -> None:
        """See ``YoloDetector.Network``."""

    def _decoded(self, edges: Array, classes: Array, stride: int) -> Array:
        """Box middles, sizes and scores of one scale, where anything is seen, shape (n, boxes, 4 + classes)."""
        count, kinds, _, columns = classes.shape
        logits = classes.reshape(count, kinds, -1)
        places = np.flatnonzero((logits.max(axis=1) > LEAST_LOGIT).any(axis=0))
        shares = edges.reshape(count, 4, len(self._bins), -1)[..., places]
        shares = np.exp(shares - shares.max(axis=2, keepdims=True))
        # To the left, top, right and bottom, in strides, from the middle of each place.
        distances = (shares * self._bins).sum(axis=2) / shares.sum(axis=2)
        row, column = np.divmod(places, columns)
        middle = np.stack([column, row]).astype(np.float32) + np.float32(0.5)
        first, last = middle - distances[:, :2], middle + distances[:, 2:]
        scores = 1 / (1 + np.exp(-logits[..., places].clip(-LARGEST_EXPONENT)))
        return np.concatenate([(first + last) / 2 * stride, (last - first) * stride, scores], axis=1).transpose(0, 2, 1)
