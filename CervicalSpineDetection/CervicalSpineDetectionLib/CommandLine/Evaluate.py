"""Compare detections with reference boxes or label maps: levels, centers, boxes, confidences."""

from __future__ import annotations

import argparse
import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from CervicalSpineDetectionLib.AtomicFiles import ensureWritable
from CervicalSpineDetectionLib.CommandLine.SharedOptions import (
    REGIONS,
    STRATA,
    detectorOptions,
    jsonOption,
    precisionOption,
)
from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Terminal import ProgressDisplay

if TYPE_CHECKING:
    from CervicalSpineDetectionLib.Evaluation.ViewMetrics import NameScore

PARENTS = (detectorOptions, precisionOption, jsonOption)

EXAMPLES = """
cervical-spine evaluate --cases DIR -o output/evaluation
cervical-spine evaluate --phantoms 30 --first-seed 8000 -o output/phantoms
cervical-spine evaluate --windows --unlabelled cts/*.nii.gz --views 30 -o output/windows
"""


def addArguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--cases", metavar="DIR",
                        help="folder of label maps NAME_labels.nii.gz (1 to 7 for C1 to C7, 8 to 19 for T1 to T12, "
                             "20 to 24 for L1 to L5) beside their CTs NAME.nii.gz, of JSON files with reference "
                             "boxes, or of centroids NAME_ctd.json beside CTs NAME.nii.gz or NAME_ct.nii.gz, as VerSe "
                             "and TPTBox write them (a folder of VerSe with rawdata and derivatives does, too)")
    parser.add_argument("--phantoms", type=int, default=0, metavar="N", help="evaluate on N fresh phantoms")
    parser.add_argument("--region", default="neck", choices=REGIONS,
                        help="of the phantoms; in chest, abdomen and pelvis every cervical level found is false")
    parser.add_argument("--stratum", choices=STRATA,
                        help="resolution of the phantoms: clinical (pixels to 0.7 mm, slices to 1.5 mm), routine (to "
                             "1 mm, to 3 mm) or coarse; a mixture where it is not given")
    parser.add_argument("--first-seed", type=int, default=500, metavar="N", help="seed of the first phantom")
    parser.add_argument("--negatives", nargs="+", default=[], metavar="CT",
                        help="CTs without cervical vertebrae: all that is found there is false")
    parser.add_argument("--windows", action="store_true",
                        help="instead: how right, and how honest, the names are in views of the cases cut, turned, "
                             "thickened and made noisy")
    parser.add_argument("--unlabelled", nargs="+", default=[], metavar="CT",
                        help="with --windows: CTs without labels that show C1 and C2, so that their whole view gives "
                             "names to trust; those where it does not are left out")
    parser.add_argument("--views", type=int, metavar="N", help="with --windows: views of each CT at the most")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="with --windows: which views")
    parser.add_argument("-o", "--output", required=True, metavar="DIR",
                        help="folder for evaluation.json, cases.csv, contact sheets and the reliability plot")
    parser.add_argument("--every-slice", action="store_true",
                        help="show the network every slice whole, not only where the spine can be")
    parser.add_argument("--workers", type=int, default=max(1, (os.cpu_count() or 2) - 1), metavar="N",
                        help="processes that make phantoms")


def jsonFile(arguments: argparse.Namespace) -> Path:
    """What --json prints."""
    return Path(arguments.output) / ("views.json" if arguments.windows else "evaluation.json")


def run(arguments: argparse.Namespace) -> int:
    """:return: exit status. :raises InputError: cases, weights, device or output folder can't be used."""
    if arguments.windows:
        return _evaluateWindows(arguments)
    if not arguments.cases and not arguments.phantoms and not arguments.negatives:
        raise InputError("Nothing to evaluate on; give --cases DIR, --phantoms N or --negatives CT.")
    if arguments.cases and arguments.phantoms:
        raise InputError("Real cases and phantoms have figures of their own; give --cases or --phantoms, not both.")
    if arguments.workers < 1 or arguments.phantoms < 0:
        raise InputError("--workers and --phantoms take positive numbers; correct them.")
    output = Path(arguments.output)
    ensureWritable(output)
    print("Loading the network", flush=True)
    from CervicalSpineDetectionLib.Evaluation.Cases import casesIn, countCases, phantomCases
    from CervicalSpineDetectionLib.Evaluation.Evaluate import evaluateCases, evaluateNegative, falseLevels
    from CervicalSpineDetectionLib.Evaluation.Report import figuresOf, table, writeReport
    from CervicalSpineDetectionLib.Phantom.Phantom import FOREIGN_REGIONS
    from CervicalSpineDetectionLib.SliceDetector.YoloDetector import loadDetector

    detector = loadDetector(arguments.weights, arguments.device, everySlice=arguments.every_slice,
                            precision=arguments.precision)
    cases = (casesIn(arguments.cases) if arguments.cases
             else phantomCases(arguments.phantoms, arguments.first_seed, arguments.workers, arguments.region,
                               arguments.stratum))
    progress = ProgressDisplay("CTs")
    count = countCases(arguments.cases) if arguments.cases else arguments.phantoms
    negatives = [evaluateNegative(path, detector)
                 for path in progress.over(arguments.negatives, "CTs without a neck", len(arguments.negatives))]
    if arguments.region in FOREIGN_REGIONS and not arguments.cases:
        negatives += [falseLevels(case.name, partial(getattr, case, "image"), detector)
                      for case in progress.over(cases, "Phantoms without a neck", count)]
        cases = iter(())
    found = evaluateCases(progress.over(cases, "Evaluating", count), detector, progress.say)
    figures = figuresOf(found.scores, found.slices, negatives, detector.model, found.orientedBoxes)
    writeReport(output, figures, found.scores, found.pictures)
    print("", *table(figures), "", f"Results: {output.resolve()}", sep="\n")
    return 0


def _evaluateWindows(arguments: argparse.Namespace) -> int:
    if not arguments.cases and not arguments.unlabelled:
        raise InputError("Nothing to cut views from; give --cases DIR or --unlabelled CT.")
    output = Path(arguments.output)
    ensureWritable(output)
    print("Loading the network", flush=True)
    from CervicalSpineDetectionLib.Evaluation.ViewReport import (
        namedCts,
        scoreViews,
        viewsOfCases,
        viewTable,
        writeViewReport,
    )
    from CervicalSpineDetectionLib.SliceDetector.YoloDetector import loadDetector

    detector = loadDetector(arguments.weights, arguments.device, everySlice=arguments.every_slice,
                            precision=arguments.precision)
    views = viewsOfCases(namedCts(arguments.cases, arguments.unlabelled, detector), arguments.views, arguments.seed)
    scores = scoreViews(views, detector, lambda view, own: print(
        f"{view.case:<14} {view.kind:<14} {' '.join(_nameText(one) for one in own)}", flush=True))
    writeViewReport(output, scores, detector.model)
    print("", *viewTable(scores), "", f"Results: {output.resolve()}", sep="\n")
    return 0


def _nameText(score: NameScore) -> str:
    """e.g. "C3", "C3?" flagged, "C3!C4" silently wrong, "C3?C4" wrong and flagged, "C3-" missed."""
    if score.found is None:
        return f"{score.level}-"
    if score.isRight:
        return f"{score.level}{'?' if score.uncertain else ''}"
    return f"{score.level or ''}{'?' if score.uncertain else '!'}{score.found}"
