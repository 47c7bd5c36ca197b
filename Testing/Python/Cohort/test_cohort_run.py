"""Cohorts: every scan done once, whatever is killed; bad ones told; the same on one process and on two."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest
import SimpleITK as sitk
from cohortFixtures import (
    analyse,
    analysed,
    cannotPrepare,
    dieAlways,
    dieOnce,
    fillDisk,
    hang,
    madeResult,
    madeScans,
    madeVertebra,
    refuse,
    writeDicom,
)
from pydicom.uid import generate_uid

from CervicalSpineDetectionLib.AtomicFiles import TEMPORARY_PREFIX, newFolder
from CervicalSpineDetectionLib.Cohort import Processes, Schedule
from CervicalSpineDetectionLib.Cohort.ResultFolders import FAILED, outcomeOf, process
from CervicalSpineDetectionLib.Cohort.Run import runCohort, sameAsBefore
from CervicalSpineDetectionLib.Cohort.Scans import Scan
from CervicalSpineDetectionLib.CommandLine.Main import main
from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.FolderLock import lockedFolder
from CervicalSpineDetectionLib.Results.ResultJson import writeJson
from CervicalSpineDetectionLib.SliceDetector.Weights import findWeights
from CervicalSpineDetectionLib.Terminal import ProgressDisplay

COUNT = 6


@pytest.fixture
def scans(tmp_path):
    return madeScans(tmp_path / "in", COUNT)


@pytest.fixture
def output(tmp_path):
    (tmp_path / "out" / "scans").mkdir(parents=True)
    return tmp_path / "out"


def cohort(scans, output, analysis=analyse, **options):
    return runCohort(scans, scans[0].path.parent, output, analysis, **options)


def table(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def statuses(output):
    return {row["scan"]: row["status"] for row in table(output / "scans.csv")}


def assertAllDoneAndWhole(output):
    assert statuses(output) == {f"scan{number:02d}": "done" for number in range(COUNT)}
    assert {path.name for path in (output / "scans").iterdir()} == set(statuses(output))
    for folder in (output / "scans").iterdir():
        assert [path.name for path in folder.iterdir()] == ["vertebrae.json"]
    assert {row["scan"] for row in table(output / "vertebrae.csv")} == set(statuses(output))


def test_eachScanGetsItsFolderAndItsRow(scans, output, capsys):
    assert cohort(scans, output) == 0

    assertAllDoneAndWhole(output)
    assert "6 done" in capsys.readouterr().out
    assert [row["source"] for row in table(output / "sources.csv")] == [scan.path.name for scan in scans]


def test_whatIsDoneIsNotDoneAgain(scans, output, capsys):
    cohort(scans[:4], output)
    before = {path: path.stat().st_mtime_ns for path in (output / "scans").glob("*/*")}

    cohort(scans, output)

    assertAllDoneAndWhole(output)
    assert [name for name, _ in analysed(scans[0].path.parent)] == [scan.name for scan in scans]
    assert all(path.stat().st_mtime_ns == time for path, time in before.items())
    assert "4 of them done before" in capsys.readouterr().out


def test_aScanThatAnotherProcessDidMeanwhileIsNotDoneAgain(scans, output):
    """Dask does a task again where the process that had its result died."""
    for _ in range(2):
        assert process(scans[0], output / "scans", analyse).status == "done"

    assert len(analysed(scans[0].path.parent)) == 1


def killedRun(scans, output):
    code = ("import sys; from pathlib import Path; import cohortFixtures as f; "
            "from CervicalSpineDetectionLib.Cohort.Run import runCohort; "
            f"i, o = map(Path, sys.argv[1:]); runCohort(f.madeScans(i, {COUNT}), i, o, f.dieOnce)")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)])}
    run = subprocess.run([sys.executable, "-c", code, str(scans[0].path.parent), str(output)], env=environment,
                         capture_output=True, text=True)
    assert run.returncode == -signal.SIGKILL, run.stderr


@pytest.mark.shows("Faults", "kill -9 of a cohort run, disk full in it", "scans done stay done; the next run goes on")
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_aKilledRunLeavesNothingHalfWrittenAndTheNextGoesOn(scans, output):
    killedRun(scans, output)

    names = {path.name for path in (output / "scans").iterdir()}
    assert {name for name in names if not name.startswith(TEMPORARY_PREFIX)} == {"scan00", "scan01"}
    assert len(names) == 3  # the half-written one under its temporary name

    cohort(scans, output, dieOnce)

    assertAllDoneAndWhole(output)
    assert sorted(name for name, _ in analysed(scans[0].path.parent)) == sorted(
        [scan.name for scan in scans] + ["scan02"])


def test_aBadScanIsListedWithItsReasonAndTheRestGoesOn(scans, output, capsys):
    def analysis(scan, folder):
        (refuse if scan.name == "scan01" else analyse)(scan, folder)

    assert cohort(scans, output, analysis) == 0

    assert statuses(output) == {scan.name: "failed" if scan.name == "scan01" else "done" for scan in scans}
    assert table(output / "scans.csv")[1]["remarks"] == "The scan is damaged; copy it again."
    assert "Could not be used: scan01: The scan is damaged" in capsys.readouterr().out
    assert "The scan is damaged; copy it again." in (output / "index.html").read_text(encoding="utf-8")


def test_aBugIsToldAndCostsOneScanOnly(scans, output):
    def analysis(scan, folder):
        return 1 / 0 if scan.name == "scan01" else analyse(scan, folder)

    cohort(scans, output, analysis)

    assert list(statuses(output).values()).count("done") == COUNT - 1
    assert "ZeroDivisionError" in table(output / "scans.csv")[1]["remarks"]


def test_aBadScanIsTriedAgainOnlyWhenAsked(scans, output):
    cohort(scans, output, refuse)
    cohort(scans, output)
    assert set(statuses(output).values()) == {"failed"}

    cohort(scans, output, retryFailed=True)
    assertAllDoneAndWhole(output)


@pytest.mark.shows("Faults", "kill -9 of a cohort run, disk full in it")
def test_aFullDiskStopsTheRunAndIsNoFaultOfTheScan(scans, output):
    def analysis(scan, folder):
        if scan.name == "scan03":
            raise OSError(28, "No space left on device")
        analyse(scan, folder)

    with pytest.raises(InputError, match="No space left"):
        cohort(scans, output, analysis)

    assert statuses(output) == {f"scan{number:02d}": "done" for number in range(3)}
    cohort(scans, output)
    assertAllDoneAndWhole(output)


def test_anInterruptedRunHasItsTablesSoFar(scans, output):
    def analysis(scan, folder):
        if scan.name == "scan02":
            raise KeyboardInterrupt
        analyse(scan, folder)

    with pytest.raises(KeyboardInterrupt):
        cohort(scans, output, analysis)

    assert statuses(output) == {"scan00": "done", "scan01": "done"}
    assert {path.name for path in (output / "scans").iterdir()} == {"scan00", "scan01"}


def test_aFolderThatAnotherProcessMadeMeanwhileStays(tmp_path):
    with newFolder(tmp_path / "scan") as folder:
        (folder / "mine.txt").touch()
        (tmp_path / "scan").mkdir()
        (tmp_path / "scan" / "theirs.txt").touch()

    assert [path.name for path in tmp_path.rglob("*.txt")] == ["theirs.txt"]
    assert [path.name for path in tmp_path.iterdir()] == ["scan"]


def test_aResultThatWasTamperedWithIsNotTakenForOne(scans, output):
    cohort(scans, output)
    (output / "scans" / "scan01" / "vertebrae.json").write_text("{}")

    assert outcomeOf(scans[1], output / "scans").status == FAILED


def test_reasonsNameNeitherPathsNorFiles(tmp_path):
    folder = tmp_path / "Doe Jane"
    (scan,) = madeScans(folder, 1)
    (folder / "Doe_Jane_MRN4711.dcm").touch()

    def analysis(scan, folder):
        raise InputError(f"{scan.path} and {scan.path.parent} and Doe_Jane_MRN4711.dcm can't be read.")

    reason = process(scan, tmp_path, analysis).reason
    assert reason == "The scan and its folder and (a file) can't be read."


@pytest.mark.shows("Hostile", "file names with double spaces, line ends or other marks in a reason",
                   "hidden like others")
@pytest.mark.parametrize("name", ["Doe  Jane.nrrd", "Doe \t Jane.nrrd", "Doe\nJane.nrrd", "Doe\x1b[31mJane.nrrd",
                                  "Doe\udce9.nrrd", "Doe\u202eJane.nrrd", " Doe .nrrd"])
def test_namesThatMessagesShowOtherwiseAreHiddenToo(tmp_path, name):
    path = tmp_path / "in" / name
    path.parent.mkdir()
    path.touch()

    def analysis(scan, folder):
        raise InputError(f"{scan.path.name} beside {scan.path} can't be read.")

    outcome = process(Scan("scan", path), tmp_path, analysis)
    assert outcome.reason == "(a file) beside the scan can't be read." and outcome == outcomeOf(
        Scan("scan", path), tmp_path)


@pytest.mark.shows("Hostile", "control characters in names and DICOM values",
                   "shown as escapes on terminals, pages and in tables")
@pytest.mark.parametrize("text", ["\x1b[2J", "\x07", "\x9b31m", "a\x00b", "\u202egnp.exe", "line\r"])
def test_whatATerminalObeysIsShownAndNotObeyed(scans, output, text, capsys):
    def analysis(scan, folder):
        raise InputError(f"The series has modality {text}; give a CT.")

    cohort(scans[:1], output, analysis)
    bad = {character for character in text if not character.isprintable()}

    for shown in (capsys.readouterr().out, *((output / name).read_text(encoding="utf-8") for name in (
            "index.html", "scans.csv"))):
        assert ascii(text)[1:-1] in shown and not bad & set(shown.replace("\r\n", "\n"))


@pytest.mark.parametrize("columns", [["scan", "status", "doubt"], ["scan", "level", "confidence", "centreL_mm"]])
def test_parquetHoldsTheSameAsCsv(scans, output, columns):
    parquet = pytest.importorskip("pyarrow.parquet")
    cohort(scans, output)
    name = "scans" if "status" in columns else "vertebrae"

    rows = parquet.read_table(output / f"{name}.parquet").select(columns).to_pylist()
    assert [[str(value) for value in row.values()] for row in rows] == [
        [row[column] for column in columns] for row in table(output / f"{name}.csv")]


# Several processes


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_twoProcessesOneKilledGiveTheSameAsOne(scans, output, tmp_path):
    alone = tmp_path / "alone"
    (alone / "scans").mkdir(parents=True)
    cohort(scans, alone)
    (tmp_path / "in" / "analysed.txt").unlink()

    cohort(scans, output, dieOnce, workers=2)

    assertAllDoneAndWhole(output)
    for path in (alone / "scans").glob("*/vertebrae.json"):
        assert (output / path.relative_to(alone)).read_bytes() == path.read_bytes()
    calls = analysed(tmp_path / "in")
    assert sorted(name for name, _ in calls) == sorted([scan.name for scan in scans] + ["scan02"])
    # The main process, and so the test, did none of them; the killed one was followed by another.
    assert len({number for _, number in calls} - {str(os.getpid())}) == len({number for _, number in calls}) >= 2


@pytest.mark.shows("Faults", "a CT that kills or holds up its process in a cohort",
                   "it is listed as failed; the rest goes on")
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
@pytest.mark.parametrize("workers", [1, 2])
def test_aScanThatKillsItsProcessIsABadScan(scans, output, workers):
    cohort(scans, output, dieAlways, workers=workers)

    assert statuses(output) == {scan.name: "failed" if scan.name == "scan02" else "done" for scan in scans}
    assert "process" in table(output / "scans.csv")[2]["remarks"]


@pytest.mark.shows("Faults", "a CT that kills or holds up its process in a cohort")
@pytest.mark.parametrize("workers", [1, 2])
def test_aScanThatHangsIsGivenUpAndTheRestGoesOn(scans, output, workers):
    cohort(scans, output, hang, workers=workers, secondsEach=15)

    assert statuses(output) == {scan.name: "failed" if scan.name == "scan02" else "done" for scan in scans}
    assert "Not done after 15 s" in table(output / "scans.csv")[2]["remarks"]
    assert not [path for path in (output / "scans").iterdir() if path.name.startswith(TEMPORARY_PREFIX)]


def test_whatNoProcessCanPrepareStopsTheRun(scans, output):
    with pytest.raises(InputError, match="no weights"):
        cohort(scans, output, workers=2, prepare=cannotPrepare)

    assert list((output / "scans").iterdir()) == []


def test_aProcessThatCannotBeStartedIsNoFaultOfTheDisk(scans, output, monkeypatch):
    def start(process):
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr("multiprocessing.context.SpawnProcess.start", start)
    with pytest.raises(InputError, match="No process can be started.*temporarily unavailable"):
        cohort(scans, output, workers=2)


def test_tooLittleMemoryIsNoFaultOfTheDisk(scans, output):
    def analysis(scan, folder):
        raise OSError(12, "Cannot allocate memory")

    cohort(scans[:1], output, analysis)
    assert "memory is too small" in table(output / "scans.csv")[0]["remarks"]


def test_aFullDiskInAProcessStopsTheRun(scans, output):
    with pytest.raises(InputError, match="No space left"):
        cohort(scans, output, fillDisk, workers=1)

    assert "scan02" not in statuses(output)


RUN_WITH_CHILD = """
import sys, time
from pathlib import Path
import cohortFixtures as f
from CervicalSpineDetectionLib.Cohort.Processes import inProcesses
if __name__ == "__main__":
    for scan, answer in inProcesses(f.tellAndHang, ["scan"], 1, 600):
        pass
