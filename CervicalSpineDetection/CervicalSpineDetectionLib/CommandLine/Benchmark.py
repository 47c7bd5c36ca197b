"""Measure how fast a detection is: by stage, against other ways, against the machine's floor, and how it grows."""

import argparse
import json
import os
import platform
import statistics
import tempfile
import time
from pathlib import Path

from CervicalSpineDetectionLib.AtomicFiles import atomicFolder, ensureWritable
from CervicalSpineDetectionLib.CommandLine.Graphics import canDraw
from CervicalSpineDetectionLib.CommandLine.Quiet import quietLibraries


def addArguments(parser):
    parser.add_argument("--output", required=True, metavar="DIR", help="folder for benchmark.json and benchmark.png")
    parser.add_argument("--ct", metavar="PATH", help="CT to run on (default: a phantom of 512 x 512 x 300 voxels)")
    parser.add_argument("--weights", metavar="FILE_OR_NAME", help="a .safetensors file, or the name of shipped weights")
    parser.add_argument("--devices", nargs="+", metavar="DEVICE",
                        help="cpu, cuda, mps (default: cpu, and cuda if there)")
    parser.add_argument("--repeats", type=_positive, default=3, metavar="N", help="medians of so many runs (default 3)")
    parser.epilog = "Takes some minutes; other work on the computer spoils the figures, so the load is written down."


