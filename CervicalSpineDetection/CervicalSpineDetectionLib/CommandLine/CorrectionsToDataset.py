"""Make a YOLO data set of vertebrae that a person confirmed or corrected, split by patient."""

from __future__ import annotations

import argparse
from pathlib import Path

from CervicalSpineDetectionLib.AtomicFiles import ensureWritable, newFolder
from CervicalSpineDetectionLib.CommandLine.SharedOptions import detectorOptions
from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Terminal import quietLibraries

RESULT_NAME = "vertebrae.json"

PARENTS = (detectorOptions,)

EXAMPLES = """
cervical-spine corrections SCENES -o DATASET
cervical-spine corrections --cases TABLE.csv --all -o DATASET
"""


def addArguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("input", nargs="*", metavar="PATH",
                        help=f"scene (.mrb, .mrml), {RESULT_NAME} with its CT beside it, or a folder of such")
    parser.add_argument("--cases", metavar="CSV",
                        help="table of more inputs with the columns path, and where needed ct and patient")
    parser.add_argument("-o", "--output", required=True, metavar="DIR", help="folder of the data set, a new one")
    parser.add_argument("--all", action="store_true",
                        help=f"take all vertebrae as confirmed; needed for {RESULT_NAME}, which doesn't tell")
    parser.add_argument("--validation", type=float, default=0.2, metavar="PART",
                        help="part of the patients held out (default 0.2)")
    parser.add_argument("--slices", type=int, default=40, metavar="N", help="pictures of one CT (default 40)")
    parser.add_argument("--keep-names", action="store_true", help="name pictures after the input files")
    parser.epilog = ("Patients are told apart by the table, else by the DICOM patient ID of scene or CT, else each "
                     "file counts as one. Pictures are named by random numbers, and no name, ID or path is written.")


def run(arguments: argparse.Namespace) -> int:
    """:return: exit status. :raises InputError: an input can't be used, or the folder is there already."""
    import numpy as np

    from CervicalSpineDetectionLib.Cohort.SceneReading import casesInProcess
    from CervicalSpineDetectionLib.SliceDetector.Weights import findWeights
    from CervicalSpineDetectionLib.Training.CorrectionsDataset import SPLITS, findSources, writeDataset

    output = Path(arguments.output).absolute()
    if output.exists():
        raise InputError(f"{output} is there already; give a new folder.")
    if not 0 <= arguments.validation < 1:
        raise InputError("--validation takes a part from 0 to less than 1.")
    sources = findSources(arguments.input, arguments.cases)
    findWeights(arguments.weights)
    ensureWritable(output.parent)
    with quietLibraries():
        from CervicalSpineDetectionLib.SliceDetector.YoloDetector import loadDetector

        detector = loadDetector(arguments.weights, arguments.device, everySlice=True)
    with newFolder(output) as folder:
        counts = writeDataset(folder, sources, detector, np.random.default_rng(), arguments.all, arguments.validation,
                              arguments.slices, arguments.keep_names, casesInProcess)
    for split in SPLITS:
        print(f"{split}: {counts[split, 'patients']} patients, {counts[split, 'pictures']} pictures, "
              f"{counts[split, 'vertebrae']} vertebrae")
    if not counts["val", "patients"]:
        print("Note: with one patient none is held out, so training can't tell whether it helped.")
    print("Data set:", output)
    return 0
