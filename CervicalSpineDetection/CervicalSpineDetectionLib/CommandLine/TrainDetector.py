"""Train the slice detector on a data set; run again to go on after a stop."""

from pathlib import Path

from CervicalSpineDetectionLib.Errors import InputError


def addArguments(parser):
    parser.add_argument("--dataset", required=True, nargs="+", metavar="DIR", help="what `cervical-spine dataset` made")
    parser.add_argument("--output", required=True, metavar="DIR", help="folder of the run")
    parser.add_argument("--architecture", default="yolov5n", choices=("yolov5n", "yolov5s"))
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--initial", metavar="FILE", help="safetensors weights to start from")
    parser.add_argument("--learning-rate", type=float, default=0.002)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--device", default="cpu", help="cpu, mps or a CUDA device number such as 0")
    parser.add_argument("--name", default="cervical-yolov5n", help="name of the weights")


def run(arguments):
    for folder in arguments.dataset:
        if not (Path(folder) / "dataset.json").is_file():
            raise InputError(f"{folder} is no data set; make one with `cervical-spine dataset`.")
    from CervicalSpineDetectionLib.Training.Train import train

    weights = train(arguments.dataset, arguments.output, arguments.architecture, arguments.epochs, arguments.initial,
                    arguments.learning_rate, arguments.batch, arguments.device, arguments.name)
    print(f"Weights and card: {weights}, {weights.with_suffix('.json').name}")
    return 0
