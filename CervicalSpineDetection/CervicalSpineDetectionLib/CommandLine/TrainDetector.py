"""Train the slice detector on data sets, from scratch or from other weights; run again to resume after a stop."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from CervicalSpineDetectionLib.CommandLine.SharedOptions import DEVICE_HELP, TRAINED_ARCHITECTURES, device, positive
from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Terminal import ProgressDisplay

LEARNING_RATE = 0.002
# Weights that are good already are to be moved a little.
FINE_LEARNING_RATE = 0.0004
FINE_PATIENCE = 5
FEW_PATIENTS = 10

EXAMPLES = """
cervical-spine train --dataset runs/phantoms -o runs/first --epochs 12
cervical-spine train --dataset corrections --initial cervical-yolov5n -o runs/mine --epochs 20 --install
"""


def addArguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dataset", "--from", dest="dataset", required=True, nargs="+", metavar="DIR",
                        help="what `cervical-spine dataset`, `import` or `corrections` made")
    parser.add_argument("-o", "--output", required=True, metavar="DIR", help="folder of the run")
    parser.add_argument("--architecture", default="yolov5n", choices=TRAINED_ARCHITECTURES)
    parser.add_argument("--epochs", type=positive, default=12, metavar="N", help="default 12")
    parser.add_argument("--initial", "--init", dest="initial", metavar="FILE_OR_NAME", help="weights to start from")
    parser.add_argument("--learning-rate", type=float,
                        help=f"default {LEARNING_RATE}, with --init {FINE_LEARNING_RATE}")
    parser.add_argument("--patience", type=int, metavar="N",
                        help="stop after N epochs that were no better on held-out patients, and take the best one; 0: "
                             f"take the last one (default 0, with --init {FINE_PATIENCE})")
    parser.add_argument("--batch", type=positive, default=32, metavar="N", help="pictures at a time (default 32)")
    parser.add_argument("--device", type=device, default="auto", metavar="DEVICE", help=DEVICE_HELP)
    parser.add_argument("--name", help="name of the new weights (default: that of the output folder)")
    parser.add_argument("--install", action="store_true",
                        help="if they are better on held-out patients than those of --init, put them where every "
                             "command finds them by their name")


def run(arguments: argparse.Namespace) -> int:
    """:return: exit status. :raises InputError: data set, weights or name can't be used, or the run is finished."""
    for folder in arguments.dataset:
        if not (Path(folder) / "dataset.json").is_file():
            raise InputError(f"{folder} is no data set; make one with `cervical-spine dataset`.")
    if arguments.install and not arguments.initial:
        raise InputError("--install compares with the weights training began with; name them with --init.")
    from CervicalSpineDetectionLib.SliceDetector.Weights import checkInstallName, findWeights

    if arguments.install:
        checkInstallName(arguments.name or Path(arguments.output).resolve().name)
    initial = findWeights(arguments.initial) if arguments.initial else None
    print("Loading the data set", flush=True)
    from CervicalSpineDetectionLib.SliceDetector.TorchNetwork import chooseDevice
    from CervicalSpineDetectionLib.Training.Train import train

    arguments.device = str(chooseDevice(arguments.device))
    arguments.name = arguments.name or Path(arguments.output).resolve().name
    print(f"Training on {arguments.device}", flush=True)
    rate, patience = (FINE_LEARNING_RATE, FINE_PATIENCE) if initial else (LEARNING_RATE, 0)
    weights = train(
        arguments.dataset, arguments.output, arguments.architecture, arguments.epochs, initial,
        rate if arguments.learning_rate is None else arguments.learning_rate, arguments.batch, arguments.device,
        arguments.name, patience if arguments.patience is None else arguments.patience,
        ProgressDisplay("batches"),
    )
    print(f"Weights and card: {weights}, {weights.with_suffix('.json').name}; curves.png shows the course")
    if initial:
        _compare(arguments, initial, weights)
    else:
        print(f"Measure them with cervical-spine evaluate --weights {weights}")
    return 0


def _compare(arguments: argparse.Namespace, initial: Path, weights: Path) -> None:
    """Old and new weights on held-out patients; install the new ones where that was asked and they are better."""
    from CervicalSpineDetectionLib.SliceDetector.Weights import installWeights
    from CervicalSpineDetectionLib.Training.Comparison import compareWeights, isBetter

    try:
        old, new = compareWeights(arguments.dataset, [initial, weights], arguments.device)
    except InputError as error:
        print("Not compared, and not installed:", error)
        return
    (Path(arguments.output) / "comparison.json").write_text(json.dumps({"old": old, "new": new}, indent=1) + "\n",
                                                            encoding="utf-8")
    title = f"On {new['pictures']} held-out pictures"
    print(f"{title:30} {'before':>8} {'after':>8}")
    for name in ("mAP50", "mAP50-95"):
        print(f"{name + ', C1 to C7':30} {old[name]:8.3f} {new[name]:8.3f}")
    for level, figures in new["perClass"].items():
        print(f"{level + ' AP50-95':30} {old['perClass'][level]['AP50-95']:8.3f} {figures['AP50-95']:8.3f}")
    patients = sum(_patients(folder) for folder in arguments.dataset)
    if 0 < patients < FEW_PATIENTS:
        say = "patients say" if patients > 1 else "patient says"
        print(f"Note: {patients} held-out {say} little; a change may be chance.")
    if not isBetter(old, new):
        print("The new weights are not better on the held-out patients; better keep the old ones.")
    elif arguments.install:
        print(f"Installed: {installWeights(weights, arguments.name)}. Use them with --weights {arguments.name}.")
    else:
        print(f"The new weights are better on the held-out patients. Use them with --weights {weights}.")


def _patients(folder: Path) -> int:
    """Held out in a data set of corrections; others don't tell."""
    from CervicalSpineDetectionLib.Training.Dataset import readDescription

    held: dict[str, int] = readDescription(Path(folder)).get("patients", {})
    return held.get("val", 0)
