"""Detect the cervical vertebrae of all CTs of a folder tree; run again to go on after a stop."""

import csv
import hashlib
import json
import shutil
import sys
import time
from functools import lru_cache, partial
from pathlib import Path

from CervicalSpineDetectionLib.AtomicFiles import atomicFile, ensureWritable, removeUnfinished
from CervicalSpineDetectionLib.CommandLine.Graphics import canDraw
from CervicalSpineDetectionLib.CommandLine.Quiet import quietLibraries
from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.ProcessTuning import tuneProcess

SCANS_FOLDER = "scans"
PAGE = "index.html"
BAR_WIDTH = 24


def addArguments(parser):
    parser.add_argument("input", metavar="DIR", help="folder tree with DICOM series, NRRD, NIfTI or MetaImage files")
    parser.add_argument("--output", required=True, metavar="DIR", help="folder for the results; scans done stay done")
    parser.add_argument("--pattern", default="*", metavar="GLOB",
                        help='names of the image files, e.g. "*_ct.nii.gz" (DICOM is found whatever its name)')
    parser.add_argument("--weights", metavar="FILE_OR_NAME", help="a .safetensors file, or the name of weights")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda", "mps"), default="auto",
                        help="auto: the GPU if there is one")
    parser.add_argument("--workers", type=int, default=1, metavar="N",
                        help="processes on this computer (default 1), each with its own network in memory")
    parser.add_argument("--scheduler", metavar="ADDRESS",
                        help="Dask scheduler, e.g. tcp://host:8786, whose workers see the same folders")
    parser.add_argument("--no-scenes", action="store_true", help="write no scene.mrb, each of which holds its CT")
    parser.add_argument("--no-previews", action="store_true", help="write no preview pictures")
    parser.add_argument("--retry-failed", action="store_true", help="look again at scans that could not be used")
    parser.epilog = (f"DIR/{PAGE} shows all results, the most doubtful first; scans.csv and vertebrae.csv hold them as "
                     "tables. These and the scans' folders name no DICOM patient, file or folder; sources.csv tells "
                     "which scan is which. Exit status: 0, or 2 for input that can't be used.")


def run(arguments):
    """:return: exit status. :raises InputError: no scan, or folder, weights, device or scheduler can't be used."""
    from filelock import FileLock, Timeout

    from CervicalSpineDetectionLib.Cohort.Scans import findScans
    from CervicalSpineDetectionLib.SliceDetector.Weights import findWeights, readCard

    root, output = Path(arguments.input), Path(arguments.output).absolute()
    if not root.is_dir():
        raise InputError(f"{root} is no folder; give the folder tree with the CTs.")
    if arguments.workers < 1:
        raise InputError("--workers takes a number of 1 or more.")
    weights = findWeights(arguments.weights)
    scans = findScans(root, arguments.pattern, without=output)
    if all(scan.leftOut for scan in scans):
        raise InputError(f"No CT was found in {root}; give a folder tree with DICOM, NRRD, NIfTI or MetaImage files.")
    folder = output / SCANS_FOLDER
    ensureWritable(folder)
    if not arguments.no_previews and not canDraw():
        raise InputError("The previews need OpenGL, which this computer lacks; install Mesa (libegl1 and "
                         "libgl1-mesa-dri on Debian and Ubuntu), or use --no-previews.")
    try:
        with FileLock(output / ".lock", timeout=0):
            _sameAsBefore(output, {
                "input": hashlib.sha256(str(root.resolve()).encode()).hexdigest(),
                "weights": readCard(weights)["sha256"],
                "scenes": not arguments.no_scenes, "previews": not arguments.no_previews,
            })
            analyse = partial(analyseScan, weights=str(weights.resolve()), device=arguments.device,
                              scene=not arguments.no_scenes, preview=not arguments.no_previews)
            if not arguments.scheduler:
                # What is wrong with them is told now, and not of every scan.
                with quietLibraries():
                    _detector(str(weights.resolve()), arguments.device)
            return runCohort(scans, root, output, analyse, arguments.workers, arguments.scheduler,
                             arguments.retry_failed)
    except Timeout:
        raise InputError(f"Another run writes to {output}; wait for it, or stop it.") from None


