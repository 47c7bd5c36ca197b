"""``benchmark --checks``: whether a device finds what the CPU finds, keeps its memory, and what happens without any."""

from __future__ import annotations

import concurrent.futures
import multiprocessing
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeAlias

from CervicalSpineDetectionLib.Benchmark.Processes import inFreshProcess
from CervicalSpineDetectionLib.Benchmark.SameResult import BOX_MM, CENTRE_MM, CONFIDENCE, apart
from CervicalSpineDetectionLib.Benchmark.SampleCts import writeSampleCt
from CervicalSpineDetectionLib.SafeChildren import endWithStarter, startingSafely
from CervicalSpineDetectionLib.Spine.Vertebra import DetectionResult

# Phantom seed -> grid: the benchmark's, and a coarse one.
CTS = {17: ((512, 512, 300), (0.5, 0.5, 1.0)), 3: ((256, 256, 120), (0.9, 0.9, 2.5))}
# 16 slices at a time; a card of 2 GB has room for that beside what it shows.
MOST_GPU_MB = 1024
# Memory that torch holds after the second detection and after the last may differ by one of its pieces.
GROWTH_MB = 20


AddCheck: TypeAlias = Callable[[str, bool | None, str], None]  # the parts of a Check


@dataclass(frozen=True)
class Check:
    """:param passed: None where it could not be made here. :param text: what was found."""

    name: str
    passed: bool | None
    text: str

    def __str__(self) -> str:
        return f"{ {True: 'passed', False: 'FAILED', None: 'not run'}[self.passed]:8} {self.name}: {self.text}"


def check(device: str, weights: str | Path | None, folder: Path,
          tell: Callable[[Check], None]) -> tuple[list[dict[str, Any]], Path]:
    """All checks of a device.

    :param device: torch's name. :param weights: see ``YoloDetector.loadDetector``.
    :param folder: Path for the CTs. :param tell: called with each Check as soon as it is made.
    :return: (list of Check as dict, Path of the first CT).
    """
    done = []

    def add(name: str, passed: bool | None, text: str) -> None:
        done.append(Check(name, passed, text))
        tell(done[-1])

    paths = makeCts(folder)
    expected = inFreshProcess(detections, paths, weights, "cpu", "single").value["results"]
    for precision in ("single", "auto"):
        found = inFreshProcess(detections, paths, weights, device, precision).value
        _compare(add, f"{found['precision']} precision on {device} against single precision on the CPU",
                 expected, found["results"])
        if found["gpuMemory"] is not None:
            add("memory of the card", found["gpuMemory"] <= MOST_GPU_MB,
                f"{found['gpuMemory']:.0f} MB at most in {found['precision']} precision (allowed: {MOST_GPU_MB} MB)")
    if device.split(":")[0] == "cuda":
        _checkMemory(add, paths[0], weights, expected[0])
    else:
        add("no memory on the card", None, "needs an NVIDIA card")
    return [asdict(one) for one in done], paths[0]


def makeCts(folder: Path) -> list[Path]:
    """Phantoms, made side by side. :return: list of Path."""
    paths = [folder / f"phantom{seed}.nii" for seed in CTS]
    with concurrent.futures.ProcessPoolExecutor(len(CTS), multiprocessing.get_context("spawn"),
                                                initializer=endWithStarter) as pool:
        with startingSafely():
            list(pool.map(writeSampleCt, paths, *zip(*CTS.values(), strict=True), CTS))
    return paths


def detections(paths: Sequence[Path], weights: str | Path | None, device: str, precision: str) -> dict[str, Any]:
    """In a process of its own.

    :return: dict: "results" (list of DetectionResult), "precision" (name of the one used), "gpuMemory" (MB or None).
    """
    import torch

    from CervicalSpineDetectionLib.Imaging.ReadImage import readImage
    from CervicalSpineDetectionLib.Pipeline import detectVertebrae
    from CervicalSpineDetectionLib.SliceDetector.YoloDetector import loadDetector

    detector = loadDetector(weights, device, precision=precision)
    results = [detectVertebrae(readImage(path), detector) for path in paths]
    memory = torch.cuda.max_memory_reserved() / 2**20 if detector.network.device == "cuda" else None
    return {"results": results, "precision": detector.model["precision"], "gpuMemory": memory}


def _compare(add: AddCheck, name: str, expected: Iterable[DetectionResult], found: Iterable[DetectionResult]) -> None:
    for (seed, (size, _)), one, other in zip(CTS.items(), expected, found, strict=True):
        distance = apart(one, other)
        add(f"{name}, phantom {seed} of {' x '.join(map(str, size))}", distance.same and bool(one.vertebrae),
            f"{len(other.vertebrae)} vertebrae, {distance} (allowed: {CENTRE_MM} mm, {BOX_MM} mm, {CONFIDENCE})")


def _checkMemory(add: AddCheck, path: Path, weights: str | Path | None, expected: DetectionResult) -> None:
    from CervicalSpineDetectionLib.Benchmark.GraphicsMemory import scarce, workerWithoutMemory
    from CervicalSpineDetectionLib.Worker.Server import NO_GPU_MEMORY, ON_CPU_INSTEAD

    found = inFreshProcess(scarce, path, weights).value
    reserved = found["reserved"]
    add("memory does not grow", reserved[-1] - reserved[1] <= GROWTH_MB,
        f"{reserved[1]:.0f} MB after the second, {reserved[-1]:.0f} MB after detection {len(reserved)}, "
        f"median {statistics.median(reserved):.0f} MB, all slices at a time")
    for run in found["runs"]:
        name = f"{run['left']:.0f} MB left where all slices at once need {found['needed']:.0f} MB"
        if run["result"] is None:
            add(name, run["known"], f"stopped with {run['batch']} slices at a time: {run['error']}")
        else:
            distance = apart(found["expected"], run["result"])
            add(name, distance.same, f"{run['batch']} slices at a time, {distance}")
    outcomes = inFreshProcess(workerWithoutMemory, path, weights).value
    for name, device, sentence in (("auto", "auto", ON_CPU_INSTEAD), ("cuda", "cuda", NO_GPU_MEMORY),
                                   ("again", "auto", None)):
        result, text = outcomes[name]
        told = sentence in text if sentence else ON_CPU_INSTEAD not in text
        right = result is None if name == "cuda" else result is not None and apart(expected, result).same
        add(f"worker on {device}, {'memory there again' if name == 'again' else 'no memory left'}", told and right,
            f"{'no result' if result is None else apart(expected, result)}; told: {text or 'nothing'}")
