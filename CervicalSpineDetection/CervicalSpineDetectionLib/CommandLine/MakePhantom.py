"""Make a random CT of the neck, or of another region, with known vertebrae (a phantom)."""

from pathlib import Path

from CervicalSpineDetectionLib.AtomicFiles import ensureWritable
from CervicalSpineDetectionLib.CommandLine.SharedOptions import REGIONS


def addArguments(parser):
    parser.add_argument("--output", required=True, metavar="FILE", help="image file, e.g. ct.nii.gz")
    parser.add_argument("--seed", type=int, default=17, help="the same number gives the same phantom")
    parser.add_argument("--region", default="neck", choices=REGIONS,
                        help="part of the body; chest, abdomen and pelvis show no cervical vertebra")
    parser.add_argument("--labels", metavar="FILE",
                        help="also write the label map (1 to 7: C1 to C7, 8 to 19: T1 to T12, 20 to 24: L1 to L5)")
    parser.add_argument("--truth", metavar="FILE", help="also write the true boxes as JSON")


def run(arguments):
    ensureWritable(Path(arguments.output).parent)
    import SimpleITK as sitk

    from CervicalSpineDetectionLib.Phantom.Phantom import makePhantom
    from CervicalSpineDetectionLib.Pipeline import imageGeometry
    from CervicalSpineDetectionLib.Results.ResultJson import writeJson
    from CervicalSpineDetectionLib.Spine.Vertebra import DetectionResult

    phantom = makePhantom(arguments.seed, arguments.region)
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
