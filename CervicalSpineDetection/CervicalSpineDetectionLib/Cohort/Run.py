"""A cohort from its scans to tables and page: every scan once, whatever is killed."""

from __future__ import annotations

import csv
import dataclasses
import json
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from CervicalSpineDetectionLib.AtomicFiles import atomicFile, removeUnfinished
from CervicalSpineDetectionLib.Cohort.Doubt import isDoubtful
from CervicalSpineDetectionLib.Cohort.Page import THUMBNAIL_FILE, writePage
from CervicalSpineDetectionLib.Cohort.ResultFolders import FAILED, RESULT_FILE, outcomeOf, process, writeFailure
from CervicalSpineDetectionLib.Cohort.Scans import Scan
from CervicalSpineDetectionLib.Cohort.Schedule import SECONDS_EACH, outcomes
from CervicalSpineDetectionLib.Cohort.Summary import writeSummary
from CervicalSpineDetectionLib.Errors import InputError, isShortOfMemory
from CervicalSpineDetectionLib.ProcessTuning import giveBack, keepVolumes, tuneProcess
from CervicalSpineDetectionLib.ResultFiles import writeFiles
from CervicalSpineDetectionLib.Results.ResultJson import readJson
from CervicalSpineDetectionLib.Results.ResultTable import csvCell
from CervicalSpineDetectionLib.SliceDetector.Detector import SliceDetector
from CervicalSpineDetectionLib.Terminal import ProgressDisplay, quietLibraries

SCANS_FOLDER = "scans"
PAGE = "index.html"
SETTINGS_FILE = "cohort.json"
# What a CT larger than this took is not kept for the ones after it.
KEPT_VOXELS = 1 << 25


def runCohort(scans: Sequence[Scan], root: Path, output: Path, analyse: Callable[..., None], workers: int = 0,
              scheduler: str | None = None, retryFailed: bool = False, secondsEach: float = SECONDS_EACH,
              prepare: Callable[[], Any] | None = None) -> int:
    """Analyse the scans that were not yet, then write tables and page.

    :param scans: list of Scan, found below ``root``.
    :param output: existing folder with a folder ``SCANS_FOLDER``.
    :param analyse: see ``ResultFolders.process``.
    :param workers: see ``Schedule.outcomes``, as are ``scheduler``, ``secondsEach`` and ``prepare``.
    :param retryFailed: look again at scans whose folder holds no result.
    :return: exit status.
    """
    folder = output / SCANS_FOLDER
    removeUnfinished(folder)
    if retryFailed:
        for scan in scans:
            outcome = outcomeOf(scan, folder)
            if outcome and outcome.status == FAILED:
                shutil.rmtree(folder / scan.name)
    _writeSources(output / "sources.csv", scans, root)
    missing = [scan for scan in scans if outcomeOf(scan, folder) is None]
    wanted = sum(not scan.leftOut for scan in scans)
    print(f"{wanted} scans, {wanted - len(missing)} of them done before", flush=True)
    progress, failed = ProgressDisplay("scans", lines=19), 0
    try:
        for done, (scan, outcome) in enumerate(
                outcomes(partial(process, folder=folder, analyse=analyse), missing, workers, scheduler, secondsEach,
                         prepare), 1):
            if isinstance(outcome, Exception):
                writeFailure(scan, folder, str(outcome))
                outcome = outcomeOf(scan, folder)
            failed += outcome.status == FAILED
            progress(f"Detecting ({failed} failed)" if failed else "Detecting", done, len(missing))
        removeUnfinished(folder)  # of workers that died
    except OSError as error:
        if isShortOfMemory(error):
            raise
        raise InputError(f"Results can't be written to {output} ({error.strerror or error}); make room and run the "
                         "same command again.") from error
    finally:
        progress.close()
        found = [outcome for outcome in (outcomeOf(scan, folder) for scan in scans) if outcome]
        _writeOverview(output, found)
    for outcome in found:
        if outcome.status == FAILED:
            print(f"Could not be used: {outcome.name}: {outcome.reason}")
    counts = {status: sum(o.status == status for o in found) for status in dict.fromkeys(o.status for o in found)}
    print(", ".join(f"{count} {status}" for status, count in counts.items()),
          f"Look at: {(output / PAGE).resolve()}", sep=". ")
    print("Research use only, not a medical device.")
    return 0


def analyseScan(scan: Scan, folder: Path, weights: str, device: str, scenes: str, previews: str) -> None:
    """Read, detect, write.

    :param folder: absolute Path.
    :param scenes: "all", "doubtful" or "none": for which results a scene is written. :param previews: likewise.
    """
    from CervicalSpineDetectionLib.Imaging.ReadImage import readImageWithWarnings
    from CervicalSpineDetectionLib.Pipeline import detectVertebrae

    with quietLibraries():
        started = time.perf_counter()
        read = readImageWithWarnings(scan.path)
        seconds = time.perf_counter() - started
        result = detectVertebrae(read.image, detectorOf(weights, device))
        result = dataclasses.replace(result, warnings=list(dict.fromkeys(read.warnings + result.warnings)),
                                     timings={"read": seconds, **result.timings})
        wanted = {"all": True, "doubtful": isDoubtful(result), "none": False}
        writeFiles(folder, result, read.image, scan.name, scene=wanted[scenes], preview=wanted[previews],
                   thumbnail=THUMBNAIL_FILE)
        isLarge = read.image.GetNumberOfPixels() > KEPT_VOXELS
        del read
    if isLarge:
        giveBack()


def prepareProcess(weights: str, device: str) -> None:
    """What is wrong with weights or device is told now, and not of every scan."""
    with quietLibraries():
        detectorOf(weights, device)


@lru_cache(maxsize=1)
def detectorOf(weights: str, device: str) -> SliceDetector:
    """Once a process."""
    tuneProcess()
    keepVolumes()
    from CervicalSpineDetectionLib.SliceDetector.YoloDetector import loadDetector

    return loadDetector(weights, device)


def sameAsBefore(output: Path, settings: Mapping[str, Any]) -> None:
    """:raises InputError: the folder holds results made in another way, which must not be mixed."""
    path = output / SETTINGS_FILE
    before = _settingsOf(path)
    different = [name for name, value in settings.items() if before.get(name, value) != value]
    if not before:
        different = ["weights"] if _weightsOf(output / SCANS_FOLDER) - {settings["weights"]} else []
    if different:
        raise InputError(f"The results in {output} were made with other {' and '.join(different)}; go on with the "
                         "same, or choose another folder.")
    with atomicFile(path) as temporary:
        temporary.write_text(json.dumps(settings, indent=1) + "\n", encoding="utf-8")


def _settingsOf(path: Path) -> dict[str, Any]:
    """Of the run before; empty where there was none, or its file is damaged, as a loss of power leaves it."""
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return settings if isinstance(settings, dict) else {}


def _weightsOf(folder: Path) -> set[str]:
    """SHA-256 of all weights that made the results of a folder."""
    found = set()
    for path in folder.glob(f"*/{RESULT_FILE}"):
        with suppress(InputError):
            found.add(readJson(path).model.get("sha256", ""))
    return found


def _writeSources(path: Path, scans: Sequence[Scan], root: Path) -> None:
    """Which scan is which: for the owner of the data, not to be passed on with the results."""
    with atomicFile(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["scan", "source"])
        writer.writerows([scan.name, csvCell(scan.path.relative_to(root.resolve()).as_posix())] for scan in scans)


def _writeOverview(output: Path, outcomes: Sequence[Any]) -> None:
    writeSummary(output, outcomes)
    writePage(output / PAGE, outcomes, output / SCANS_FOLDER)
