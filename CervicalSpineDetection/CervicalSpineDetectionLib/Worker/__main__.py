"""``python -m CervicalSpineDetectionLib.Worker``: the worker process, driven by ``WorkerClient``."""

from __future__ import annotations

from CervicalSpineDetectionLib.ProcessTuning import tuneProcess
from CervicalSpineDetectionLib.SliceDetector.YoloDetector import YoloDetector
from CervicalSpineDetectionLib.Worker.Server import serve


def loadDetector(weights: str | None, device: str) -> YoloDetector:
    """See ``SliceDetector.YoloDetector.loadDetector``; torch is imported here, after the client was greeted."""
    tuneProcess()
    import numpy as np

    from CervicalSpineDetectionLib.SliceDetector.YoloDetector import loadDetector

    detector = loadDetector(weights, device)
    # Imports and GPU kernels that load at the first picture would make the first detection a second slower.
    detector.detect(np.zeros((1, 3, 64, 64), np.uint8))
    return detector


def describeDevice(detector: YoloDetector) -> str:
    """Where the detector runs, for the user."""
    device = detector.network.device
    if device == "cpu":
        threads = detector.network.threads
        return f"CPU, {threads} thread{'s' if threads > 1 else ''}"
    import torch

    return torch.cuda.get_device_name(detector.network.torchDevice) if device == "cuda" else device


if __name__ == "__main__":
    serve(loadDetector, describeDevice)
