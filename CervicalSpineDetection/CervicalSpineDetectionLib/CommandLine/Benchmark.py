"""Measure how fast a detection is: by stage, against other ways, against the hardware limit, and how it grows."""

import json
import tempfile
from pathlib import Path

from CervicalSpineDetectionLib.AtomicFiles import atomicFolder, ensureWritable
from CervicalSpineDetectionLib.CommandLine.SharedOptions import device as deviceType
from CervicalSpineDetectionLib.CommandLine.SharedOptions import jsonOption, positive

EXAMPLES = """
cervical-spine benchmark -o output/benchmark
cervical-spine benchmark --ct neck.nii.gz --devices cpu cuda:1 --repeats 9 -o output/benchmark
"""

PARENTS = (jsonOption,)


def addArguments(parser):
    parser.add_argument("-o", "--output", required=True, metavar="DIR",
                        help="folder for benchmark.json and benchmark.png")
    parser.add_argument("--ct", metavar="PATH", help="CT to run on (default: a phantom of 512 x 512 x 300 voxels)")
    parser.add_argument("--weights", metavar="FILE_OR_NAME", help="a .safetensors file, or the name of shipped weights")
    parser.add_argument("--devices", nargs="+", type=deviceType, metavar="DEVICE",
                        help="cpu, cuda, cuda:1, mps (default: cpu, and cuda if there)")
    parser.add_argument("--repeats", type=positive, default=3, metavar="N", help="medians of so many runs (default 3)")
    parser.epilog = "Takes some minutes; other work on the computer spoils the figures, so the load is written down."


def jsonFile(arguments):
    """What --json prints."""
    return Path(arguments.output) / "benchmark.json"


def run(arguments):
    """:return: exit status. :raises InputError: CT, weights, devices or output folder can't be used."""
    from CervicalSpineDetectionLib.SliceDetector.Weights import findWeights, readCard

    output = Path(arguments.output)
    ensureWritable(output)
    card = readCard(findWeights(arguments.weights))
    import torch

    from CervicalSpineDetectionLib.Benchmark.Measure import measure
    from CervicalSpineDetectionLib.Benchmark.Report import picture, table
    from CervicalSpineDetectionLib.SliceDetector.YoloDetector import chooseDevice

    devices = arguments.devices or ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
    for device in devices:
        chooseDevice(device)
    with tempfile.TemporaryDirectory() as temporary:
        figures = measure(arguments.ct, arguments.weights, card, devices, arguments.repeats, Path(temporary))
    with atomicFolder(output, ("benchmark.png", "benchmark.json")) as folder:
        picture(folder / "benchmark.png", figures)
        (folder / "benchmark.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    print("", *table(figures), "", f"Results: {output.resolve()}", sep="\n")
    return 0
