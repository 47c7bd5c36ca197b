"""The files and the table of an evaluation."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from CervicalSpineDetectionLib.AtomicFiles import atomicFolder
from CervicalSpineDetectionLib.Evaluation.Bootstrap import RESAMPLES, SEED, intervals
from CervicalSpineDetectionLib.Evaluation.Metrics import SIDES, STRICT_RADIUS_MM, VERSE_RADIUS_MM, CaseScore, summary
from CervicalSpineDetectionLib.Evaluation.OrientedBoxMetrics import OrientedBoxScore, orientedBoxFigures
from CervicalSpineDetectionLib.Evaluation.Pictures import COLUMNS, ROWS, contactSheet, pageCount, reliabilityPlot
from CervicalSpineDetectionLib.Evaluation.Reliability import reliability
from CervicalSpineDetectionLib.Evaluation.SliceMetrics import (
    LARGER_AREAS_MM2,
    VARIANTS,
    SliceStatistics,
    areaVariant,
    averagePrecision,
)

SLICE_RESAMPLES = 200  # average precision takes long
VARIANT_TEXTS = {"detector": "detector", "afterFusion": "after fusion",
                 **{areaVariant(area): f"truth from {area} mm2" for area in LARGER_AREAS_MM2}}
CSV_FIELDS = ("case", "level", "found", "confidence", "nearest", "centreError", "right20mm", "right8mm", "iou",
              *(f"{side}Error" for side in SIDES))


def figuresOf(cases: Sequence[CaseScore], slices: Sequence[Any], negatives: Sequence[Any], model: Mapping[str, Any],
              orientedBoxes: Sequence[list[OrientedBoxScore]] = ()) -> dict[str, Any]:
    """All that evaluation.json holds.

    :param cases: list of CaseScore.
    :param slices: list of (name of the variant -> SliceStatistics), one a case with a label map.
    :param negatives: list of (name, list of Vertebra found, or None where the scan was refused).
    :param model: "name" and "sha256" of the weights.
    :param orientedBoxes: one list a case with a label map.
    """
    figures = {"weights": model, **summary(cases)}
    figures["edges"] = {side: {"medianAbsolute": absolute, "bias": bias} for side, absolute, bias in zip(
        SIDES, figures["edgeErrorMedian"], figures["edgeBias"], strict=True)}
    figures["bootstrap"] = {"unit": "scan", "level": 0.95, "method": "percentile", "resamples": RESAMPLES,
                            "sliceResamples": SLICE_RESAMPLES, "seed": SEED}
    figures["intervals"] = {name: limits for name, limits in intervals(cases, summary).items()
                            if name not in ("cases", "levels")}
    figures["reliability"] = reliability(cases)
    figures["slices"] = sliceFigures(slices) if slices else {}
    figures["orientedBoxes"] = {**orientedBoxFigures(orientedBoxes),
                                "intervals": intervals(orientedBoxes, orientedBoxFigures)} if orientedBoxes else {}
    figures["negatives"] = negativeFigures(negatives)
    figures["perCase"] = [caseFigures(case) for case in cases]
    return figures


def caseFigures(case: CaseScore) -> dict[str, Any]:
    """Figures of one CaseScore."""
    figures = summary([case])
    return {"case": case.case, **{name: figures[name] for name in (
        "levels", "missedLevels", "identificationRate20mm", "identificationRate8mm", "centreErrorMedian", "meanIou",
    )}, "allLevelsRight": case.isRight(VERSE_RADIUS_MM), "falseLevels": case.falseLevels}


def sliceFigures(slices: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Average precision of each variant, with intervals for the main ones.

    :param slices: as for ``figuresOf``, not empty.
    """
    def means(drawn: list[SliceStatistics]) -> dict[str, float]:
        return {name: value for name, value in averagePrecision(drawn).items() if name.startswith("mAP")}

    figures = {}
    for variant in slices[0]:
        statistics = [case[variant] for case in slices]
        figures[variant] = averagePrecision(statistics)
        if variant in VARIANTS:
            figures[variant]["intervals"] = intervals(statistics, means, SLICE_RESAMPLES)
    return figures