def runCohort(scans, root, output, analyse, workers=1, scheduler=None, retryFailed=False):
    """Analyse the scans that were not yet, then write tables and page.

    :param scans: list of Scan, found below ``root``.
    :param output: existing folder with a folder ``SCANS_FOLDER``.
    :param analyse: see ``ResultFolders.process``.
    :return: exit status.
    """
    from CervicalSpineDetectionLib.Cohort.ResultFolders import FAILED, FAILURE_FILE, outcomeOf, process, writeFailure
    from CervicalSpineDetectionLib.Cohort.Schedule import outcomes

    folder = output / SCANS_FOLDER
    removeUnfinished(folder)
    if retryFailed:
        for failure in folder.glob(f"*/{FAILURE_FILE}"):
            shutil.rmtree(failure.parent)
    _writeSources(output / "sources.csv", scans, root)
    missing = [scan for scan in scans if outcomeOf(scan, folder) is None]
    wanted = sum(not scan.leftOut for scan in scans)
    print(f"{wanted} scans, {wanted - len(missing)} of them done before", flush=True)
    bar = CohortBar(len(missing))
    try:
        for scan, outcome in outcomes(partial(process, folder=folder, analyse=analyse), missing, workers, scheduler):
            if isinstance(outcome, Exception):
                writeFailure(scan, folder, str(outcome))
                outcome = outcomeOf(scan, folder)
            bar(outcome.status == FAILED)
        removeUnfinished(folder)  # of workers that died
    except OSError as error:
        raise InputError(f"Results can't be written to {output} ({error.strerror or error}); make room and run the "
                         "same command again.") from error
    finally:
        bar.close()
        found = [outcome for outcome in (outcomeOf(scan, folder) for scan in scans) if outcome]
        _writeOverview(output, found)
    for outcome in found:
        if outcome.status == FAILED:
            print(f"Could not be used: {outcome.name}: {outcome.reason}")
    counts = {status: sum(o.status == status for o in found) for status in dict.fromkeys(o.status for o in found)}
    print(", ".join(f"{count} {status}" for status, count in counts.items()) + f". Look at: {output / PAGE}")
    print("Research use only, not a medical device.")
    return 0


def analyseScan(scan, folder, weights, device, scene, preview):
    """Read, detect, write. :param folder: absolute Path."""
    import dataclasses

    from CervicalSpineDetectionLib.Cohort.Page import writeThumbnail
    from CervicalSpineDetectionLib.CommandLine.Detect import writeFiles
    from CervicalSpineDetectionLib.Imaging.ReadImage import readImageWithWarnings
    from CervicalSpineDetectionLib.Pipeline import detectVertebrae

    with quietLibraries():
        started = time.perf_counter()
        read = readImageWithWarnings(scan.path)
        seconds = time.perf_counter() - started
        result = detectVertebrae(read.image, _detector(weights, device))
        result = dataclasses.replace(result, warnings=list(dict.fromkeys(read.warnings + result.warnings)),
                                     timings={"read": seconds, **result.timings})
        writeFiles(folder, result, read.image, scan.name, scene=scene, preview=preview)
        writeThumbnail(folder)


@lru_cache(maxsize=1)
def _detector(weights, device):
    """Once a process."""
    tuneProcess()
    from CervicalSpineDetectionLib.SliceDetector.YoloDetector import loadDetector

    return loadDetector(weights, device)


def _sameAsBefore(output, settings):
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


def _writeSources(path, scans, root):
    """Which scan is which: for the owner of the data, not to be passed on with the results."""
    from CervicalSpineDetectionLib.Results.ResultCsv import csvCell

    with atomicFile(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["scan", "source"])
        writer.writerows([scan.name, csvCell(scan.path.relative_to(root.resolve()).as_posix())] for scan in scans)


def _writeOverview(output, outcomes):
    from CervicalSpineDetectionLib.Cohort.Page import writePage
    from CervicalSpineDetectionLib.Cohort.Summary import writeSummary

    writeSummary(output, outcomes)
    writePage(output / PAGE, outcomes, output / SCANS_FOLDER)


class CohortBar:
    """Progress of a cohort: on a terminal one line that renews itself, elsewhere a line now and then.

    :param total: scans to do.
    :param stream: where to write.
    """

    def __init__(self, total, stream=None):
        self._stream = stream or sys.stdout
        self._total = total
        self._done = self._failed = 0
        self._started = time.perf_counter()

    def __call__(self, failed):
        """One more scan is done."""
        self._done += 1
        self._failed += failed
        minutes = (time.perf_counter() - self._started) / 60
        left = minutes / self._done * (self._total - self._done)
        text = (f"{self._done} of {self._total} scans, {self._failed} failed, {self._done / minutes:.1f} a minute, "
                f"{left:.0f} min left")
        if self._stream.isatty():
            filled = BAR_WIDTH * self._done // self._total
            self._stream.write(f"\r[{'#' * filled:-<{BAR_WIDTH}}] {text:<70}")
        elif self._done % max(1, self._total // 20) == 0:
            self._stream.write(text + "\n")
        self._stream.flush()

    def close(self):
        """End the line."""
        if self._stream.isatty() and self._done:
            self._stream.write("\n")
