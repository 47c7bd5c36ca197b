"""Train the second look, which finds the edges of the detector's boxes, on CTs made meanwhile.

Some minutes on a processor will do for a start; a core that makes CTs beside is enough. The weights are
written with a description beside them, whose name and SHA-256 belong into the field "edges" of the detector's
card, the file into a folder edges beside the detector's weights.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from CervicalSpineDetectionLib.CommandLine.SharedOptions import positive
from CervicalSpineDetectionLib.Errors import InputError

if TYPE_CHECKING:
    from CervicalSpineDetectionLib.Training.EdgeLesson import EdgeCt
    from CervicalSpineDetectionLib.Training.VolumeMakers import VolumeMakers

EXAMPLES = """
cervical-spine train-edges --minutes 90 -o model_weights/edges/cervical-edges.safetensors
cervical-spine train-edges --surfaces bodyparts3d --coronal --go-on --minutes 30 -o runs/sides.safetensors
"""
WAIT_SECONDS = 0.5


def addArguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-o", "--output", required=True, metavar="FILE", help="weights to write, .safetensors")
    parser.add_argument("--minutes", type=float, default=90.0, metavar="M", help="of training (default 90)")
    parser.add_argument("--surfaces", metavar="DIR", help="folder of bone surfaces; a tenth of the synthetic CTs "
                             "shows them")
    parser.add_argument("--weights", metavar="FILE_OR_NAME", help="of the detector whose boxes are looked at again "
                             "(default: the shipped ones)")
    parser.add_argument("--coronal", action="store_true", help="the look at coronal slices, for the vertebrae's sides "
                             "(field coronalEdges of the card), not that at sagittal ones")
    parser.add_argument("--go-on", action="store_true", help="from the second look that these weights have, not from "
                             "nothing")
    parser.add_argument("--first-cts", type=positive, default=12, metavar="N", help="CTs to begin with (default 12)")
    parser.add_argument("--workers", type=positive, default=max(1, (os.cpu_count() or 2) - 1), metavar="N",
                        help="processes that make CTs")
    parser.add_argument("--first-seed", type=int, default=6_000_000, metavar="N", help="random numbers start here")


def run(arguments: argparse.Namespace) -> int:
    """:return: exit status. :raises InputError: weights or surfaces can't be used, or a useless number."""
    target = Path(arguments.output)
    if target.suffix != ".safetensors" or arguments.minutes <= 0:
        raise InputError("--output has to end in .safetensors, and --minutes has to be a positive number.")
    from CervicalSpineDetectionLib.SliceDetector.Weights import EDGES, findWeights, loadEdges, readCard, saveWeights
    from CervicalSpineDetectionLib.Training.EdgeLesson import EdgeLesson
    from CervicalSpineDetectionLib.Training.EdgeTraining import train
    from CervicalSpineDetectionLib.Training.Sources import NECK_SHARES, PhantomSource, SurfaceSource, VolumeSource
    from CervicalSpineDetectionLib.Training.VolumeMakers import VolumeMakers

    sources: list[VolumeSource] = [PhantomSource(NECK_SHARES)] * 10
    if arguments.surfaces:
        sources[-1] = SurfaceSource(arguments.surfaces)
    weights = findWeights(arguments.weights)
    card = readCard(weights)
    field = EDGES[int(arguments.coronal)]
    if arguments.go_on and field not in card:
        raise InputError(f"{weights.name} has no second look to go on from; leave --go-on out.")
    start = loadEdges(weights, card, field)[1] if arguments.go_on else None
    lesson = EdgeLesson(str(weights), arguments.coronal)
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="made-cts-") as folder:
        makers = VolumeMakers(lesson, sources, Path(folder), arguments.workers, arguments.first_seed)
        try:
            train(_atLeast(makers, arguments.first_cts), makers.finished, 60 * arguments.minutes,
                  lambda model, crops: saveWeights(target, model.weights(), {
                      "schemaVersion": 1, "name": target.stem, "trainingData": [
                          source.description for source in dict.fromkeys(sources)],
                      "training": {"crops": crops, "minutes": round((time.monotonic() - started) / 60, 1)}}),
                  start)
        finally:
            makers.stop()
    print(f"Weights and description: {target}, {target.with_suffix('.json').name}")
    return 0


def _atLeast(makers: VolumeMakers[EdgeCt], count: int) -> list[EdgeCt]:
    found: list[EdgeCt] = []
    while len(found) < count:
        found += makers.finished()
        time.sleep(WAIT_SECONDS)
    return found
