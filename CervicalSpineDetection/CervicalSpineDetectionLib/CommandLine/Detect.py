"""Detect the cervical vertebrae of a CT and write boxes, centres, a Slicer scene and a preview."""

import json
import time
from pathlib import Path

from CervicalSpineDetectionLib.CommandLine.Progress import ProgressLine
from CervicalSpineDetectionLib.Files.AtomicFolder import atomicFolder, ensureWritable

NOTHING_FOUND = 3


def addArguments(parser):
    parser.add_argument("input", help="DICOM folder, one DICOM file of a series, NRRD, NIfTI or MetaImage file")
    parser.add_argument("--output", required=True, metavar="DIR", help="folder for the results")
    parser.add_argument("--weights", help="a .safetensors file, or the name of shipped weights")
    parser.add_argument("--device", default="auto", help="auto (the GPU if there is one), cuda, mps or cpu")
    parser.add_argument("--batch", type=int, default=32, metavar="N", help="slices at a time (default 32)")
    parser.add_argument("--axis-aligned", action="store_true", help="boxes along the patient axes in the scene")
    parser.add_argument("--no-scene", action="store_true", help="write no scene.mrb")
    parser.add_argument("--no-preview", action="store_true", help="write no preview.png")


def run(arguments):
    from CervicalSpineDetectionLib.Files.ReadImage import readImage

    started = time.perf_counter()
    output = Path(arguments.output)
    image = readImage(arguments.input)
    ensureWritable(output)
    read = time.perf_counter() - started
    result = detect(image, arguments)
    result.timings["read"] = round(read, 3)
    written, notes = write(output, image, result, arguments)
    print(table(result))
    for warning in [*result.warnings, *notes]:
        print(f"Note: {warning}")
    print(f"{time.perf_counter() - started:.1f} s in all; results in {output}: {', '.join(written)}")
    print("Research use only, not a medical device.")
    return 0 if result.vertebrae else NOTHING_FOUND


def detect(image, arguments):
    """DetectionResult of an image; torch is imported here and no sooner."""
    from CervicalSpineDetectionLib.Detection.Pipeline import detectVertebrae
    from CervicalSpineDetectionLib.Detection.YoloDetector import loadDetector

    detector = loadDetector(arguments.weights, arguments.device, arguments.batch)
    return detectVertebrae(image, detector, ProgressLine())


def write(output, image, result, arguments):
    """Write all result files at once.

    :return: (names of the files, notes for the user).
    """
    from CervicalSpineDetectionLib.Files.ResultCsv import toCsv
    from CervicalSpineDetectionLib.Files.ResultJson import toJson

    notes = []
    with atomicFolder(output) as folder:
        (folder / "vertebrae.json").write_text(json.dumps(toJson(result), indent=1) + "\n", encoding="utf-8")
        (folder / "vertebrae.csv").write_text(toCsv(result), encoding="utf-8")
        try:
            import slicer  # noqa: F401
        except ImportError:
            notes.append("scene.mrb, vertebrae.mrk.json and preview.png need slicer-core: pip install slicer-core")
        else:
            _writeScene(folder, image, result, arguments)
        return sorted(file.name for file in folder.iterdir()), notes


def _writeScene(folder, image, result, arguments):
    from CervicalSpineDetectionLib.Scene.Preview import writePreview
    from CervicalSpineDetectionLib.Scene.SceneFiles import writeMarkups, writeScene

    writeMarkups(folder / "vertebrae.mrk.json", result)
    if not arguments.no_scene:
        writeScene(folder / "scene.mrb", image, result, "CT", oriented=not arguments.axis_aligned)
    if not arguments.no_preview:
        writePreview(folder / "preview.png", image, result)


def table(result):
    """One line a level, for people."""
    if not result.vertebrae:
        return "No cervical vertebra was found."
    lines = ["Level  Confidence  Centre LPS (mm)           Size (mm)       Remarks"]
    for vertebra in result.vertebrae:
        centre = " ".join(f"{value:8.1f}" for value in vertebra.centre)
        size = " ".join(f"{value:4.0f}" for value in vertebra.bounds.size)
        remark = "; ".join(remarks(vertebra))
        lines.append(f"{vertebra.level:<6} {vertebra.confidence:10.2f}  {centre}  {size}  {remark}".rstrip())
    return "\n".join(lines)


def remarks(vertebra):
    """Why a vertebra is to be looked at; empty for a sure one."""
    return [text for doubtful, text in (
        (vertebra.inferred, "not seen, placed between its neighbours"),
        (not vertebra.complete, "cut by the image edge"),
        (vertebra.confidence < 0.5, "level uncertain"),
    ) if doubtful]
