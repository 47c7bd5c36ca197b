"""``benchmark --whole``: the whole command, from the file of a CT to the files of its result.

Cold is a new process with the files in the system's memory already; warm is the same work again in one process.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import SimpleITK as sitk

from CervicalSpineDetectionLib.Benchmark import Contenders, Floor
from CervicalSpineDetectionLib.Benchmark.Processes import inFreshProcess
from CervicalSpineDetectionLib.Benchmark.SampleCts import byteCount, writeInputs
from CervicalSpineDetectionLib.SafeChildren import SAFE_FOLDER, safeEnvironment
from CervicalSpineDetectionLib.Spine.Vertebra import DetectionResult

# What is written -> options of ``detect``.
OUTPUTS = {"numbers": ("--no-scene", "--no-preview"), "and preview": ("--no-scene",), "all": ()}
# SimpleITK's part of it: what a program that only reads the CT takes.
READ_ALONE = """
import sys, time, SimpleITK
started = time.perf_counter()
reader = SimpleITK.ImageSeriesReader()
if __import__("os").path.isdir(sys.argv[1]):
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(sys.argv[1]))
    reader.Execute()
else:
    SimpleITK.ReadImage(sys.argv[1])
print(time.perf_counter() - started)
"""

Lap: TypeAlias = dict[str, float | None]  # seconds of each figure; None where this system does not tell them


def measureWhole(weights: str | Path | None, card: Mapping[str, Any], slices: int, repeats: int,
                 folder: Path) -> dict[str, Any]:
    """All figures of whole.json, of the CPU.

    :param weights: see ``YoloDetector.loadDetector``. :param card: their card. :param slices: of the CT.
    :param folder: existing, absolute Path for CTs and results, on the disk to be measured.
    :return: dict: "slices", "bytes" (kind -> of its files), "cold" (kind -> output -> see ``_summary``, and
        "SimpleITK alone" -> seconds), "warm" (kind -> stage -> seconds), "floor" (stage -> seconds).
    """
    print("Making the CT", flush=True)
    paths = inFreshProcess(writeInputs, folder, slices).value
    figures: dict[str, Any] = {"slices": slices, "repeats": repeats,
                               "bytes": {kind: byteCount(path) for kind, path in paths.items()}}
    print("Cold", flush=True)
    figures["cold"] = {kind: _cold(path, weights, repeats, folder) for kind, path in paths.items()}
    print("Warm", flush=True)
    figures["warm"] = {kind: inFreshProcess(warmStages, path, weights, repeats, folder).value
                       for kind, path in paths.items()}
    stages = inFreshProcess(Contenders.detectionStages, paths["NIfTI"], weights, "cpu", 1).value
    rates = inFreshProcess(Floor.machine, "cpu", tuple(dict.fromkeys((stages["precision"], "single")))).value
    cost = inFreshProcess(Floor.networkCost, card["architecture"], *stages["slices"][1:]).value
    figures["floor"] = Floor.floors(rates, stages["precision"], stages["flops"], cost["parameters"], stages["slices"],
                                    stages["voxels"], stages["voxelBytes"])
    # A scene holds the CT: read once and written once.
    figures["floor"]["scene"] = figures["floor"]["read"] * 2
    return figures


def _cold(path: str | Path, weights: str | Path | None, repeats: int, folder: Path) -> dict[str, Any]:
    """Outputs in turn, so that other work on the computer falls on all of them."""
    runs, alone = {output: [] for output in OUTPUTS}, []
    for _ in range(repeats):
        said = subprocess.run([sys.executable, "-c", READ_ALONE, str(path)], cwd=SAFE_FOLDER, env=safeEnvironment(),
                              capture_output=True, text=True, check=True).stdout
        alone.append(float(said))
        for output, options in OUTPUTS.items():
            runs[output].append(_command(path, weights, folder / "results", options))
    reading = statistics.median(alone)
    return {"SimpleITK alone": reading, **{output: _summary(laps, reading) for output, laps in runs.items()}}


def _command(path: str | Path, weights: str | Path | None, output: Path, options: Iterable[str]) -> Lap:
    """One run of ``detect``: dict: "seconds", "processor" (seconds of all its processes, None on Windows), stages."""
    command = [sys.executable, "-m", "CervicalSpineDetectionLib", "detect", str(path), "--output", str(output),
               "--device", "cpu", *options, *(["--weights", str(weights)] if weights else [])]
    before, started = os.times(), time.perf_counter()
    subprocess.run(command, cwd=SAFE_FOLDER, env=safeEnvironment(), stdout=subprocess.DEVNULL, check=True)
    seconds, after = time.perf_counter() - started, os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    stages = json.loads((output / "vertebrae.json").read_text(encoding="utf-8"))["timings"]
    return {"seconds": seconds, "processor": used if os.name != "nt" else None, **stages,
            "imports and files": seconds - sum(stages.values())}


def _summary(laps: Sequence[Lap], alone: float) -> Lap:
    """Medians of each figure, and "overReading": how many times SimpleITK's reading alone."""
    medians = {figure: None if laps[0][figure] is None else statistics.median(lap[figure] for lap in laps)
               for figure in laps[0]}
    return {**medians, "overReading": medians["seconds"] / alone}


