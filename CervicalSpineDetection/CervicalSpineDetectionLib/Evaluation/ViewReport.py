"""Names in many views of CTs with known levels: run, counted, written down."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Evaluation.Cases import casesIn
from CervicalSpineDetectionLib.Evaluation.ViewMetrics import NameScore, byKind, riskAndCoverage, scoreView, viewFigures
from CervicalSpineDetectionLib.Evaluation.Windows import (
    KnownLevel,
    View,
    knownLevels,
    levelsOfWholeView,
    viewsOf,
)
from CervicalSpineDetectionLib.Imaging.ReadImage import readImage
from CervicalSpineDetectionLib.Pipeline import detectVertebrae
from CervicalSpineDetectionLib.SliceDetector.Detector import SliceDetector

COLUMNS = ("case", "view", "landmark in view", "level", "found", "confidence", "uncertain")
FEWEST_LEVELS = 5  # that a whole view shows, for its names to be trusted and windows to be cut
NamedCt = tuple[str, sitk.Image, Sequence[KnownLevel]]


def namedCts(folder: str | None, unlabelled: Sequence[str], detector: SliceDetector) -> Iterator[NamedCt]:
    """CTs with what their whole view shows: reference levels, or, for unlabelled ones, what was found without a doubt.

    :param folder: see ``Cases.casesIn``; None for none.
    :param unlabelled: paths of CTs; those whose whole view leaves a doubt are passed over.
    """
    for case in casesIn(folder) if folder else ():
        if any(reference.bounds is None for reference in case.references.values()):
            raise InputError(f"{case.name} has centers only; views are cut by boxes: give label maps or boxes.")
        yield case.name, case.image, knownLevels(case.references)
    for path in unlabelled:
        image = readImage(path)
        levels = levelsOfWholeView(detectVertebrae(image, detector))
        if len(levels) >= FEWEST_LEVELS:
            yield Path(path).name.split(".")[0], image, levels


def viewsOfCases(cases: Iterable[NamedCt], most: int | None, seed: int = 0) -> Iterator[View]:
    """Views of each CT; the same seed cuts the same views.

    :param cases: (name, CT, what its whole view shows).
    :param most: views of each CT, None for all.
    """
    for name, image, levels in cases:
        random = np.random.default_rng([seed, *name.encode()])
        yield from viewsOf(name, image, levels, random, most)


def scoreViews(views: Iterable[View], detector: SliceDetector,
               tell: Callable[[View, list[NameScore]], None] | None = None) -> list[NameScore]:
    """Detect in each view. A view that is refused as no CT counts as one with nothing found."""
    scores: list[NameScore] = []
    for number, view in enumerate(views):
        try:
            vertebrae = detectVertebrae(view.image, detector).vertebrae
        except InputError:
            vertebrae = []
        own = scoreView(view, vertebrae, number)
        scores += own
        if tell:
            tell(view, own)
    return scores


def groupsOf(scores: Sequence[NameScore]) -> dict[str, list[NameScore]]:
    """All, by what landmark is in view, and by kind of view."""
    return {"all views": list(scores), "C1, C2 or T1 in view": [one for one in scores if one.hasLandmark],
            "none of them in view": [one for one in scores if not one.hasLandmark], **byKind(scores)}


def viewTable(scores: Sequence[NameScore]) -> list[str]:
    """Lines for people."""
    heading = ("views", "levels", "right", "flagged", "SILENT", "flagged", "missed", "right", "silent", "calibration")
    second = ("", "", "", "though right", "wrong", "and wrong", "", "unflagged", "of 1000", "error")
    lines = [f"{'':<22}" + "".join(f"{text:>13}" for text in row) for row in (heading, second)]
    for name, group in groupsOf(scores).items():
        if not group:
            continue
        figures = viewFigures(group)
        counts = "".join(f"{figures[key]:>13}" for key in ("views", "levels", "right", "rightFlagged", "silentlyWrong",
                                                           "wrongFlagged", "missed"))
        lines.append(f"{name:<22}{counts}{figures['rightShare']:>13.1%}{figures['silentlyWrongPer1000']:>13.1f}"
                     f"{figures['calibrationError']:>13.3f}")
    return lines


def writeViewReport(folder: Path, scores: Sequence[NameScore], model: dict) -> None:
    """views.json, views.csv and risk_coverage.png in an existing folder."""
    document = {"weights": model, "groups": {name: viewFigures(group) for name, group in groupsOf(scores).items()}}
    text = json.dumps(document, indent=1, default=str).replace("NaN", "null")
    (folder / "views.json").write_text(text + "\n", encoding="utf-8")
    with open(folder / "views.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows((one.case, one.kind, one.hasLandmark, one.level or "", one.found or "",
                          f"{one.confidence:.4f}", one.uncertain) for one in scores)
    _drawRisk(folder / "risk_coverage.png", scores)


def _drawRisk(path: Path, scores: Sequence[NameScore]) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6, 4), dpi=120)
    for name, group in list(groupsOf(scores).items())[:3]:
        coverage, risk = riskAndCoverage(group)
        axes.plot(coverage, 1000 * risk, label=name)
    axes.set(xlabel="share of the levels that are named, surest first", ylabel="wrong names of 1000 named",
             title="Risk and coverage", xlim=(0, 1))
    axes.axhline(2, color="#888888", linestyle=":", linewidth=1)
    axes.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path)
    pyplot.close(figure)
