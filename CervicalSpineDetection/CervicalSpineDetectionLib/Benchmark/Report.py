"""The benchmark's figures: ratios, table, picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from CervicalSpineDetectionLib.Benchmark.Floor import floors
from CervicalSpineDetectionLib.Benchmark.NnUNet import PLANS, STEP, patchCount
from CervicalSpineDetectionLib.Benchmark.Processes import Measured

STAGES = ("read", "handover", "resample", "network", "fusion", "levels", "edges", "nodes", "picture")
# What a user waits for after the click: the CT is in the scene already.
CLICK = STAGES[1:]
DETECTION = ("resample", "network", "fusion", "levels", "edges")
CONTENDERS = {
    "oursSingle": "ours in single precision",
    "predictLoop": "ultralytics predict, slice by slice",
    "predictLoop640": "the same at its default size, 640",
    "predictBatched": "ultralytics predict, batches of 32",
    "nnunet1.5mm": "nnU-Net as TotalSegmentator 1.5 mm",
    "nnunet3mm": "nnU-Net as TotalSegmentator 3 mm",
}


def deviceFigures(ours: Measured[dict[str, Any]], single: Measured[dict[str, Any]] | None, scene: Mapping[str, float],
                  rates: Mapping[str, Any], cost: Mapping[str, float], predicts: Mapping[str, Measured[float]],
                  patches: Mapping[str, Measured[tuple[float, float | None]]],
                  extent: Sequence[float]) -> dict[str, Any]:
    """All figures of one device.

    :param ours: Measured of ``Contenders.detectionStages``.
    :param single: the same in single precision, None where that is the one used.
    :param scene: (stage -> seconds of "handover", "nodes" and "picture"), empty where slicer-core is missing.
    :param rates: what ``Floor.machine`` gives, of the precision used and of single precision.
    :param cost: what ``Floor.networkCost`` gives.
    :param predicts: contender -> Measured seconds.
    :param patches: contender -> Measured (seconds a patch, GPU memory).
    :param extent: shape (3,), mm, the CT's field of view.
    """
    stages = {**ours.value["stages"], **scene}
    precision = ours.value["precision"]
    floor, singleFloor = (_floor(rates, name, ours.value, cost) for name in (precision, "single"))
    detection = _detection(stages)
    contenders = {}
    if single is not None:
        network = single.value["stages"]["network"]
        contenders["oursSingle"] = {
            **_contender(_detection(single.value["stages"]), single.peakMemory, detection, stages["network"]),
            "network": network, "overNetwork": network / stages["network"],
        }
    for name, measured in predicts.items():
        contenders[name] = _contender(measured.value, measured.peakMemory, detection, stages["network"])
    for name, patch in patches.items():
        seconds, gpuMemory = patch.value
        plan = PLANS[name]
        count = patchCount(extent, plan)
        contenders[name] = {
            **_contender(seconds * count * plan.models, patch.peakMemory, detection, stages["network"]),
            "secondsPerPatch": seconds, "patches": count, "models": plan.models, "step": STEP, "gpuMemory": gpuMemory,
            "patchesAtStep0.5": patchCount(extent, plan, 0.5), "randomWeights": True,
        }
    click = sum(stages[stage] for stage in CLICK if stage in stages)
    return {
        "precision": precision,
        "ours": {"stages": stages, "detection": detection, "click": click, "peakMemory": ours.peakMemory,
                 "gpuMemory": ours.value["gpuMemory"], "per1000Scans": 1000 * (detection + stages["read"]) / 3600},
        "machine": {"convolutionFlops": rates["flops"], "bandwidth": rates["bandwidth"]},
        "network": {"slices": ours.value["slices"][0], "rows": ours.value["slices"][1],
                    "columns": ours.value["slices"][2], "flopsPerSlice": cost["flops"],
                    "flops": ours.value["flops"], "parameters": cost["parameters"]},
        "floor": floor,
        "floorInSinglePrecision": singleFloor,
        "overFloor": {**{stage: stages[stage] / seconds for stage, seconds in floor["stages"].items()},
                      "click": click / floor["click"]},
        "contenders": contenders,
    }


def _detection(stages: Mapping[str, float]) -> float:
    return sum(stages.get(stage, 0.0) for stage in DETECTION)


def _floor(rates: Mapping[str, Any], precision: str, ours: Mapping[str, Any],
           cost: Mapping[str, float]) -> dict[str, Any]:
    stages = floors(rates, precision, ours["flops"], cost["parameters"], ours["slices"], ours["voxels"],
                    ours["voxelBytes"])
    return {"stages": stages, "click": sum(stages.get(stage, 0.0) for stage in CLICK)}


def _contender(seconds: float, peakMemory: float, detection: float, network: float) -> dict[str, float]:
    return {"seconds": seconds, "overDetection": seconds / detection, "overNetwork": seconds / network,
            "peakMemory": peakMemory}


def table(figures: Mapping[str, Any]) -> list[str]:
    """Lines for people."""
    machine, ct = figures["machine"], figures["ct"]
    lines = [
        f"{machine['processor']}, {machine['threads']} threads, {machine['memory']:.0f} GB, "
        f"load {machine['loadAverage']:.1f} before and {machine['loadAverageAfter']:.1f} after, "
        f"torch {machine['torch']}",
        f"CT {' x '.join(map(str, ct['size']))}, {' x '.join(f'{s:.3g}' for s in ct['spacing'])} mm ({ct['source']}); "
        f"weights {figures['weights']}; medians of {figures['repeats']}",
    ]
    for device, entry in figures["devices"].items():
        lines += ["", *_deviceLines(device, entry)]
    if "candidates" in figures:
        lines += ["", f"ways on {figures['growthDevice']}, the slices whole", *(
            f"  {way:<62} {value if isinstance(value, str) else f'{value:.4f}'}"
            for way, value in figures["candidates"].items())]
    if "checks" in figures:
        return lines
    lines += ["", f"growth on {figures['growthDevice']}"]
    for kind, (sizes, seconds, slope) in growthCurves(figures["growth"]).items():
        values = "  ".join(f"{size}: {value:.2f} s" for size, value in zip(sizes, seconds, strict=True))
        lines.append(f"  {kind:<8} {values}  (slope {slope:.2f})")
    return lines


def growthCurves(rows: Sequence[Mapping[str, Any]]) -> dict[str, tuple[Sequence[float], Sequence[float], float]]:
    """:return: kind -> (sizes, seconds, slope of the straight line through their logarithms)."""
    curves: dict[str, tuple[Sequence[float], Sequence[float], float]] = {}
    for kind in dict.fromkeys(row["kind"] for row in rows):
        sizes, seconds = zip(*((row["size"], row["seconds"]) for row in rows if row["kind"] == kind), strict=True)
        curves[kind] = sizes, seconds, float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])
    return curves


def _deviceLines(device: str, entry: Mapping[str, Any]) -> list[str]:
    ours, network, rates = entry["ours"], entry["network"], entry["machine"]
    precision, inSingle = entry["precision"], entry["floorInSinglePrecision"]
    flops = {name: f"{rate / 1e9:.0f} GFLOP/s" for name, rate in rates["convolutionFlops"].items()}
    beside = "" if precision == "single" else f" (single precision: {flops['single']})"
    gpu = "" if ours["gpuMemory"] is None else f", {ours['gpuMemory']:.0f} MB on the GPU"
    lines = [
        f"{device} in {precision}{'' if precision == 'bfloat16' else ' precision'}: convolutions "
        f"{flops[precision]}{beside}, memory {rates['bandwidth'] / 1e9:.1f} GB/s",
        f"{network['slices']} slices of {network['rows']} x {network['columns']}, "
        f"{network['flopsPerSlice'] / 1e9:.2f} GFLOP each if whole; the network is shown "
        f"{network['flops'] / (network['slices'] * network['flopsPerSlice']):.0%}",
        f"{'stage':<10} {'seconds':>8} {'limit':>8} {'ratio':>7}"
        + ("" if precision == "single" else f" {'limit in single precision':>26}"),
    ]

    def against(seconds: float, floor: float, ratio: float, single: float) -> str:
        return f"{seconds:>8.3f} {floor:>8.3f} {ratio:>7.1f}" + ("" if single == floor else f" {single:>26.3f}")

    for stage in STAGES:
        if stage not in ours["stages"]:
            lines.append(f"{stage:<10} {'not run':>8}")
            continue
        seconds, floor = ours["stages"][stage], entry["floor"]["stages"].get(stage)
        lines.append(f"{stage:<10} " + (f"{seconds:>8.3f}" if floor is None else against(
            seconds, floor, entry["overFloor"][stage], inSingle["stages"][stage])))
    lines += [
        f"{'click':<10} "
        + against(ours["click"], entry["floor"]["click"], entry["overFloor"]["click"], inSingle["click"]),
        f"detection (resample to levels) {ours['detection']:.3f} s, peak memory {ours['peakMemory']:.0f} MB{gpu}; "
        f"1,000 scans {ours['per1000Scans']:.2f} hours, one after the other",
        f"{'':<40} {'seconds':>9} {'/ detection':>12} {'/ network':>10} {'MB':>7}",
    ]
    for name, contender in entry["contenders"].items():
        note = "" if "patches" not in contender else (
            f"  {contender['models']} x {contender['patches']} patches of {contender['secondsPerPatch']:.2f} s, one "
            "was run; random weights, forward only")
        if "network" in contender:
            note = f"  its network {contender['network']:.3f} s"
        lines.append(f"{CONTENDERS[name]:<40} {contender['seconds']:>9.2f} {contender['overDetection']:>12.1f} "
                     f"{contender['overNetwork']:>10.1f} {contender['peakMemory']:>7.0f}{note}")
    return lines


def picture(path: str | Path, figures: Mapping[str, Any]) -> None:
    """Stages, contenders and growth.

    :param path: PNG.
    """
    devices = figures["devices"]
    figure = Figure((15, 4.6), dpi=110, layout="constrained")
    stageAxes, contenderAxes, growthAxes = figure.subplots(1, 3)
    width = 0.8 / len(devices)
    for number, (device, entry) in enumerate(devices.items()):
        shown = [stage for stage in STAGES if stage in entry["ours"]["stages"]]
        places = [i + number * width for i in range(len(shown))]
        stageAxes.bar(places, [entry["ours"]["stages"][stage] for stage in shown], width, label=device)
        floor = [entry["floor"]["stages"].get(stage, float("nan")) for stage in shown]
        stageAxes.plot(places, floor, "k_", markersize=18, label="hardware limit" if number == 0 else None)
        stageAxes.set_xticks(range(len(shown)), shown, rotation=30)
        names = ["detection", *entry["contenders"]]
        seconds = [entry["ours"]["detection"], *(c["seconds"] for c in entry["contenders"].values())]
        bars = contenderAxes.barh([i + number * width for i in range(len(names))], seconds, width, label=device)
        contenderAxes.bar_label(bars, [f"{s:.2f} s" for s in seconds], fontsize=8, padding=2)
        contenderAxes.set_yticks(range(len(names)), names)
    stageAxes.set(yscale="log", ylabel="seconds", title="stages of a warm detection")
    contenderAxes.set(xscale="log", xlabel="seconds", title="against other ways")
    contenderAxes.set_xlim(right=contenderAxes.get_xlim()[1] * 4)
    contenderAxes.invert_yaxis()
    for axes in (stageAxes, contenderAxes):
        axes.legend(fontsize=8)
    labels = {"slices": "axial slices", "matrix": "matrix (pixels along a side)", "scans": "scans"}
    for kind, (sizes, taken, slope) in growthCurves(figures["growth"]).items():
        growthAxes.loglog(sizes, taken, "o-", label=f"{labels[kind]}, slope {slope:.2f}")
    if not figures["growth"]:
        growthAxes.set_axis_off()
    growthAxes.set(xlabel="number", ylabel="seconds", title=f"growth of the detection ({figures['growthDevice']})")
    if figures["growth"]:
        growthAxes.legend(fontsize=8)
    growthAxes.grid(True, which="both", alpha=0.3)
    FigureCanvasAgg(figure).print_png(str(path))