def warmStages(path: str | Path, weights: str | Path | None, repeats: int, folder: Path) -> dict[str, float]:
    """In a process of its own: median seconds of each stage, the first lap left out."""
    from CervicalSpineDetectionLib.Imaging.ReadImage import readImage
    from CervicalSpineDetectionLib.Pipeline import detectVertebrae
    from CervicalSpineDetectionLib.SliceDetector.YoloDetector import loadDetector

    detector, laps = loadDetector(weights, "cpu"), []
    for _ in range(repeats + 1):
        started = time.perf_counter()
        image = readImage(path)
        lap = {"read": time.perf_counter() - started}
        result = detectVertebrae(image, detector)
        lap.update(result.timings)
        for name, write in _writers(folder, image, result):
            started = time.perf_counter()
            write()
            lap[name] = time.perf_counter() - started
        laps.append(lap)
    return {stage: statistics.median(lap[stage] for lap in laps[1:]) for stage in laps[0]}


def _writers(folder: Path, image: sitk.Image, result: DetectionResult) -> Iterator[tuple[str, Callable[[], None]]]:
    """(name, function) of each file."""
    from CervicalSpineDetectionLib.Results.PreviewPicture import writePreview
    from CervicalSpineDetectionLib.Results.ResultJson import writeJson
    from CervicalSpineDetectionLib.Results.ResultTable import writeCsv

    def writeNumbers() -> None:
        writeJson(folder / "a.json", result)
        writeCsv(folder / "a.csv", result)

    yield "numbers", writeNumbers
    yield "preview", lambda: writePreview(folder / "a.png", image, result)
    try:
        from CervicalSpineDetectionLib.Scene.SceneFiles import writeMarkups, writeScene
    except ImportError:
        return
    yield "markups", lambda: writeMarkups(folder / "a.mrk.json", result)
    yield "scene", lambda: writeScene(folder / "a.mrb", image, result, "CT")


def wholeTable(figures: Mapping[str, Any]) -> list[str]:
    """Lines for people."""
    lines = [f"512 x 512 x {figures['slices']} voxels, medians of {figures['repeats']}", "",
             f"{'cold':<34} {'seconds':>8} {'processor':>10} {'/ reading':>10}  stages"]
    for kind, entry in figures["cold"].items():
        megabytes = figures["bytes"][kind] / 1e6
        lines.append(f"{kind + f', {megabytes:.0f} MB':<34} {entry['SimpleITK alone']:>8.2f} {'':>10} {1:>10.1f}  "
                     "SimpleITK reading it, alone")
        for output in OUTPUTS:
            run = entry[output]
            stages = ", ".join(f"{stage} {value:.2f}" for stage, value in run.items()
                               if stage not in ("seconds", "processor", "overReading"))
            used = "" if run["processor"] is None else f"{run['processor']:.2f}"
            lines.append(f"{'  ' + output:<34} {run['seconds']:>8.2f} {used:>10} {run['overReading']:>10.1f}  {stages}")
    kinds = list(figures["warm"])
    lines += ["", f"{'warm':<12} {'floor':>8} " + " ".join(f"{kind:>16}" for kind in kinds)]
    for stage in figures["warm"][kinds[0]]:
        floor = figures["floor"].get(stage)
        lines.append(f"{stage:<12} {'' if floor is None else f'{floor:.3f}':>8} "
                     + " ".join(f"{figures['warm'][kind].get(stage, float('nan')):>16.3f}" for kind in kinds))
    return lines
