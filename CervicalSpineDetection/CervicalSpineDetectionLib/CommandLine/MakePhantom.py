"""Make a random CT of the neck, or of another region, with known vertebrae (a phantom)."""

from __future__ import annotations

import argparse
from pathlib import Path

from CervicalSpineDetectionLib.AtomicFiles import ensureWritable
from CervicalSpineDetectionLib.CommandLine.SharedOptions import REGIONS
from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Terminal import ProgressDisplay

EXAMPLES = """
cervical-spine phantom -o output/ct.nii.gz
cervical-spine phantom -o output/chest.nrrd --region chest --seed 3 --labels output/chest_labels.nrrd
"""

IMAGE_SUFFIXES = (".nii.gz", ".nii", ".nrrd", ".mha")


def addArguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-o", "--output", required=True, metavar="FILE", help="image file, e.g. ct.nii.gz")
    parser.add_argument("--seed", type=int, default=17, help="the same number gives the same phantom")
    parser.add_argument("--region", default="neck", choices=REGIONS,
                        help="part of the body; chest, abdomen and pelvis show no cervical vertebra")
    parser.add_argument("--labels", metavar="FILE",
                        help="also write the label map (1 to 7: C1 to C7, 8 to 19: T1 to T12, 20 to 24: L1 to L5)")
    parser.add_argument("--truth", metavar="FILE", help="also write the true boxes as JSON")


def run(arguments: argparse.Namespace) -> int:
    """:return: exit status. :raises InputError: a file can't be written."""
    for path in filter(None, (arguments.output, arguments.labels)):
        if not path.lower().endswith(IMAGE_SUFFIXES):
            raise InputError(f"{path} is no image file; give one that ends with {', '.join(IMAGE_SUFFIXES)}.")
    for path in filter(None, (arguments.output, arguments.labels, arguments.truth)):
        ensureWritable(Path(path).parent)
    print("Making the phantom", flush=True)
    import SimpleITK as sitk

    from CervicalSpineDetectionLib.Imaging.ImageGeometry import imageGeometry
    from CervicalSpineDetectionLib.Phantom.Phantom import makePhantom
    from CervicalSpineDetectionLib.Results.ResultJson import writeJson
    from CervicalSpineDetectionLib.Spine.Vertebra import DetectionResult

    phantom = makePhantom(arguments.seed, arguments.region, ProgressDisplay("steps"))
    sitk.WriteImage(phantom.ct, arguments.output, useCompression=True)
    if arguments.labels:
        sitk.WriteImage(phantom.labels, arguments.labels, useCompression=True)
    if arguments.truth:
        truth = DetectionResult(phantom.vertebrae, image=imageGeometry(phantom.ct),
                                model={"name": f"phantom {arguments.seed}", "sha256": "0" * 64})
        writeJson(Path(arguments.truth), truth)
    levels = " ".join(vertebra.level for vertebra in phantom.vertebrae)
    print(f"Phantom {arguments.seed} in {arguments.output}: {levels or 'no vertebra from C1 to T4'}")
    return 0
