"""Train the slice detector for some minutes on CTs made meanwhile, beside real ones: for a GPU and many cores.

Slices stay in the memory of the GPU and every view of them is new, so that ten minutes show the
network more than a million pictures.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

from CervicalSpineDetectionLib.CommandLine.SharedOptions import DEVICE_HELP, TRAINED_ARCHITECTURES, device, positive
from CervicalSpineDetectionLib.Errors import InputError

EXAMPLES = """
cervical-spine pretrain --teach cts/*.nii.gz --slices taught
cervical-spine pretrain --slices taught --minutes 7 --initial cervical-yolov5n -o runs/new.safetensors
cervical-spine pretrain --slices taught --minutes 60 --batch 32 --architecture yolov5n-relu --initial cervical-yolov5n \
    --teacher cervical-yolov5n -o runs/fast.safetensors
"""


def addArguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--slices", metavar="DIR", help="folder of slices of real CTs with boxes")
    parser.add_argument("--teach", nargs="+", metavar="CT",
                        help="fill that folder first: boxes of unlabelled CTs by self-training with --initial")
    parser.add_argument("--surfaces", metavar="DIR", help="folder of bone surfaces; a fourth of the synthetic CTs "
                             "shows them")
    parser.add_argument("-o", "--output", metavar="FILE",
                        help="weights to write, .safetensors; without it no training")
    parser.add_argument("--minutes", type=float, default=7.0, metavar="M", help="of training (default 7)")
    parser.add_argument("--initial", "--init", dest="initial", metavar="FILE_OR_NAME", help="weights to start from")
    parser.add_argument("--teacher", metavar="FILE_OR_NAME",
                        help="learn what these weights say of each view, instead of boxes; the network may have other "
                             "activations, as --architecture yolov5n-relu")
    parser.add_argument("--architecture", choices=TRAINED_ARCHITECTURES,
                        help="default: that of --initial, without it yolov5n")
    parser.add_argument("--learning-rate", type=float, default=0.002)
    parser.add_argument("--batch", type=positive, default=512, metavar="N", help="pictures at a time (default 512)")
    parser.add_argument("--capacity", type=positive, default=100_000, metavar="N",
                        help="slices that the memory has room for, 0.12 MB each (default 100000)")
    parser.add_argument("--workers", type=positive, default=max(1, (os.cpu_count() or 2) * 3 // 4), metavar="N",
                        help="processes that make CTs")
    parser.add_argument("--first-seed", type=int, default=5_000_000, metavar="N", help="random numbers start here")
    parser.add_argument("--device", type=device, default="auto", metavar="DEVICE", help=DEVICE_HELP)


def run(arguments: argparse.Namespace) -> int:
    """:return: exit status. :raises InputError: weights, CTs or device can't be used, or nothing is asked for."""
    if not arguments.output and not arguments.teach:
        raise InputError("Nothing to do; give --output FILE to train, or --teach CT to prepare slices.")
    if (arguments.teach and not arguments.slices) or arguments.minutes <= 0:
        raise InputError("--teach needs the folder --slices, and --minutes a positive number.")
    if arguments.output and Path(arguments.output).suffix != ".safetensors":
        raise InputError(f"{arguments.output} does not end in .safetensors; weights are written as such.")
    from CervicalSpineDetectionLib.SliceDetector.Weights import findWeights

    initial = findWeights(arguments.initial) if arguments.initial or arguments.teach else None
    if arguments.teach:
        from CervicalSpineDetectionLib.Training.Taught import teachAll

        teachAll(arguments.teach, Path(arguments.slices), initial, arguments.device)
    if arguments.output:
        _train(arguments, initial)
    return 0


def _train(arguments: argparse.Namespace, initial: Path | None) -> None:
    from CervicalSpineDetectionLib.SliceDetector.TorchNetwork import chooseDevice
    from CervicalSpineDetectionLib.SliceDetector.Weights import findWeights
    from CervicalSpineDetectionLib.Training.Distillation import Teacher
    from CervicalSpineDetectionLib.Training.PoolTraining import PoolPlan, poolOf, trainOnPool
    from CervicalSpineDetectionLib.Training.Sources import PhantomSource, SurfaceSource, VolumeSource
    from CervicalSpineDetectionLib.Training.VolumeMakers import SliceLesson, VolumeMakers

    sources: list[VolumeSource] = [PhantomSource()] * 4
    if arguments.surfaces:
        sources[-1] = SurfaceSource(arguments.surfaces)
    target = Path(arguments.output)
    chosen = chooseDevice(arguments.device)
    teacher = Teacher(findWeights(arguments.teacher), chosen) if arguments.teacher else None
    plan = PoolPlan(60 * arguments.minutes, arguments.batch, learningRate=arguments.learning_rate,
                    architecture=arguments.architecture or architectureOf(initial))
    with tempfile.TemporaryDirectory(prefix="made-cts-") as folder:
        makers = VolumeMakers(SliceLesson(), sources, Path(folder), arguments.workers, arguments.first_seed)
        try:
            pool = poolOf(arguments.slices, makers, arguments.capacity, chosen)
            trainOnPool(pool, plan, target, target.stem, [source.description for source in sources], initial, makers,
                        teacher)
        finally:
            makers.stop()
    print(f"Weights and card: {target}, {target.with_suffix('.json').name}")


def architectureOf(initial: Path | None) -> str:
    """That of weights: another activation would take them too, and compute something else."""
    from CervicalSpineDetectionLib.SliceDetector.Weights import readCard

    return str(readCard(initial)["architecture"]) if initial else "yolov5n"
