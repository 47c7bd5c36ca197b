"""``python -m CervicalSpineDetectionLib.Worker``: the worker process, driven by ``WorkerClient``."""

from CervicalSpineDetectionLib.Worker.Server import serve


def loadDetector(weights, device):
    """See ``Detection.YoloDetector.loadDetector``; torch is imported here, after the client was greeted."""
    from CervicalSpineDetectionLib.Detection.YoloDetector import loadDetector

    return loadDetector(weights, device)


def describeDevice(detector):
    """Where the detector runs, for the user."""
    import torch

    if detector.device.type == "cuda":
        return torch.cuda.get_device_name(detector.device)
    return f"CPU, {torch.get_num_threads()} threads" if detector.device.type == "cpu" else str(detector.device)


if __name__ == "__main__":
    serve(loadDetector, describeDevice)
