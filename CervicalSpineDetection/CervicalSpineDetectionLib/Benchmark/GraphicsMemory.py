"""What happens where a graphics card's memory is really used up, by plain allocations of another or the same process.

All functions here run in a process of their own, see ``Processes.inFreshProcess``, on an NVIDIA card.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, TypeAlias

import torch

from CervicalSpineDetectionLib.Errors import isGpuMemory
from CervicalSpineDetectionLib.Imaging.ReadImage import readImage
from CervicalSpineDetectionLib.Pipeline import detectVertebrae
from CervicalSpineDetectionLib.SliceDetector.YoloDetector import loadDetector
from CervicalSpineDetectionLib.Spine.Vertebra import DetectionResult
from CervicalSpineDetectionLib.Worker.WorkerClient import Failed, Finished, WorkerClient

# More than any CT has: all slices at once.
ALL_SLICES = 4096
# Of what all slices at once need.
PARTS = (1 / 2, 1 / 8)
# Too little for a second process to even begin with.
LEFT_FOR_WORKER = 64 * 2**20
GRAIN = 2 * 2**20  # the card gives its memory in such pieces
WORKER_SECONDS = 120

Outcome: TypeAlias = tuple[DetectionResult | None, str]  # and a text for the user


def ballast(left: int) -> torch.Tensor:
    """Take all of the card's memory.

    :param left: bytes that stay free.
    :return: tensor that holds the rest; nothing is ever written to it.
    """
    torch.cuda.empty_cache()
    free, _ = torch.cuda.mem_get_info()
    return torch.empty(max(free - left, 0) // GRAIN * GRAIN, dtype=torch.uint8, device="cuda")


def scarce(path: str | Path, weights: str | Path | None, laps: int = 10) -> dict[str, Any]:
    """Detections with all slices at once: with enough memory, then with ever less.

    :return: dict: "expected" (DetectionResult), "needed" (MB beside the weights), "reserved" (MB held after each of
        ``laps`` detections with enough), "runs" (list of dict: "left" (MB), "batch" (slices at a time in the end),
        "result" (DetectionResult or None), "error" (text), "known" (whether the error is taken for short memory)).
    """
    image, detector = readImage(path), loadDetector(weights, "cuda", ALL_SLICES)
    torch.cuda.empty_cache()
    weightBytes = torch.cuda.memory_reserved()
    reserved = []
    for _ in range(laps):
        expected = detectVertebrae(image, detector)
        reserved.append(torch.cuda.memory_reserved() / 2**20)
    needed = torch.cuda.max_memory_reserved() - weightBytes
    runs = []
    for part in PARTS:
        detector.batchSize = ALL_SLICES
        taken = ballast(int(needed * part))
        run = {"left": torch.cuda.mem_get_info()[0] / 2**20, "result": None, "error": "", "known": False}
        try:
            run["result"] = detectVertebrae(image, detector)
        except Exception as error:
            run["error"], run["known"] = f"{type(error).__name__}: {error}"[:300], isGpuMemory(error)
        run["batch"] = detector.batchSize
        runs.append(run)
        del taken
        torch.cuda.empty_cache()
    return {"expected": expected, "needed": needed / 2**20, "reserved": reserved, "runs": runs}


def workerWithoutMemory(path: str | Path, weights: str | Path | None) -> dict[str, Outcome]:
    """The worker process while this one holds the card's memory, and after that.

    :return: dict: what came of a detection on "auto" and on "cuda" without memory, and on "auto" with it again, each a
        (DetectionResult or None, text for the user) pair.
    """
    image, client = readImage(path), WorkerClient()
    taken = ballast(LEFT_FOR_WORKER)
    outcomes = {}
    try:
        for name, device in (("auto", "auto"), ("cuda", "cuda"), ("again", "auto")):
            if name == "again":
                del taken
                torch.cuda.empty_cache()
            client.detect(image, device, weights)
            outcomes[name] = _outcome(client)
    finally:
        client.stop()
    return outcomes


def _outcome(client: WorkerClient) -> Outcome:
    deadline = time.monotonic() + WORKER_SECONDS
    while time.monotonic() < deadline:
        for event in client.poll():
            if isinstance(event, Finished):
                return event.result, " ".join(event.result.warnings)
            if isinstance(event, Failed):
                return None, event.message
        time.sleep(0.01)
    return None, f"no answer in {WORKER_SECONDS} seconds"
