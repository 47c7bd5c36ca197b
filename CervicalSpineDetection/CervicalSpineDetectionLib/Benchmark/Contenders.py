"""Our detection stage by stage, and ultralytics' ``predict`` on the same slices with the same weights.

All functions here run in a process of their own, see ``Processes.inFreshProcess``.
"""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from CervicalSpineDetectionLib import Pipeline
from CervicalSpineDetectionLib.Benchmark.Floor import networkCost
from CervicalSpineDetectionLib.Imaging.ReadImage import readImage
from CervicalSpineDetectionLib.SliceDetector.NetworkLayers import fileOf
from CervicalSpineDetectionLib.SliceDetector.Ultralytics import detectionModel, importUltralytics
from CervicalSpineDetectionLib.SliceDetector.Weights import findWeights, loadWeights, readCard
from CervicalSpineDetectionLib.SliceDetector.YoloDetector import STRIDE, YoloDetector, loadDetector
from CervicalSpineDetectionLib.Spine.Arrays import Array

if TYPE_CHECKING:
    from ultralytics import YOLO

BATCH = 32
DEFAULT_SIZE = 640  # ultralytics' own


def detectionStages(path: str | Path, weights: str | Path | None, device: str, repeats: int,
                    precision: str = "auto") -> dict[str, Any]:
    """Median seconds of each stage of a warm detection.

    :param path: CT.
    :param precision: see ``YoloDetector.loadDetector``.
    :return: dict: "precision" (name of the one used), "stages" (name -> seconds), "result" (DetectionResult), "slices"
        (number, rows, columns of the volume), "flops" (of the network, in the parts of the slices that it is shown; a
        multiply-add is two), "voxels" (of the CT), "voxelBytes", "gpuMemory" (MB or None).
    """
    detector = loadDetector(weights, device, precision=precision)
    laps = []
    for _ in range(repeats + 1):  # the first warms up
        started = time.perf_counter()
        image = readImage(path)
        read = time.perf_counter() - started
        result = Pipeline.detectVertebrae(image, detector)
        laps.append({"read": read, **result.timings})
    _, slices, _ = Pipeline.slicesFor(image, detector)
    pixels = pixelsShown(detector, slices)
    cuda = torch.cuda.max_memory_allocated() / 2**20 if torch.cuda.is_available() else None
    return {
        "precision": detector.model["precision"],
        "stages": {stage: statistics.median(lap[stage] for lap in laps[1:]) for stage in laps[0]},
        "result": result, "slices": (len(slices), *slices.shape[2:]), "flops": pixels * flopsPerPixel(weights),
        "voxels": image.GetSize(), "voxelBytes": image.GetSizeOfPixelComponent(),
        "gpuMemory": cuda if detector.network.device == "cuda" else None,
    }


def pixelsShown(detector: YoloDetector, slices: Array) -> int:
    """How many the network is shown for slices of a CT."""
    network, shown = detector.network, []

    class Counting:
        together = 1

        def predict(self, pictures: Array) -> Array:
            shown.append(pictures[:, 0].size)
            return np.asarray(network.predict(pictures))

    detector.network = Counting()
    detector.detect(slices)
    detector.network = network
    return sum(shown)


def flopsPerPixel(weights: str | Path | None) -> float:
    """Of the whole network; a multiply-add is two."""
    cost = networkCost(readCard(findWeights(weights))["architecture"], STRIDE, STRIDE)
    return cost["flops"] / STRIDE**2


def predictSeconds(path: str | Path, weights: str | Path | None, device: str, repeats: int, batch: int,
                   size: int | None = None) -> float:
    """Median seconds of ultralytics' ``predict``, with its own settings, over all slices of the volume.

    :param batch: slices a call; 1 is the loop that a user would write.
    :param size: pixels of the longer side that pictures are scaled to; None: that of the slices, rounded up.
    """
    detector = loadDetector(weights, device)
    _, slices, _ = Pipeline.slicesFor(readImage(path), detector)
    pictures = list(np.ascontiguousarray(slices.transpose(0, 2, 3, 1)))
    size = size or -(-max(pictures[0].shape[:2]) // STRIDE) * STRIDE
    model = plainModel(weights)
    chosen = detector.network.device

    def run() -> None:
        for start in range(0, len(pictures), batch):
            model.predict(pictures[start : start + batch], imgsz=size, device=chosen, verbose=False)

    from CervicalSpineDetectionLib.Benchmark.Processes import medianSeconds

    return medianSeconds(run, repeats)


def plainModel(weights: str | Path | None) -> YOLO:
    """The weights as ultralytics' own ``YOLO`` object."""
    card, state = loadWeights(findWeights(weights))
    threads = torch.get_num_threads()
    ultralytics = importUltralytics()
    # With its folder: of a bare name ultralytics takes the file in the current folder, if there is one.
    models = Path(ultralytics.__file__).parent / "cfg" / "models" / "v5"
    model = ultralytics.YOLO(models / fileOf(card["architecture"]), task="detect")
    model.model = detectionModel(card["architecture"], len(card["classes"]))
    model.model.load_state_dict(state)
    model.model.names = dict(enumerate(card["classes"]))
    torch.set_num_threads(threads)
    return model
