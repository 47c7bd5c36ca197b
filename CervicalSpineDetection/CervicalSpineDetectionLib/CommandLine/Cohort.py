"""Detect the cervical vertebrae of all CTs of a folder tree; run again to go on after a stop."""

from __future__ import annotations

import argparse
import hashlib
from functools import partial
from pathlib import Path

from CervicalSpineDetectionLib.AtomicFiles import ensureWritable
from CervicalSpineDetectionLib.Cohort.Schedule import SECONDS_EACH
from CervicalSpineDetectionLib.CommandLine.SharedOptions import detectorOptions, positive
from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.FolderLock import lockedFolder

PARENTS = (detectorOptions,)
# Of the results: those a person should look at are doubtful, as on the page.
WHICH = ("all", "doubtful", "none")

EXAMPLES = """
cervical-spine cohort CTS -o RESULTS
cervical-spine cohort CTS -o RESULTS --pattern "*_ct.nii.gz" --workers 4 --scenes doubtful --previews doubtful
"""


def addArguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("input", metavar="DIR", help="folder tree with DICOM series, NRRD, NIfTI or MetaImage files")
    parser.add_argument("-o", "--output", required=True, metavar="DIR",
                        help="folder for the results; scans done stay done")
    parser.add_argument("--pattern", default="*", metavar="GLOB",
                        help='names of the image files, e.g. "*_ct.nii.gz" (DICOM is found whatever its name)')
    parser.add_argument("--workers", type=positive, default=1, metavar="N",
                        help="processes on this computer (default 1), each with its own network in memory")
    parser.add_argument("--scheduler", metavar="ADDRESS",
                        help="Dask scheduler, e.g. tcp://host:8786, whose workers see the same folders")
    parser.add_argument("--time-limit", type=positive, default=SECONDS_EACH, metavar="SECONDS",
                        help=f"a CT that takes longer is given up (default {SECONDS_EACH})")
    parser.add_argument("--scenes", choices=WHICH, default="all",
                        help="for which results to write scene.mrb, each of which holds its CT (default all)")
    parser.add_argument("--previews", choices=WHICH, default="all",
                        help="for which results to write preview pictures (default all)")
    for name in ("scenes", "previews"):
        parser.add_argument(f"--no-{name}", dest=name, action="store_const", const="none", help=f"--{name} none")
    parser.add_argument("--retry-failed", action="store_true", help="look again at scans that could not be used")
    parser.epilog = ("DIR/index.html shows all results, the most doubtful first; scans.csv and vertebrae.csv hold "
                     "them as tables. These and the scans' folders name no DICOM patient, file or folder; sources.csv "
                     "tells which scan is which. Exit status: 0, or 2 for input that can't be used.")


def run(arguments: argparse.Namespace) -> int:
    """:return: exit status. :raises InputError: no scan, or folder, weights, device or scheduler can't be used."""
    from CervicalSpineDetectionLib.Cohort.Run import SCANS_FOLDER, analyseScan, prepareProcess, runCohort, sameAsBefore
    from CervicalSpineDetectionLib.Cohort.Scans import findScans
    from CervicalSpineDetectionLib.SliceDetector.Weights import findWeights, readCard

    root, output = Path(arguments.input), Path(arguments.output).absolute()
    if not root.is_dir():
        raise InputError(f"{root} is no folder; give the folder tree with the CTs.")
    if root.resolve().is_relative_to(output.resolve()):
        raise InputError(f"{root} lies in the folder for the results, which is not searched; choose another one.")
    weights = findWeights(arguments.weights)
    scans = findScans(root, arguments.pattern, without=output)
    if all(scan.leftOut for scan in scans):
        raise InputError(f"No CT was found in {root}; give a folder tree with DICOM, NRRD, NIfTI or MetaImage files.")
    folder = output / SCANS_FOLDER
    ensureWritable(folder)
    given, device = str(weights.resolve()), arguments.device
    with lockedFolder(output):
        sameAsBefore(output, {
            "input": hashlib.sha256(str(root.resolve()).encode()).hexdigest(),
            "weights": readCard(weights)["sha256"],
            "scenes": arguments.scenes, "previews": arguments.previews,
        })
        analyse = partial(analyseScan, weights=given, device=device, scenes=arguments.scenes,
                          previews=arguments.previews)
        return runCohort(scans, root, output, analyse, arguments.workers, arguments.scheduler, arguments.retry_failed,
                         arguments.time_limit, partial(prepareProcess, given, device))