def negativeFigures(negatives: Sequence[Any]) -> dict[str, Any]:
    """Cervical levels found where there are none."""
    found = [vertebra for _, vertebrae in negatives for vertebra in vertebrae or []]
    return {
        "scans": len(negatives),
        "refusedScans": sum(vertebrae is None for _, vertebrae in negatives),
        "falseLevels": len(found),
        "falseLevelsUnflagged": sum(not vertebra.uncertain for vertebra in found),
        "perScan": [{"case": name, "levels": None if vertebrae is None else {
            str(vertebra.level): round(vertebra.confidence, 4) for vertebra in vertebrae}}
            for name, vertebrae in negatives],
    }


def badness(case: CaseScore) -> tuple[int, int, float]:
    """Sort key, worst first: levels wrong at 20 mm, at 8 mm, then overlap."""
    wrong = [sum(not score.isHit(radius) for score in case.levels if score.hasCentre)
             for radius in (VERSE_RADIUS_MM, STRICT_RADIUS_MM)]
    overlap = sum(score.iou for score in case.levels if not math.isnan(score.iou)) / max(len(case.levels), 1)
    return (-(wrong[0] + len(case.falseLevels)), -wrong[1], overlap)


def remark(case: CaseScore) -> str:
    """What is wrong with a case, in short."""
    parts = []
    for score in case.levels:
        if not score.found:
            parts.append(f"{score.level} missed")
        elif score.hasCentre and not score.isHit(STRICT_RADIUS_MM):
            at = f" (at {score.nearest})" if score.nearest != score.level else ""
            parts.append(f"{score.level} {score.centreError:.0f} mm off{at}")
    return ", ".join(parts + [f"{level} false" for level in case.falseLevels])


