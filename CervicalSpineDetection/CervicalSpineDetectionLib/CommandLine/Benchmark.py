"""Measure how fast a detection is: by stage, against other ways, against the hardware limit, and how it grows."""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from CervicalSpineDetectionLib.AtomicFiles import atomicFile, atomicFolder, ensureWritable
from CervicalSpineDetectionLib.CommandLine.SharedOptions import device as deviceType
from CervicalSpineDetectionLib.CommandLine.SharedOptions import jsonOption, positive

EXAMPLES = """
cervical-spine benchmark -o output/benchmark
cervical-spine benchmark --ct neck.nii.gz --devices cpu cuda:1 --repeats 9 -o output/benchmark
cervical-spine benchmark --checks -o output/card
cervical-spine benchmark --whole --slices 1000 -o output/whole
"""

PARENTS = (jsonOption,)

FAILED = 1


def addArguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-o", "--output", required=True, metavar="DIR",
                        help="folder for benchmark.json and benchmark.png")
    parser.add_argument("--ct", metavar="PATH", help="CT to run on (default: a phantom of 512 x 512 x 300 voxels)")
    parser.add_argument("--weights", metavar="FILE_OR_NAME", help="a .safetensors file, or the name of shipped weights")
    parser.add_argument("--devices", nargs="+", type=deviceType, metavar="DEVICE",
                        help="cpu, cuda, cuda:1, mps (default: cpu, and cuda if there)")
    parser.add_argument("--checks", action="store_true",
                        help="check that the last device finds what the CPU finds, its memory, and what happens when "
                             "it has none, and measure only ours: a minute or two, for a new graphics card")
    parser.add_argument("--whole", action="store_true",
                        help="measure the whole command on the CPU instead: from DICOM and NIfTI files to each file of "
                             "the result, in new processes and in a warm one")
    parser.add_argument("--slices", type=positive, default=300, metavar="N",
                        help="of the CT that --whole makes (default 300)")
    parser.add_argument("--repeats", type=positive, default=3, metavar="N", help="medians of so many runs (default 3)")
    parser.epilog = ("Exit status 1: a check failed. Takes some minutes; other work on the computer spoils the "
                     "figures, so the load is written down.")


def jsonFile(arguments: argparse.Namespace) -> Path:
    """What --json prints."""
    return Path(arguments.output) / ("whole.json" if arguments.whole else "benchmark.json")


def run(arguments: argparse.Namespace) -> int:
    """:return: exit status. :raises InputError: CT, weights, devices or output folder can't be used."""
    from CervicalSpineDetectionLib.SliceDetector.Weights import findWeights, readCard

    output = Path(arguments.output)
    ensureWritable(output)
    card = readCard(findWeights(arguments.weights))
    if arguments.whole:
        return _whole(arguments, card, output)
    import torch

    from CervicalSpineDetectionLib.Benchmark.Measure import measure, measureWithChecks
    from CervicalSpineDetectionLib.Benchmark.Report import picture, table
    from CervicalSpineDetectionLib.SliceDetector.TorchNetwork import chooseDevice

    devices = arguments.devices or ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
    for device in devices:
        chooseDevice(device)
    with tempfile.TemporaryDirectory() as temporary:
        if arguments.checks:
            figures = measureWithChecks(arguments.weights, card, devices, arguments.repeats, Path(temporary))
        else:
            figures = measure(arguments.ct, arguments.weights, card, devices, arguments.repeats, Path(temporary))
    with atomicFolder(output, ("benchmark.png", "benchmark.json")) as folder:
        picture(folder / "benchmark.png", figures)
        (folder / "benchmark.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    print("", *table(figures), "", f"Results: {output.resolve()}", sep="\n")
    return FAILED if any(check["passed"] is False for check in figures.get("checks", ())) else 0


def _whole(arguments: argparse.Namespace, card: Mapping[str, Any], output: Path) -> int:
    from CervicalSpineDetectionLib.Benchmark.Whole import measureWhole, wholeTable

    # On the disk of the results: the folder for temporary files may be memory.
    with tempfile.TemporaryDirectory(dir=output.resolve()) as temporary:
        figures = measureWhole(arguments.weights, card, arguments.slices, arguments.repeats, Path(temporary))
    with atomicFile(output / "whole.json") as temporary:
        temporary.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    print("", *wholeTable(figures), "", f"Results: {output.resolve()}", sep="\n")
    return 0
