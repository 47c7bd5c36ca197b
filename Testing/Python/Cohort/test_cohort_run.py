"""Cohorts: every scan done once, whatever is killed or damaged; bad ones told."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from cohortFixtures import (
    COUNT,
    analyse,
    analysed,
    assertAllDoneAndWhole,
    cohort,
    dieOnce,
    madeScans,
    refuse,
    statuses,
    table,
)

from CervicalSpineDetectionLib.AtomicFiles import TEMPORARY_PREFIX, newFolder
from CervicalSpineDetectionLib.Cohort.ResultFolders import FAILED, outcomeOf, process
from CervicalSpineDetectionLib.Cohort.Run import sameAsBefore
from CervicalSpineDetectionLib.Cohort.Scans import Scan
from CervicalSpineDetectionLib.Errors import InputError


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
