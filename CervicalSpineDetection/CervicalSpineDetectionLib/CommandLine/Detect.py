"""Detect the cervical vertebrae of a CT and write boxes, centers, a Slicer scene and a preview."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import TYPE_CHECKING

from CervicalSpineDetectionLib.AtomicFiles import atomicFolder, ensureWritable
from CervicalSpineDetectionLib.CommandLine.SharedOptions import detectorOptions, jsonOption, positive, precisionOption
from CervicalSpineDetectionLib.Errors import InputError, isShortOfMemory
from CervicalSpineDetectionLib.FolderLock import lockedFolder
from CervicalSpineDetectionLib.Terminal import ProgressDisplay, quietLibraries

if TYPE_CHECKING:
    import SimpleITK as sitk

    from CervicalSpineDetectionLib.Imaging.ReadImage import ReadResult
    from CervicalSpineDetectionLib.Scene.SceneProcess import SceneProcess
    from CervicalSpineDetectionLib.SliceDetector.YoloDetector import YoloDetector
    from CervicalSpineDetectionLib.Spine.Vertebra import DetectionResult

NOTHING_FOUND = 3
# On two cores 800 MB were too few for a CT of 1 MB; what is between is told where memory runs out.
LEAST_MEMORY = 700 << 20
# Missing or unreadable files, headers that contradict each other and too few slices are found in less.
TOLD_SOON_SECONDS = 0.3

PARENTS = (detectorOptions, precisionOption, jsonOption)

EXAMPLES = """
cervical-spine detect neck.nii.gz -o output/neck
cervical-spine detect DICOM_FOLDER -o output/neck --device cpu --no-scene
cervical-spine detect neck.nii.gz -o output/neck --json > neck.json
"""


def addArguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("input", metavar="INPUT",
                        help="DICOM folder, one DICOM file of a series, NRRD, NIfTI or MetaImage file")
    parser.add_argument("-o", "--output", required=True, metavar="DIR", help="folder for the results")
    parser.add_argument("--batch", type=positive, default=16, metavar="N", help="slices at a time (default 16)")
    parser.add_argument("--axis-aligned", action="store_true", help="boxes along the patient axes in scene and table")
    parser.add_argument("--no-scene", action="store_true", help="write no scene.mrb")
    parser.add_argument("--no-preview", action="store_true", help="write no preview.png")
    parser.epilog = "Exit status: 0 with a result, 2 for input that can't be used, 3 when no vertebra was found."


def run(arguments: argparse.Namespace) -> int:
    """:return: exit status. :raises InputError: input, weights, device or output folder can't be used."""
    started = time.perf_counter()
    from CervicalSpineDetectionLib.Scene.SceneProcess import SceneProcess

    with SceneProcess() as sceneProcess:
        return _run(arguments, sceneProcess, started)


def _run(arguments: argparse.Namespace, sceneProcess: SceneProcess, started: float) -> int:
    from CervicalSpineDetectionLib.SliceDetector.Weights import findWeights

    findWeights(arguments.weights)
    print("Reading", arguments.input, flush=True)
    try:
        with quietLibraries():
            read, detector = readCt(arguments.input, lambda: loadNetwork(arguments))
            ensureWritable(arguments.output)
        readSeconds = time.perf_counter() - started
        with lockedFolder(arguments.output):
            if not arguments.no_scene:
                sceneProcess.packCt(read.image, arguments.output)
            result = detect(read.image, arguments, detector)
            result = dataclasses.replace(result, warnings=list(dict.fromkeys(read.warnings + result.warnings)),
                                         timings={"read": readSeconds, **result.timings})
            print("Writing the results", flush=True)
            writing = time.perf_counter()
            notes = write(result, read.image, arguments, sceneProcess)
            writeSeconds = time.perf_counter() - writing
    except Exception as error:
        if isinstance(error, InputError) or not isShortOfMemory(error):
            raise
        raise InputError("The memory is too small for this CT; close other programs, or cut the CT to the "
                         "neck.") from None

    print("", *table(result, arguments.axis_aligned), "", sep="\n")
    for sentence in result.warnings + notes:
        print("Note:", sentence)
    timings = {**result.timings, "write": writeSeconds}
    steps = ", ".join(f"{step} {seconds:.1f}" for step, seconds in timings.items())
    print(f"Seconds: {time.perf_counter() - started:.1f} in all, imports included ({steps})")
    print("Results:", Path(arguments.output).resolve())
    print("Research use only, not a medical device.")
    return 0 if result.vertebrae else NOTHING_FOUND