def writeReport(folder: Path, figures: Mapping[str, Any], cases: Sequence[CaseScore], pictures: Sequence[Any]) -> None:
    """evaluation.json, cases.csv, reliability.png and contact sheets, all at once.

    :param folder: existing folder; contact sheets of an earlier run are removed.
    :param cases: list of CaseScore.
    :param pictures: list of CasePicture, worst first.
    """
    sheets = [f"contact_sheet_{page + 1}.png" for page in range(pageCount(len(pictures)))]
    earlier = [path.name for path in folder.glob("contact_sheet_*.png")]
    names = [*dict.fromkeys(sheets + earlier), "reliability.png", "cases.csv", "evaluation.json"]
    with atomicFolder(folder, names) as temporary:
        for page, sheet in enumerate(sheets):
            contactSheet(temporary / sheet, pictures[page * COLUMNS * ROWS : (page + 1) * COLUMNS * ROWS])
        reliabilityPlot(temporary / "reliability.png", figures["reliability"])
        with open(temporary / "cases.csv", "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(CSV_FIELDS)
            writer.writerows(row for case in cases for row in _rows(case))
        text = json.dumps(_withoutNan(figures), indent=1, allow_nan=False)
        (temporary / "evaluation.json").write_text(text + "\n", encoding="utf-8")


def _rows(case: CaseScore) -> Iterator[tuple[object, ...]]:
    for score in case.levels:
        numbers = [f"{value:.2f}" if not math.isnan(value) else "" for value in (
            score.confidence, score.centreError, score.iou, *score.edgeErrors)]
        yield (case.case, score.level, score.found, numbers[0], score.nearest or "", numbers[1],
               score.isHit(VERSE_RADIUS_MM), score.isHit(STRICT_RADIUS_MM), *numbers[2:])
    for level, confidence in case.falseLevels.items():
        yield (case.case, level, "false level", f"{confidence:.2f}", *[""] * (len(CSV_FIELDS) - 4))


def _withoutNan(value: Any) -> Any:
    """JSON knows no NaN: null."""
    if isinstance(value, dict):
        return {name: _withoutNan(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_withoutNan(entry) for entry in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def table(figures: Mapping[str, Any]) -> list[str]:
    """Lines for people."""
    bootstrap = figures["bootstrap"]
    lines = [f"{'':<46} {'':>8}   95 % interval, {bootstrap['resamples']} bootstrap resamples of the scans (mAP: "
             f"{bootstrap['sliceResamples']})"]

    def row(name: str, value: float, limits: Sequence[float] | None, form: Callable[[float], str]) -> None:
        text = "" if limits is None or math.isnan(limits[0]) else " to ".join(form(limit) for limit in limits)
        lines.append(f"{name:<46} {'-' if math.isnan(value) else form(value):>8}   {text}".rstrip())

    count, percent, millimetres, fraction = "{:.0f}".format, "{:.1%}".format, "{:.1f} mm".format, "{:.3f}".format
    for name, key, form in (
        ("scans", "cases", count), ("cervical levels in the reference", "levels", count),
        ("missed levels", "missedLevels", count), ("false levels", "falseLevels", count),
        ("identification rate, nearest and 20 mm (VerSe)", "identificationRate20mm", percent),
        ("identification rate, nearest and 8 mm", "identificationRate8mm", percent),
        ("scans with all levels right, 20 mm", "allLevelsRightPerScan", percent),
        ("scans with all levels right, 8 mm", "allLevelsRightPerScan8mm", percent),
        ("centre error, median", "centreErrorMedian", millimetres),
        ("centre error, 95th percentile", "centreError95", millimetres),
        ("mean 3D IoU (missed: 0)", "meanIou", fraction),
    ):
        row(name, figures[key], figures["intervals"].get(key), form)
    for i, side in enumerate(SIDES):
        edge, limits = figures["edges"][side], figures["intervals"].get("edgeErrorMedian")
        bias = "" if math.isnan(edge["bias"]) else f" (bias {edge['bias']:+.1f})"
        row(f"edge error {side}, median{bias}", edge["medianAbsolute"], limits and limits[i],
            millimetres)
    oriented = figures["orientedBoxes"]
    for name, key, form in (
        ("boxes along own axes: vertebrae wholly in view", "vertebrae", count),
        ("  of a vertebra's voxels inside, mean", "heldMean", percent),
        ("  of a vertebra's voxels inside, median", "heldMedian", percent),
        ("  volume over tightest box with 98 %, median", "volumeRatioMedian", "{:.2f}".format),
        (f"  lean against end plates, median (bias {oriented.get('leanBias', math.nan):+.1f})", "leanErrorMedian",
         "{:.1f} deg".format),
    ) if oriented else ():
        row(name, oriented[key], oriented["intervals"].get(key) if key != "vertebrae" else None, form)
    for variant, entry in figures["slices"].items():
        for key in ("mAP50", "mAP50-95"):
            row(f"{key}, slices, {VARIANT_TEXTS[variant]}", entry[key], entry.get("intervals", {}).get(key), fraction)
    return lines + _classLines(figures["slices"]) + _reliabilityLines(figures["reliability"]) + _negativeLines(
        figures["negatives"])


def _classLines(slices: Mapping[str, Any] | None) -> list[str]:
    if not slices:
        return []
    lines = ["", f"{'class':<7} {'boxes':>6}   {'detector AP50, 50-95':>21}   {'after fusion AP50, 50-95':>25}"]
    for name, entry in slices["detector"]["perClass"].items():
        fused = slices["afterFusion"]["perClass"][name]
        lines.append(f"{name:<7} {entry['boxes']:>6}   {entry['AP50']:>13.3f} {entry['AP50-95']:>7.3f}   "
                     f"{fused['AP50']:>17.3f} {fused['AP50-95']:>7.3f}")
    return lines


def _reliabilityLines(figures: Mapping[str, Any]) -> list[str]:
    lines = ["", f"{'confidence':<13} {'levels':>6} {'mean':>6} {'right':>7}"]
    for entry in figures["bins"]:
        values = "" if not entry["levels"] else f"{entry['meanConfidence']:>6.2f} {entry['right']:>7.1%}"
        lines.append(f"{entry['from']:.2f} to {entry['to']:.2f}  {entry['levels']:>6} {values}".rstrip())
    return [*lines, f"wrong levels: {figures['wrongFlagged']} flagged as uncertain, "
                    f"{figures['wrongUnflagged']} not; right levels: {figures['rightFlagged']} flagged, "
                    f"{figures['rightUnflagged']} not"]


def _negativeLines(figures: Mapping[str, Any]) -> list[str]:
    if not figures["scans"]:
        return []
    lines = ["", f"scans without cervical levels: {figures['scans']}, refused: {figures['refusedScans']}, "
                 f"false levels: {figures['falseLevels']}, not flagged: {figures['falseLevelsUnflagged']}"]
    for entry in figures["perScan"]:
        found = "refused" if entry["levels"] is None else " ".join(
            f"{level} {confidence:.2f}" for level, confidence in entry["levels"].items()) or "none"
        lines.append(f"  {entry['case']}: {found}")
    return lines
