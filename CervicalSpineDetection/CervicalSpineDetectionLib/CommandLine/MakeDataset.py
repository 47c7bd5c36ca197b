"""Make a YOLO data set of sagittal slices from phantoms, bone surfaces and unlabeled CTs."""

import concurrent.futures
import os
from functools import partial
from pathlib import Path

from CervicalSpineDetectionLib.AtomicFiles import ensureWritable
from CervicalSpineDetectionLib.CommandLine.SharedOptions import positive
from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.SafeChildren import startingSafely
from CervicalSpineDetectionLib.Terminal import ProgressDisplay

SLICES_PER_VOLUME = 16
SLICES_PER_SCAN = 26
VALIDATION_PART = 25  # one volume of so many
CHUNK = 6  # neighbouring seeds share an anatomy

EXAMPLES = """
cervical-spine dataset --phantoms 500 -o runs/phantoms
cervical-spine dataset --unlabelled cts/*.nii.gz --teacher cervical-yolov5n -o runs/taught
"""


def addArguments(parser):
    parser.add_argument("-o", "--output", required=True, metavar="DIR",
                        help="folder of the data set; volumes done stay done")
    parser.add_argument("--phantoms", type=int, default=0, metavar="N", help="volumes from the parametric phantom")
    parser.add_argument("--surfaces", metavar="DIR", help="folder of bone surfaces (C1.stl ... T4.stl and others)")
    parser.add_argument("--surface-volumes", type=int, default=300, metavar="N", help="volumes from them")
    parser.add_argument("--unlabelled", nargs="+", metavar="CT", help="CTs for self-training")
    parser.add_argument("--teacher", metavar="WEIGHTS", help="weights that label them")
    parser.add_argument("--first-seed", type=int, default=100000, metavar="N", help="random numbers start here")
    parser.add_argument("--workers", type=positive, default=os.cpu_count(), metavar="N", help="processes")


def run(arguments):
    """:return: exit status. :raises InputError: nothing to make a data set of, or the folder can't be written."""
    if arguments.phantoms < 1 and not arguments.surfaces and not arguments.unlabelled:
        raise InputError("Nothing to make a data set of; give --phantoms N, --surfaces DIR or --unlabelled CT.")
    if arguments.unlabelled and not arguments.teacher:
        raise InputError("The unlabeled CTs need weights that label them; give --teacher, e.g. cervical-yolov5n.")
    print("Starting the processes", flush=True)
    from CervicalSpineDetectionLib.Training.Dataset import SliceGeometry, writeDescription
    from CervicalSpineDetectionLib.Training.Sources import PhantomSource, SurfaceSource

    output = Path(arguments.output)
    for kind in ("images", "labels"):
        for split in ("train", "val"):
            ensureWritable(output / kind / split)
    sources, jobs = [], []
    for source, count in ((PhantomSource(), arguments.phantoms),
                          (SurfaceSource(arguments.surfaces), arguments.surface_volumes if arguments.surfaces else 0)):
        if count:
            sources.append(source.description)
            jobs += [partial(_writeMade, output, source, arguments.first_seed + i) for i in range(count)]
    if arguments.unlabelled:
        sources.append({"name": "unlabelled CTs, boxes by self-training", "licence": "to be named in the model card",
                        "source": f"{len(arguments.unlabelled)} files"})
        jobs += [partial(_writeTaught, output, path, arguments.teacher) for path in arguments.unlabelled]
    writeDescription(output, SliceGeometry(), {"sources": sources})
    outcomes, progress = {}, ProgressDisplay("volumes", lines=19)
    with concurrent.futures.ProcessPoolExecutor(arguments.workers, initializer=_oneThread) as pool:
        with startingSafely():
            ended = pool.map(_call, jobs, chunksize=CHUNK)
        for done, outcome in enumerate(ended, 1):
            outcomes[outcome] = outcomes.get(outcome, 0) + 1
            progress(", ".join(f"{count} {outcome}" for outcome, count in outcomes.items()), done, len(jobs))
    print(f"Data set: {output.resolve()}")
    return 0


def _writeMade(output, source, seed):
    name = f"{source.prefix}{seed:06d}"
    marker = output / f".{name}"
    if marker.exists():
        return "there already"
    from CervicalSpineDetectionLib.Training.Dataset import SliceGeometry, writeSlices

    ct, labels, middles, random = source.volume(seed)
    split = "val" if seed % VALIDATION_PART == 0 else "train"
    writeSlices(output, split, name, ct, labels, SliceGeometry(), random, SLICES_PER_VOLUME, middles)
    marker.touch()
    return "made"


def _writeTaught(output, path, teacher):
    name = Path(path).name.split(".")[0]
    marker = output / f".{name}"
    if marker.exists():
        return "there already"
    import numpy as np

    from CervicalSpineDetectionLib.Imaging.ReadImage import readImage
    from CervicalSpineDetectionLib.SliceDetector.YoloDetector import loadDetector
    from CervicalSpineDetectionLib.Training.Dataset import SliceGeometry, writePictures
    from CervicalSpineDetectionLib.Training.SelfTraining import teach

    scan, reason = teach(readImage(path), loadDetector(teacher, "auto", everySlice=True))
    if scan is not None:
        random = np.random.default_rng(list(name.encode()))
        size = SliceGeometry().pictureSize
        writePictures(output, "train", name, scan.pictures, scan.boxes, size, random, SLICES_PER_SCAN)
    marker.touch()
    return reason or "kept"


def _call(job):
    return job()


def _oneThread():
    import SimpleITK as sitk
    import torch

    torch.set_num_threads(1)
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