def jsonFile(arguments: argparse.Namespace) -> Path:
    """What --json prints."""
    return Path(arguments.output) / "vertebrae.json"


def readCt(path: str | Path, load: Callable[[], YoloDetector]) -> tuple[ReadResult, YoloDetector | None]:
    """Read, and load the network beside it, but no sooner than most bad input is told.

    :param load: called without arguments, gives the detector.
    :return: (ReadResult, detector or None where it is not loaded yet).
    :raises InputError: see ``ReadImage.readImageWithWarnings``.
    """
    from CervicalSpineDetectionLib.Imaging.ReadImage import readImageWithWarnings

    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(readImageWithWarnings, path)
        detector = None
        if not wait([reading], TOLD_SOON_SECONDS).done:
            # What is wrong with it is told when it is loaded again.
            with contextlib.suppress(Exception):
                detector = load()
        return reading.result(), detector


def loadNetwork(arguments: argparse.Namespace) -> YoloDetector:
    """The detector that is asked for, and what else a detection imports."""
    from CervicalSpineDetectionLib import Pipeline  # noqa: F401
    from CervicalSpineDetectionLib.SliceDetector.YoloDetector import loadDetector

    return loadDetector(arguments.weights, arguments.device, arguments.batch, precision=arguments.precision,
                        forOneCt=True)


def detect(image: sitk.Image, arguments: argparse.Namespace, detector: YoloDetector | None = None) -> DetectionResult:
    """DetectionResult of an image. :param detector: None for one that is yet to be loaded."""
    if detector is None:
        print("Loading the network", flush=True)
        with quietLibraries():
            detector = loadNetwork(arguments)
    from CervicalSpineDetectionLib.Pipeline import detectVertebrae

    return detectVertebrae(image, detector, ProgressDisplay("slices"))


def write(result: DetectionResult, image: sitk.Image, arguments: argparse.Namespace,
          sceneProcess: SceneProcess | None = None) -> list[str]:
    """Write all result files at once.

    :return: notes for the user.
    """
    from CervicalSpineDetectionLib.ResultFiles import RESULT_FILES, writeFiles

    try:
        with atomicFolder(arguments.output, RESULT_FILES, locked=True) as folder:
            # Not named after the input, whose file or folder often bears the patient's name.
            return writeFiles(folder, result, image, "CT", not arguments.axis_aligned, not arguments.no_scene,
                              not arguments.no_preview, sceneProcess)
    except OSError as error:
        if isShortOfMemory(error):
            raise
        raise InputError(f"Results can't be written to {arguments.output} ({error.strerror or error}); "
                         "make room or choose another folder.") from error


def table(result: DetectionResult, axisAligned: bool = False) -> list[str]:
    """Lines for people, one a level.

    :param axisAligned: sizes along the patient axes, else along the curve of the spine.
    """
    if not result.vertebrae:
        return ["No cervical vertebra was found."]
    lines = [f"{'Level':5}  {'Confidence':>10}  {'Center L, P, S (mm)':>24}  {'Size (mm)':>14}  Remarks"]
    for vertebra in result.vertebrae:
        box = vertebra.bounds if axisAligned else vertebra.orientedBox
        centre = " ".join(f"{value:7.1f}" for value in vertebra.centre)
        size = " x ".join(f"{value:.0f}" for value in box.size)
        line = f"{vertebra.level:5}  {vertebra.confidence:10.2f}  {centre:>24}  {size:>14}  {vertebra.remark}"
        lines.append(line.rstrip())
    return lines
