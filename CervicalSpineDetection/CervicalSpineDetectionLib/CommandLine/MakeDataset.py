"""Make a YOLO data set of sagittal slices from phantoms, bone surfaces and unlabeled CTs."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from CervicalSpineDetectionLib.CommandLine.SharedOptions import CUT_FOR_HELP, positive
from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Terminal import ProgressDisplay

EXAMPLES = """
cervical-spine dataset --phantoms 500 -o runs/phantoms
cervical-spine dataset --unlabelled cts/*.nii.gz --teacher cervical-yolov5n -o runs/taught
"""


def addArguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-o", "--output", required=True, metavar="DIR",
                        help="folder of the data set; volumes done stay done")
    parser.add_argument("--phantoms", type=int, default=0, metavar="N", help="volumes from the parametric phantom")
    parser.add_argument("--surfaces", metavar="DIR", help="folder of bone surfaces (C1.stl ... T4.stl and others)")
    parser.add_argument("--surface-volumes", type=int, default=300, metavar="N", help="volumes from them")
    parser.add_argument("--unlabelled", nargs="+", metavar="CT", help="CTs for self-training")
    parser.add_argument("--teacher", metavar="WEIGHTS", help="weights that label them")
    parser.add_argument("--weights", metavar="FILE_OR_NAME", help=CUT_FOR_HELP)
    parser.add_argument("--first-seed", type=int, default=100000, metavar="N", help="random numbers start here")
    parser.add_argument("--workers", type=positive, default=os.cpu_count(), metavar="N", help="processes")


def run(arguments: argparse.Namespace) -> int:
    """:return: exit status. :raises InputError: nothing to make a data set of, or the folder can't be written."""
    if arguments.phantoms < 1 and not arguments.surfaces and not arguments.unlabelled:
        raise InputError("Nothing to make a data set of; give --phantoms N, --surfaces DIR or --unlabelled CT.")
    if arguments.unlabelled and not arguments.teacher:
        raise InputError("The unlabeled CTs need weights that label them; give --teacher, e.g. cervical-yolov5n.")
    print("Starting the processes", flush=True)
    from CervicalSpineDetectionLib.Training.Dataset import geometryOf
    from CervicalSpineDetectionLib.Training.MadeDataset import madeJobs, taughtJobs, writeMadeDataset
    from CervicalSpineDetectionLib.Training.Sources import PhantomSource, SurfaceSource

    output = Path(arguments.output)
    geometry = geometryOf(arguments.weights or arguments.teacher)
    if arguments.teacher and geometryOf(arguments.teacher) != geometry:
        raise InputError(f"--teacher looks at slices cut otherwise than --weights {arguments.weights}; leave one out.")
    descriptions, jobs = [], []
    if arguments.phantoms > 0:
        descriptions.append(PhantomSource.description)
        jobs += madeJobs(output, geometry, PhantomSource(), arguments.first_seed, arguments.phantoms)
    if arguments.surfaces and arguments.surface_volumes:
        descriptions.append(SurfaceSource.description)
        jobs += madeJobs(output, geometry, SurfaceSource(arguments.surfaces), arguments.first_seed,
                         arguments.surface_volumes)
    if arguments.unlabelled:
        descriptions.append({
            "name": "unlabelled CTs, boxes by self-training", "licence": "to be named in the model card",
            "source": f"{len(arguments.unlabelled)} files",
        })
        jobs += taughtJobs(output, geometry, arguments.unlabelled, arguments.teacher)
    progress = ProgressDisplay("volumes", lines=19)
    for outcomes in writeMadeDataset(output, geometry, descriptions, jobs, arguments.workers):
        others = ", ".join(f"{count} {outcome}" for outcome, count in outcomes.items() if outcome != "made")
        progress(f"Making ({others})" if others else "Making", outcomes.total(), len(jobs))
    print(f"Data set: {output.resolve()}")
    return 0
