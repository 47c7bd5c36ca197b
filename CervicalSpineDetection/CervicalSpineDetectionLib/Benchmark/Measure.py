"""All figures of a benchmark: this program and others, on one CT, on each device, in processes of their own."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil
import torch

from CervicalSpineDetectionLib.Benchmark import Contenders, Floor, NnUNet
from CervicalSpineDetectionLib.Benchmark.DeviceCandidates import candidates
from CervicalSpineDetectionLib.Benchmark.DeviceChecks import check
from CervicalSpineDetectionLib.Benchmark.Growth import growth
from CervicalSpineDetectionLib.Benchmark.Processes import inFreshProcess
from CervicalSpineDetectionLib.Benchmark.Report import deviceFigures
from CervicalSpineDetectionLib.Benchmark.SampleCts import writeSampleCt
from CervicalSpineDetectionLib.Benchmark.SceneStages import sceneStages
from CervicalSpineDetectionLib.Imaging.ReadImage import readImage
from CervicalSpineDetectionLib.Terminal import ProgressDisplay


def measure(ct: str | Path | None, weights: str | Path | None, card: Mapping[str, Any], devices: Sequence[str],
            repeats: int, temporary: Path) -> dict[str, Any]:
    """All figures of benchmark.json.

    :param ct: path of the CT, None for a phantom.
    :param weights: see ``YoloDetector.loadDetector``. :param card: their card.
    :param devices: names. :param repeats: medians of so many runs.
    :param temporary: Path of a folder for the sample CT.
    """
    figures: dict[str, Any] = {"machine": machineDescription(), "repeats": repeats,
                               "weights": f"{card['name']} {card['sha256'][:12]}"}
    path, source = ct, "given"
    # Steps of a device: see ``measureDevice``; before and after them the CT and its growth.
    tell = _Steps(2 + len(devices) * (7 + len(NnUNet.PLANS)))
    if path is None:
        path, source = temporary / "ct.nii", "phantom, uncompressed NIfTI"
        tell("Making the CT")
        inFreshProcess(writeSampleCt, path)
    image = readImage(path)
    figures["ct"] = {"size": list(image.GetSize()), "spacing": list(image.GetSpacing()), "source": source}
    extent = [size * spacing for size, spacing in zip(image.GetSize(), image.GetSpacing(), strict=True)]
    del image
    figures["devices"] = {
        device: measureDevice(path, weights, card, device, repeats, extent, tell) for device in devices}
    tell("Growth")
    figures["growthDevice"] = devices[-1]
    figures["growth"] = inFreshProcess(growth, path, weights, devices[-1], repeats).value
    tell.finish()
    figures["machine"]["loadAverageAfter"] = loadAverage()
    return figures


class _Steps:
    """Progress over steps of unequal length: each is named when it begins."""

    def __init__(self, total: int) -> None:
        self._progress, self._done, self._total = ProgressDisplay("steps", lines=total), -1, total

    def __call__(self, step: str) -> None:
        self._done += 1
        self._progress(step, min(self._done, self._total - 1), self._total)

    def finish(self) -> None:
        self._progress("Done", self._total, self._total)


def measureDevice(path: str | Path, weights: str | Path | None, card: Mapping[str, Any], device: str, repeats: int,
                  extent: Sequence[float], tell: Callable[[str], None]) -> dict[str, Any]:
    """Figures of one device, see ``Benchmark.Report.deviceFigures``."""
    tell(f"Our detection on {device}")
    ours = inFreshProcess(Contenders.detectionStages, path, weights, device, repeats)
    precision, single = ours.value["precision"], None
    if precision != "single":
        tell("The same in single precision")
        single = inFreshProcess(Contenders.detectionStages, path, weights, device, repeats, "single")
    tell("The way to Slicer and back")
    scene = inFreshProcess(sceneStages, path, weights, device, ours.value["result"], repeats).value
    tell("The hardware limit")
    rates = inFreshProcess(Floor.machine, device, tuple(dict.fromkeys((precision, "single")))).value
    cost = inFreshProcess(Floor.networkCost, card["architecture"], *ours.value["slices"][1:]).value
    predicts, patches = {}, {}
    for name, batch, size in (("predictLoop", 1, None), ("predictLoop640", 1, Contenders.DEFAULT_SIZE),
                              ("predictBatched", Contenders.BATCH, None)):
        tell(f"ultralytics predict, {batch} at a time")
        predicts[name] = inFreshProcess(Contenders.predictSeconds, path, weights, device, repeats, batch, size)
    for name, plan in NnUNet.PLANS.items():
        tell(f"nnU-Net at {plan.spacing} mm, one patch")
        patches[name] = inFreshProcess(NnUNet.secondsPerPatch, plan.patch, device, 1)
    return deviceFigures(ours, single, scene, rates, cost, predicts, patches, extent)


def measureWithChecks(weights: str | Path | None, card: Mapping[str, Any], devices: Sequence[str], repeats: int,
                      temporary: Path) -> dict[str, Any]:
    """Figures of ``benchmark --checks``: the last device against the CPU, and the stages of each device.

    :param devices: names, the one to be checked last. :param temporary: Path of a folder for the CTs.
    :return: as ``measure``, with "checks" (list of dict, see ``DeviceChecks.Check``) and "candidates" (way -> seconds).
    """
    figures: dict[str, Any] = {"machine": machineDescription(), "repeats": repeats,
                               "weights": f"{card['name']} {card['sha256'][:12]}"}
    figures["checks"], path = check(devices[-1], weights, temporary, lambda one: print(one, flush=True))
    image = readImage(path)
    figures["ct"] = {"size": list(image.GetSize()), "spacing": list(image.GetSpacing()),
                     "source": "phantom, uncompressed NIfTI"}
    extent = [size * spacing for size, spacing in zip(image.GetSize(), image.GetSpacing(), strict=True)]
    del image
    figures["devices"] = {device: measureStages(path, weights, card, device, repeats, extent) for device in devices}
    print("Other ways on", devices[-1], flush=True)
    figures["candidates"] = inFreshProcess(candidates, path, weights, devices[-1], repeats).value
    figures["growthDevice"], figures["growth"] = devices[-1], []
    figures["machine"]["loadAverageAfter"] = loadAverage()
    return figures


def measureStages(path: str | Path, weights: str | Path | None, card: Mapping[str, Any], device: str, repeats: int,
                  extent: Sequence[float]) -> dict[str, Any]:
    """Our detection on one device beside the floor of the machine, without other programs and without Slicer."""
    print(f"Our detection on {device}", flush=True)
    ours = inFreshProcess(Contenders.detectionStages, path, weights, device, repeats)
    precision = ours.value["precision"]
    rates = inFreshProcess(Floor.machine, device, tuple(dict.fromkeys((precision, "single")))).value
    cost = inFreshProcess(Floor.networkCost, card["architecture"], *ours.value["slices"][1:]).value
    return deviceFigures(ours, None, {}, rates, cost, {}, {}, extent)


def machineDescription() -> dict[str, Any]:
    """What the figures hold for."""
    name = platform.processor() or platform.machine()
    information = Path("/proc/cpuinfo")
    if information.exists():
        lines = [line for line in information.read_text().splitlines() if line.startswith("model name")]
        name = lines[0].partition(":")[2].strip() if lines else name
    return {
        "processor": name, "cores": os.cpu_count(), "threads": torch.get_num_threads(),
        "memory": psutil.virtual_memory().total / 2**30, "loadAverage": loadAverage(),
        "system": platform.platform(), "torch": torch.__version__,
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }


def loadAverage() -> float:
    """Processes that wanted to run in the last minute; more than the cores, and the figures are too high."""
    return psutil.getloadavg()[0]
