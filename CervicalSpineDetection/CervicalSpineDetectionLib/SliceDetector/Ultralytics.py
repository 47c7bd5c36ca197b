"""The one place where ultralytics is imported: it must not talk, install or change settings."""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from CervicalSpineDetectionLib.SliceDetector.NetworkLayers import hasRelu, yolov5Layers

# Read by ultralytics when it is imported.
CONFIG_VARIABLE = "YOLO_CONFIG_DIR"


def importUltralytics() -> Any:
    """Import ultralytics with its side effects held back.

    Without these settings it posts usage events, looks up a name server, installs packages by itself, and leaves torch
    on one thread.

    :return: the ultralytics module.
    """
    import torch

    threads = torch.get_num_threads()
    os.environ["YOLO_OFFLINE"] = "true"
    os.environ["YOLO_AUTOINSTALL"] = "false"
    os.environ["YOLO_VERBOSE"] = "false"
    ompThreads = os.environ.get("OMP_NUM_THREADS")
    with _settingsFolder():
        import ultralytics

        ultralytics.settings.update({"sync": False})
    torch.set_num_threads(threads)
    if ompThreads is None:
        os.environ.pop("OMP_NUM_THREADS", None)
    return ultralytics


@contextmanager
def _settingsFolder() -> Iterator[None]:
    """Where ultralytics writes its settings at import: the user's choice, or a new folder that no one else can enter
    and that is gone afterwards. A folder of a name that others know could be theirs.
    """
    if os.environ.get(CONFIG_VARIABLE):
        os.makedirs(os.environ[CONFIG_VARIABLE], exist_ok=True)
        yield
        return
    with tempfile.TemporaryDirectory(prefix="CervicalSpineDetection-") as folder:
        os.environ[CONFIG_VARIABLE] = folder
        try:
            yield
        finally:
            del os.environ[CONFIG_VARIABLE]


def detectionModel(architecture: str, classCount: int) -> Any:
    """An untrained detection network.

    :param architecture: see ``NetworkLayers``.
    :param classCount: number of classes.
    :return: torch module.
    """
    importUltralytics()
    from torch import nn
    from ultralytics.nn.tasks import DetectionModel

    model = DetectionModel(yolov5Layers(architecture, classCount), ch=3, nc=classCount, verbose=False)
    if hasRelu(architecture):
        replaceActivations(model, nn.SiLU, nn.ReLU)
    return model


def replaceActivations(model: Any, old: Any, new: Callable[[], Any]) -> None:
    """Give each layer an activation of its own; ultralytics' layers share one.

    :param model: torch module, changed in place. :param old: the kind that is replaced. :param new: makes one.
    """
    for module in model.modules():
        if isinstance(getattr(module, "act", None), old):
            module.act = new()


def decodeInSinglePrecision(network: Any) -> Any:
    """Let a network of half precision give its boxes in single precision: pixel numbers have too many digits for it.

    :param network: detection network, changed in place.
    :return: the same.
    """
    # Networks of tests have no parts.
    if hasattr(network, "model"):
        head = network.model[-1]
        decode = head._inference
        head.dfl.float()
        head._inference = lambda raw: decode(_inSinglePrecision(raw))
    return network


def _inSinglePrecision(raw: Any) -> Any:
    """The tensors in what a head computed, a dict or list by ultralytics' version."""
    if isinstance(raw, dict):
        return {name: _inSinglePrecision(part) for name, part in raw.items()}
    return [part.float() for part in raw] if isinstance(raw, (list, tuple)) else raw.float()