"""


@pytest.mark.shows("Hostile", "other users of the computer",
                   "a cohort's processes listen at no port, and end with the run")
def test_noProcessOutlivesARunThatWasKilled(tmp_path):
    script = tmp_path / "run.py"
    script.write_text(RUN_WITH_CHILD)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)])}
    run = subprocess.Popen([sys.executable, str(script)], env=environment, stdout=subprocess.PIPE, text=True)
    child = psutil.Process(int(run.stdout.readline()))

    assert not child.net_connections("inet")  # whoever reaches a port could run code
    run.kill()
    run.wait()

    child.wait(20)


def threadsOfItsProcess(scan):
    return {name: os.environ.get(name) for name in Processes.THREAD_VARIABLES}, (
        sitk.ProcessObject.GetGlobalDefaultNumberOfThreads())


def test_processesShareTheCores(monkeypatch):
    for name in Processes.THREAD_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Processes, "coreCount", lambda: 6)
    monkeypatch.setenv("VTK_SMP_MAX_THREADS", "5")  # what the user set stays

    (_, (variables, itkThreads)), = Schedule.outcomes(threadsOfItsProcess, ["scan"], workers=2)

    assert variables == {**dict.fromkeys(Processes.THREAD_VARIABLES, "3"), "VTK_SMP_MAX_THREADS": "5"}
    assert itkThreads == 3
    assert "OMP_NUM_THREADS" not in os.environ


@pytest.mark.parametrize("workers, threads", [(1, 4), (3, 1), (4, 1), (9, 1)])
def test_everyProcessHasAThread(workers, threads, monkeypatch):
    monkeypatch.setattr(Processes, "coreCount", lambda: 4)
    assert Processes.threadsEach(workers) == threads


@pytest.mark.parametrize(("quota", "cores"), [("150000 100000", 1), ("300000 100000", 3), ("max 100000", 8),
                                              ("9900000 100000", 8), ("", 8)])
def test_aContainersQuotaCounts(quota, cores, monkeypatch, tmp_path):
    (tmp_path / "cpu.max").write_text(quota)
    monkeypatch.setattr(Processes, "CGROUP_QUOTA", tmp_path / "cpu.max")
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(8)), raising=False)

    assert Processes.coreCount() == cores


@pytest.mark.shows("Hostile", "a Dask scheduler without encryption",
                   "a warning that whoever reaches it can run programs")
def test_aSchedulerWithoutEncryptionIsWarnedOf(scans, output, monkeypatch, capsys):
    pytest.importorskip("distributed")
    monkeypatch.setattr("CervicalSpineDetectionLib.Cohort.Schedule.CONNECT_TIMEOUT", "0.2s")

    for address, warned in (("tcp://127.0.0.1:9", True), ("tls://127.0.0.1:9", False)):
        with pytest.raises(InputError, match="No Dask scheduler"):
            cohort(scans, output, scheduler=address)
        assert ("can run programs as you" in capsys.readouterr().err) == warned


# Loss of power, files changed by hand


@pytest.mark.shows("Faults", "loss of power")
@pytest.mark.parametrize("content", ["", "[]", "{}", '{"reason": 3}', "\0\0\0", "[" * 100_000])
def test_aDamagedReasonBlocksNothing(scans, output, content):
    cohort(scans, output, refuse)
    (output / "scans" / "scan01" / "failure.json").write_text(content)

    cohort(scans, output)
    assert "--retry-failed" in table(output / "scans.csv")[1]["remarks"]
    (output / "scans" / "scan02" / "failure.json").unlink()  # a folder with nothing in it

    cohort(scans, output, retryFailed=True)
    assertAllDoneAndWhole(output)


@pytest.mark.shows("Faults", "loss of power")
@pytest.mark.parametrize("content", ["", "[]", '{"weights', "[" * 100_000])
def test_damagedSettingsAreThoseOfTheResults(scans, output, content):
    cohort(scans, output)
    (output / "cohort.json").write_text(content)

    with pytest.raises(InputError, match="other weights"):
        sameAsBefore(output, {"weights": "1" * 64})
    sameAsBefore(output, {"weights": "0" * 64})
    assert json.loads((output / "cohort.json").read_text()) == {"weights": "0" * 64}


# The command


@pytest.fixture
def command(tmp_path, monkeypatch):
    """``cervical-spine cohort`` with a detector that finds one vertebra, and without pictures and scenes."""
    monkeypatch.setattr("CervicalSpineDetectionLib.Cohort.Run.detectorOf", lambda weights, device: "detector")
    monkeypatch.setattr("CervicalSpineDetectionLib.Pipeline.detectVertebrae",
                        lambda image, detector: madeResult(madeVertebra()))

    # Children would not know these stand-ins.
    monkeypatch.setattr("CervicalSpineDetectionLib.Cohort.Schedule.inProcesses",
                        lambda task, scans, *_: ((scan, task(scan)) for scan in scans))

    def run(*options):
        return main(["cohort", str(tmp_path / "in"), "--output", str(tmp_path / "out"), "--no-previews",
                     "--no-scenes", *options])

    return run


@pytest.mark.parametrize(("which", "written"), [("all", {"sure", "doubtful"}), ("doubtful", {"doubtful"}),
                                                ("none", set())])
def test_scenesAndPreviewsAreWrittenByDemand(command, tmp_path, monkeypatch, which, written):
    """Of a CT with a vertebra of confidence 0.95, and of one of confidence 0.4."""
    made, asked = {10: madeResult(madeVertebra()), 12: madeResult(madeVertebra(confidence=0.4))}, {}
    monkeypatch.setattr("CervicalSpineDetectionLib.Pipeline.detectVertebrae",
                        lambda image, detector: made[image.GetSize()[0]])
    monkeypatch.setattr(
        "CervicalSpineDetectionLib.Cohort.Run.writeFiles",
        lambda folder, result, image, name, scene, preview: (
            asked.__setitem__(name.split("-")[0], (scene, preview)), writeJson(folder / "vertebrae.json", result)))
    writeCt(tmp_path / "in" / "sure.nrrd")
    writeCt(tmp_path / "in" / "doubtful.nrrd", 12)

    assert command("--scenes", which, "--previews", "doubtful") == 0

    assert {name for name, (scene, _) in asked.items() if scene} == written
    assert {name for name, (_, preview) in asked.items() if preview} == {"doubtful"}


def writeCt(path, side=10):
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(sitk.GetImageFromArray(np.arange(side**3, dtype=np.int16).reshape(3 * [side])), str(path))


def test_theCommandRunsATreeOfDicomAndFiles(command, tmp_path):
    writeCt(tmp_path / "in" / "neck.nrrd")
    series = generate_uid()
    for number in range(4):
        writeDicom(tmp_path / "in" / "Doe_Jane" / f"Doe{number}.dcm", series, number,
                   PixelData=np.arange(number, number + 16, dtype=np.int16).tobytes())
    writeDicom(tmp_path / "in" / "Doe_Jane" / "plan.dcm", generate_uid(), Modality="RTPLAN")
    (tmp_path / "in" / "bad.mha").write_text("no image")

    assert command() == 0

    assert sorted(statuses(tmp_path / "out").values()) == ["done", "done", "failed", "left out"]
    files = {path.name for path in (tmp_path / "out" / "scans").glob("neck-*/*")}
    assert files == {"vertebrae.json", "vertebrae.csv", "vertebrae.mrk.json"}
    # Identifiers, names and places are in sources.csv alone.
    for path in (path for path in (tmp_path / "out").rglob("*") if path.is_file() and path.name != "sources.csv"):
        content = path.read_bytes()
        for identifier in ("Doe", "Jane", "MRN4711", series, str(tmp_path)):
            assert identifier.encode() not in content, path
    assert "Doe_Jane/Doe0.dcm" in (tmp_path / "out" / "sources.csv").read_text(encoding="utf-8")


@pytest.mark.shows("Mended", "a file name that is no text in `cohort`", "it alone fails, with the reason")
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere file names are always text")
def test_aLatin1FileNameCostsNothingElse(command, tmp_path):
    writeCt(tmp_path / "in" / "neck.nrrd")
    latin = os.fsdecode("Müller.nrrd".encode("latin-1"))
    (tmp_path / "in" / latin).write_bytes((tmp_path / "in" / "neck.nrrd").read_bytes())

    assert command() == 0

    assert statuses(tmp_path / "out").keys() == {path.name for path in (tmp_path / "out" / "scans").iterdir()}
    assert "done" in statuses(tmp_path / "out").values()
    assert "M\\udcfcller.nrrd" in (tmp_path / "out" / "sources.csv").read_text(encoding="utf-8")


def test_resultsOfTwoKindsAreNotMixed(command, tmp_path, capsys):
    writeCt(tmp_path / "in" / "neck.nrrd")
    weights = findWeights()
    for suffix in (".safetensors", ".json"):
        (tmp_path / f"other{suffix}").write_bytes(weights.with_suffix(suffix).read_bytes())
    card = tmp_path / "other.json"
    card.write_text(card.read_text(encoding="utf-8").replace('"sha256": "', '"sha256": "00'), encoding="utf-8")
    command()

    assert command("--weights", str(tmp_path / "other.safetensors")) == 2
    assert "other weights" in capsys.readouterr().err


def test_twoRunsAtATimeAreNot(command, tmp_path, capsys):
    writeCt(tmp_path / "in" / "neck.nrrd")
    (tmp_path / "out").mkdir()
    with lockedFolder(tmp_path / "out"):
        assert command() == 2
    assert f"Another run writes to {tmp_path / 'out'} (process {os.getpid()}" in capsys.readouterr().err
    assert command() == 0


def test_anAddressWithoutASchedulerIsTold(scans, output, monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr("CervicalSpineDetectionLib.Cohort.Schedule.CONNECT_TIMEOUT", "0.2s")

    with pytest.raises(InputError, match="No Dask scheduler answers at tcp://127.0.0.1:9"):
        cohort(scans, output, scheduler="tcp://127.0.0.1:9")


@pytest.mark.parametrize("options", [["--workers", "0"], ["--workers", "-2"], ["--weights", "none"]])
def test_badOptionsAreOneLine(command, tmp_path, capsys, options):
    writeCt(tmp_path / "in" / "neck.nrrd")

    assert command(*options) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_aTreeWithoutACtIsTold(command, tmp_path, capsys):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "letter.txt").write_text("no CT")

    assert command() == 2
    assert "No CT was found" in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_elsewhereTheProgressIsNoMoreThanTwentyLines():
    stream = io.StringIO()
    progress = ProgressDisplay("scans", stream, lines=19)
    for done in range(1, 401):
        progress("1 failed", done, 400)

    lines = stream.getvalue().splitlines()
    assert len(lines) <= 20 and lines[-1].startswith("1 failed: 400 of 400 scans")