def run(arguments):
    """:return: exit status. :raises InputError: CT, weights, devices or output folder can't be used."""
    from CervicalSpineDetectionLib.SliceDetector.Weights import findWeights, readCard

    output = Path(arguments.output)
    ensureWritable(output)
    card = readCard(findWeights(arguments.weights))
    import torch

    from CervicalSpineDetectionLib.Benchmark.Report import picture, table
    from CervicalSpineDetectionLib.SliceDetector.YoloDetector import chooseDevice

    devices = arguments.devices or ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
    for device in devices:
        chooseDevice(device)
    with tempfile.TemporaryDirectory() as temporary:
        figures = measure(arguments, card, devices, Path(temporary))
    with atomicFolder(output, ("benchmark.png", "benchmark.json")) as folder:
        picture(folder / "benchmark.png", figures)
        (folder / "benchmark.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    print("", *table(figures), "", f"Results: {output.resolve()}", sep="\n")
    return 0


def measure(arguments, card, devices, temporary):
    """All figures of benchmark.json.

    :param temporary: Path of a folder for the sample CT.
    """
    from CervicalSpineDetectionLib.Benchmark.Growth import growth
    from CervicalSpineDetectionLib.Benchmark.Processes import inFreshProcess
    from CervicalSpineDetectionLib.Benchmark.SampleCt import writeSampleCt
    from CervicalSpineDetectionLib.Imaging.ReadImage import readImage

    figures = {"machine": machineDescription(), "weights": f"{card['name']} {card['sha256'][:12]}",
               "repeats": arguments.repeats}
    path, source = arguments.ct, "given"
    if path is None:
        path, source = temporary / "ct.nii", "phantom, uncompressed NIfTI"
        print("Making the CT", flush=True)
        inFreshProcess(writeSampleCt, path)
    image = readImage(path)
    figures["ct"] = {"size": list(image.GetSize()), "spacing": list(image.GetSpacing()), "source": source}
    extent = [size * spacing for size, spacing in zip(image.GetSize(), image.GetSpacing(), strict=True)]
    del image
    figures["devices"] = {
        device: measureDevice(path, arguments.weights, card, device, arguments.repeats, extent) for device in devices}
    print("Growth", flush=True)
    figures["growthDevice"] = devices[-1]
    figures["growth"] = inFreshProcess(growth, path, arguments.weights, devices[-1], arguments.repeats).value
    figures["machine"]["loadAverageAfter"] = loadAverage()
    return figures


def measureDevice(path, weights, card, device, repeats, extent):
    """Figures of one device, see ``Benchmark.Report.deviceFigures``."""
    from CervicalSpineDetectionLib.Benchmark import Contenders, Floor, NnUNet
    from CervicalSpineDetectionLib.Benchmark.Processes import inFreshProcess
    from CervicalSpineDetectionLib.Benchmark.Report import deviceFigures

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


def sceneStages(path, weights, device, result, repeats):
    """Median seconds of what comes before and after a detection for a CT in Slicer's scene.

    :param result: DetectionResult.
    :return: stage -> seconds: see ``handoverSeconds`` and ``nodesAndPicture``; empty where slicer-core is missing.
    """
    try:
        import slicer  # noqa: F401
    except ImportError:
        return {}
    with quietLibraries():
        return {"handover": handoverSeconds(path, weights, device, repeats),
                **(nodesAndPicture(path, result, repeats) if canDraw() else {})}


def handoverSeconds(path, weights, device, repeats):
    """Median seconds from the click to the result, without those of the detection itself: the CT goes from the scene to
    the warm worker process, the result comes back. The panel asks for it every 10 ms, this function every millisecond.
    """
    from CervicalSpineDetectionLib.Imaging.ReadImage import readImage
    from CervicalSpineDetectionLib.Scene.HeadlessScene import headlessScene
    from CervicalSpineDetectionLib.Scene.VolumeNodes import arrayFromVolumeNode, volumeNodeFromImage
    from CervicalSpineDetectionLib.Worker.WorkerClient import WorkerClient

    client, laps = WorkerClient(), []
    try:
        with headlessScene() as (scene, _):
            volumeNode = volumeNodeFromImage(scene, readImage(path), "CT")
            for _ in range(repeats + 1):  # the first waits for the worker to be warm
                started = time.perf_counter()
                client.detect(arrayFromVolumeNode(volumeNode), device=device, weights=weights)
                result = _awaited(client)
                laps.append(time.perf_counter() - started - sum(result.timings.values()))
    finally:
        client.stop()
    return statistics.median(laps[1:])


def _awaited(client):
    """:return: DetectionResult of the running detection."""
    from CervicalSpineDetectionLib.Worker.WorkerClient import Failed, Finished

    while True:
        for event in client.poll():
            if isinstance(event, Finished):
                return event.result
            if isinstance(event, Failed):
                raise RuntimeError(event.message)
        time.sleep(0.001)


def nodesAndPicture(path, result, repeats):
    """Median seconds to add the nodes to a scene that holds the CT, and for a slice view of 512 x 512 pixels to draw
    itself after that.

    :return: stage -> seconds.
    """
    import numpy as np

    from CervicalSpineDetectionLib.Imaging.ReadImage import readImage
    from CervicalSpineDetectionLib.Scene.HeadlessScene import headlessScene
    from CervicalSpineDetectionLib.Scene.OffscreenViews import SliceView
    from CervicalSpineDetectionLib.Scene.Preview import slicePlanes
    from CervicalSpineDetectionLib.Scene.VertebraNodes import addVertebrae
    from CervicalSpineDetectionLib.Scene.VolumeNodes import volumeNodeFromImage

    image, laps = readImage(path), []
    for _ in range(repeats):
        with headlessScene() as (scene, applicationLogic):
            volumeNode = volumeNodeFromImage(scene, image, "CT")
            bounds = np.zeros(6)
            volumeNode.GetRASBounds(bounds)
            view = SliceView(scene, applicationLogic, "Yellow", (512, 512), volumeNode)
            view.show(slicePlanes(result.vertebrae, bounds)[0], 0.5)
            view.picture()
            marks = [time.perf_counter()]
            addVertebrae(scene, result, volumeNode)
            marks.append(time.perf_counter())
            view.window.Render()
            view.window.WaitForCompletion()
            marks.append(time.perf_counter())
            laps.append(np.diff(marks))
    nodes, shown = (statistics.median(lap[i] for lap in laps) for i in (0, 1))
    return {"nodes": nodes, "picture": shown}


def machineDescription():
    """What the figures hold for."""
    import psutil
    import torch

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
    import psutil

    return psutil.getloadavg()[0]


def _positive(text):
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return number
