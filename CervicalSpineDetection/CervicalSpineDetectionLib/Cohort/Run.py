"""A cohort from its scans to tables and page: every scan once, whatever is killed."""

from __future__ import annotations

import csv
import dataclasses
import json
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from CervicalSpineDetectionLib.AtomicFiles import atomicFile, removeUnfinished
from CervicalSpineDetectionLib.Cohort.Page import writePage, writeThumbnail
from CervicalSpineDetectionLib.Cohort.ResultFolders import FAILED, FAILURE_FILE, outcomeOf, process, writeFailure
from CervicalSpineDetectionLib.Cohort.Scans import Scan
from CervicalSpineDetectionLib.Cohort.Schedule import outcomes
from CervicalSpineDetectionLib.Cohort.Summary import writeSummary
from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.ProcessTuning import tuneProcess
from CervicalSpineDetectionLib.ResultFiles import writeFiles
from CervicalSpineDetectionLib.Results.ResultCsv import csvCell
from CervicalSpineDetectionLib.SliceDetector.Detector import SliceDetector
from CervicalSpineDetectionLib.Terminal import ProgressDisplay, quietLibraries

SCANS_FOLDER = "scans"
PAGE = "index.html"


def runCohort(scans: Sequence[Scan], root: Path, output: Path, analyse: Callable[..., None], workers: int = 1,
              scheduler: str | None = None, retryFailed: bool = False) -> int:
    """Analyse the scans that were not yet, then write tables and page.

    :param scans: list of Scan, found below ``root``.
    :param output: existing folder with a folder ``SCANS_FOLDER``.
    :param analyse: see ``ResultFolders.process``.
    :return: exit status.
    """
    folder = output / SCANS_FOLDER
    removeUnfinished(folder)
    if retryFailed:
        for failure in folder.glob(f"*/{FAILURE_FILE}"):
            shutil.rmtree(failure.parent)
    _writeSources(output / "sources.csv", scans, root)
    missing = [scan for scan in scans if outcomeOf(scan, folder) is None]
    wanted = sum(not scan.leftOut for scan in scans)
    print(f"{wanted} scans, {wanted - len(missing)} of them done before", flush=True)
    progress, failed = ProgressDisplay("scans", lines=19), 0
    try:
        for done, (scan, outcome) in enumerate(
                outcomes(partial(process, folder=folder, analyse=analyse), missing, workers, scheduler), 1):
            if isinstance(outcome, Exception):
                writeFailure(scan, folder, str(outcome))
                outcome = outcomeOf(scan, folder)
            failed += outcome.status == FAILED
            progress(f"{failed} failed", done, len(missing))
        removeUnfinished(folder)  # of workers that died
    except OSError as error:
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
    print(", ".join(f"{count} {status}" for status, count in counts.items()) + f". Look at: {output / PAGE}")
    print("Research use only, not a medical device.")
    return 0


def analyseScan(scan: Scan, folder: Path, weights: str, device: str, scene: bool, preview: bool) -> None:
    """Read, detect, write. :param folder: absolute Path."""
    from CervicalSpineDetectionLib.Imaging.ReadImage import readImageWithWarnings
    from CervicalSpineDetectionLib.Pipeline import detectVertebrae

    with quietLibraries():
        started = time.perf_counter()
        read = readImageWithWarnings(scan.path)
        seconds = time.perf_counter() - started
        result = detectVertebrae(read.image, detectorOf(weights, device))
        result = dataclasses.replace(result, warnings=list(dict.fromkeys(read.warnings + result.warnings)),
                                     timings={"read": seconds, **result.timings})
        writeFiles(folder, result, read.image, scan.name, scene=scene, preview=preview)
        writeThumbnail(folder)


@lru_cache(maxsize=1)
def detectorOf(weights: str, device: str) -> SliceDetector:
    """Once a process."""
    tuneProcess()
    from CervicalSpineDetectionLib.SliceDetector.YoloDetector import loadDetector

    return loadDetector(weights, device)


def sameAsBefore(output: Path, settings: Mapping[str, Any]) -> None:
    """:raises InputError: the folder holds results made in another way, which must not be mixed."""
    path = output / "cohort.json"
    if path.is_file():
        before = json.loads(path.read_text(encoding="utf-8"))
        different = [name for name, value in settings.items() if before.get(name) != value]
        if different:
            raise InputError(f"The results in {output} were made with other {' and '.join(different)}; go on with the "
                             "same, or choose another folder.")
    with atomicFile(path) as temporary:
        temporary.write_text(json.dumps(settings, indent=1) + "\n", encoding="utf-8")


def _writeSources(path: Path, scans: Sequence[Scan], root: Path) -> None:
    """Which scan is which: for the owner of the data, not to be passed on with the results."""
    with atomicFile(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["scan", "source"])
        writer.writerows([scan.name, csvCell(scan.path.relative_to(root.resolve()).as_posix())] for scan in scans)


def _writeOverview(output: Path, outcomes: Sequence[Any]) -> None:

    writeSummary(output, outcomes)
    writePage(output / PAGE, outcomes, output / SCANS_FOLDER)
