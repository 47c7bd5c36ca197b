"""The one place where ultralytics is imported: it must not talk, install or change settings."""

import os
import tempfile
from typing import Any


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
    # A folder of its own: ultralytics writes its settings file at import.
    if "YOLO_CONFIG_DIR" not in os.environ:
        os.environ["YOLO_CONFIG_DIR"] = os.path.join(tempfile.gettempdir(), "CervicalSpineDetection-ultralytics")
    os.makedirs(os.environ["YOLO_CONFIG_DIR"], exist_ok=True)
    ompThreads = os.environ.get("OMP_NUM_THREADS")
    import ultralytics

    ultralytics.settings.update({"sync": False})
    torch.set_num_threads(threads)
    if ompThreads is None:
        os.environ.pop("OMP_NUM_THREADS", None)
    return ultralytics


def detectionModel(architecture: str, classCount: int) -> Any:
    """An untrained detection network.

    :param architecture: "yolov5n" or "yolov5s", from the yaml that ultralytics ships.
    :param classCount: number of classes.
    :return: torch module.
    """
    importUltralytics()
    from ultralytics.nn.tasks import DetectionModel

    return DetectionModel(f"{architecture}.yaml", ch=3, nc=classCount, verbose=False)


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
