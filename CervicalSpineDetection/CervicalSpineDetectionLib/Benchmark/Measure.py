"""All figures of a benchmark: this program and others, on one CT, on each device, in processes of their own."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import psutil
import torch

from CervicalSpineDetectionLib.Benchmark import Contenders, Floor, NnUNet
from CervicalSpineDetectionLib.Benchmark.Growth import growth
from CervicalSpineDetectionLib.Benchmark.Processes import inFreshProcess
from CervicalSpineDetectionLib.Benchmark.Report import deviceFigures
from CervicalSpineDetectionLib.Benchmark.SampleCt import writeSampleCt
from CervicalSpineDetectionLib.Benchmark.SceneStages import sceneStages
from CervicalSpineDetectionLib.Imaging.ReadImage import readImage


def measure(ct, weights, card, devices, repeats, temporary):
    """All figures of benchmark.json.

    :param ct: path of the CT, None for a phantom.
    :param weights: see ``YoloDetector.loadDetector``. :param card: their card.
    :param devices: names. :param repeats: medians of so many runs.
    :param temporary: Path of a folder for the sample CT.
    """
    figures = {"machine": machineDescription(), "weights": f"{card['name']} {card['sha256'][:12]}",
               "repeats": repeats}
    path, source = ct, "given"
    if path is None:
        path, source = temporary / "ct.nii", "phantom, uncompressed NIfTI"
        print("Making the CT", flush=True)
        inFreshProcess(writeSampleCt, path)
    image = readImage(path)
    figures["ct"] = {"size": list(image.GetSize()), "spacing": list(image.GetSpacing()), "source": source}
    extent = [size * spacing for size, spacing in zip(image.GetSize(), image.GetSpacing(), strict=True)]
    del image
    figures["devices"] = {
        device: measureDevice(path, weights, card, device, repeats, extent) for device in devices}
    print("Growth", flush=True)
    figures["growthDevice"] = devices[-1]
    figures["growth"] = inFreshProcess(growth, path, weights, devices[-1], repeats).value
    figures["machine"]["loadAverageAfter"] = loadAverage()
    return figures


def measureDevice(path, weights, card, device, repeats, extent):
    """Figures of one device, see ``Benchmark.Report.deviceFigures``."""
    print(f"Our detection on {device}", flush=True)
    ours = inFreshProcess(Contenders.detectionStages, path, weights, device, repeats)
    precision, single = ours.value["precision"], None
    if precision != "single":
        print("The same in single precision", flush=True)
        single = inFreshProcess(Contenders.detectionStages, path, weights, device, repeats, "single")
    print("The way to Slicer and back", flush=True)
    scene = inFreshProcess(sceneStages, path, weights, device, ours.value["result"], repeats).value
    print("The machine's floor", flush=True)
    rates = inFreshProcess(Floor.machine, device, tuple(dict.fromkeys((precision, "single")))).value
    cost = inFreshProcess(Floor.networkCost, card["architecture"], *ours.value["slices"][1:]).value
    predicts, patches = {}, {}
    for name, batch, size in (("predictLoop", 1, None), ("predictLoop640", 1, Contenders.DEFAULT_SIZE),
                              ("predictBatched", Contenders.BATCH, None)):
        print(f"ultralytics predict, {batch} at a time", flush=True)
        predicts[name] = inFreshProcess(Contenders.predictSeconds, path, weights, device, repeats, batch, size)
    for name, plan in NnUNet.PLANS.items():
        print(f"nnU-Net at {plan.spacing} mm, one patch", flush=True)
        patches[name] = inFreshProcess(NnUNet.secondsPerPatch, plan.patch, device, 1)
    return deviceFigures(ours, single, scene, rates, cost, predicts, patches, extent)


def machineDescription():
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


def loadAverage():
    """Processes that wanted to run in the last minute; more than the cores, and the figures are too high."""
    return psutil.getloadavg()[0]
