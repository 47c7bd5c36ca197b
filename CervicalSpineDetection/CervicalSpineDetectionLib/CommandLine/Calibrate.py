"""Fit how far a network's opinion counts and from which probability on a name is certain, on CTs with known levels."""

from __future__ import annotations

import argparse
from pathlib import Path

from CervicalSpineDetectionLib.CommandLine.SharedOptions import DEVICE_HELP, device
from CervicalSpineDetectionLib.Errors import InputError

INTEGER_SEEDS = range(9500, 9512)  # of phantoms that no training and no table uses
EXAMPLES = """
cervical-spine calibrate --weights runs/mine/mine.safetensors --unlabelled cts/*.nii.gz
cervical-spine calibrate --weights runs/mine/mine.safetensors --integers
"""


def addArguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--weights", required=True, metavar="FILE",
                        help="a .safetensors file; its model card gets the parameters")
    parser.add_argument("--cases", metavar="DIR", help="CTs with label maps or reference boxes, as for evaluate")
    parser.add_argument("--unlabelled", nargs="+", default=[], metavar="CT",
                        help="CTs without labels that show C1 and C2: their whole view gives the names. None of them "
                             "may have been trained on, or be used to evaluate")
    parser.add_argument("--integers", action="store_true",
                        help="instead, let the network compute in 8 bits, nearly as exactly and up to twice as fast on "
                             "processors that can: measure on phantoms how large its numbers become. Needs onnx and "
                             "onnxruntime")
    parser.add_argument("--views", type=int, default=30, metavar="N", help="views of each CT at the most")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="which views")
    parser.add_argument("--device", type=device, default="auto", metavar="DEVICE", help=DEVICE_HELP)


def run(arguments: argparse.Namespace) -> int:
    """:return: exit status. :raises InputError: weights or CTs can't be used, or no view with a known level."""
    if arguments.integers:
        return _measureIntegers(Path(arguments.weights))
    if not arguments.cases and not arguments.unlabelled:
        raise InputError("Nothing to calibrate on; give --cases DIR or --unlabelled CT.")
    from CervicalSpineDetectionLib.SliceDetector.Weights import loadWeights, saveWeights
    from CervicalSpineDetectionLib.SliceDetector.YoloDetector import loadDetector
    from CervicalSpineDetectionLib.Training.Calibration import calibrate

    path = Path(arguments.weights)
    card, state = loadWeights(path)
    detector = loadDetector(path, arguments.device)
    model, note = calibrate(detector, arguments.cases, arguments.unlabelled, arguments.views, arguments.seed,
                            lambda text: print(text, flush=True))
    card = {key: value for key, value in card.items() if key != "sha256"}
    saveWeights(path, state, {**card, "levelModel": model.asCard(), "levelModelFit": note})
    print(f"{model}\nWritten into {path.with_suffix('.json')}")
    return 0


def _measureIntegers(path: Path) -> int:
    """``--integers``. :return: exit status. :raises InputError: the weights can't be used, or a package is missing."""
    from CervicalSpineDetectionLib.SliceDetector import OnnxNetwork
    from CervicalSpineDetectionLib.SliceDetector.IntegerNetwork import RANGES, RANGES_OF
    from CervicalSpineDetectionLib.SliceDetector.Weights import EDGES, addToCard, loadArrays, loadEdges
    from CervicalSpineDetectionLib.SliceDetector.YoloDetector import loadDetector

    if not OnnxNetwork.isThere():
        raise InputError(f"--integers needs the packages {' and '.join(OnnxNetwork.PACKAGES)}; install them first.")
    from CervicalSpineDetectionLib.Phantom.Phantom import makePhantom
    from CervicalSpineDetectionLib.Pipeline import detectVertebrae
    from CervicalSpineDetectionLib.Spine.Arrays import Array
    from CervicalSpineDetectionLib.Training.IntegerRanges import MeasuredEdges, fewSlices, integerRanges

    card, weights = loadArrays(path)
    detector = loadDetector(path, "cpu", precision="single", forOneCt=True)
    looks = {field: MeasuredEdges(loadEdges(path, card, field)[1]) for field in EDGES if field in card}
    detector.secondLook, detector.coronalLook = (looks.get(field) for field in EDGES)
    pictures: list[Array] = []
    for seed in INTEGER_SEEDS:
        ct = makePhantom(seed).ct
        pictures.append(fewSlices(ct, detector))
        detectVertebrae(ct, detector)
        print(f"Phantom {seed}", flush=True)
    addToCard(path, {
        RANGES: integerRanges(card["architecture"], len(card["classes"]), weights, pictures),
        **{field: {**card[field], RANGES: look.ranges(), RANGES_OF: card[field]["sha256"]}
           for field, look in looks.items()}})
    print(f"Written into {path.with_suffix('.json')}")
    return 0
