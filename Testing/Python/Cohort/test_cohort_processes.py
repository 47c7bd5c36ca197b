"""Cohorts on several processes: the same as on one, and no scan holds up the others."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest
import SimpleITK as sitk
from cohortFixtures import (
    analysed,
    assertAllDoneAndWhole,
    cannotPrepare,
    cohort,
    dieAlways,
    dieOnce,
    fillDisk,
    hang,
    statuses,
    table,
)

from CervicalSpineDetectionLib import ProcessTuning
from CervicalSpineDetectionLib.AtomicFiles import TEMPORARY_PREFIX
from CervicalSpineDetectionLib.Cohort import Processes, Schedule
from CervicalSpineDetectionLib.Errors import InputError


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


def test_theNextScansAreToldBeforeTheirTurn():
    told = []
    answers = dict(Processes.inProcesses(str.upper, list("abcde"), 2, 600,
                                         comingUp=lambda scans: told.append([*scans])))

    assert answers == {scan: scan.upper() for scan in "abcde"}
    assert told[0] == ["c", "d"] and set().union(*told) == set("cde")


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
    monkeypatch.setattr(ProcessTuning, "CGROUP_QUOTA", tmp_path / "cpu.max")
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(8)), raising=False)

    assert ProcessTuning.coreCount() == cores


@pytest.mark.shows("Hostile", "a Dask scheduler without encryption",
                   "a warning that whoever reaches it can run programs")
def test_aSchedulerWithoutEncryptionIsWarnedOf(scans, output, monkeypatch, capsys):
    pytest.importorskip("distributed")
    monkeypatch.setattr("CervicalSpineDetectionLib.Cohort.Schedule.CONNECT_TIMEOUT", "0.2s")

    for address, warned in (("tcp://127.0.0.1:9", True), ("tls://127.0.0.1:9", False)):
        with pytest.raises(InputError, match="No Dask scheduler"):
            cohort(scans, output, scheduler=address)
        assert ("can run programs as you" in capsys.readouterr().err) == warned


# Dask


@pytest.fixture
def cluster():
    """A scheduler with one worker, both threads of this process."""
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(n_workers=1, threads_per_worker=1, processes=False, host="127.0.0.1",
                                  protocol="tcp://", dashboard_address=None) as cluster:
        yield cluster


@pytest.mark.shows("Faults", "a CT that kills or holds up its process in a cohort")
def test_aScanThatHoldsUpADaskWorkerIsGivenUpAndTheRestGoesOn(scans, output, cluster):
    cohort(scans, output, hang, scheduler=cluster.scheduler_address, secondsEach=2)

    assert statuses(output) == {scan.name: "failed" if scan.name == "scan02" else "done" for scan in scans}
    assert "Not done after 2 s" in table(output / "scans.csv")[2]["remarks"]


@pytest.mark.parametrize("analysis", [fillDisk, None])
def test_whatStopsARunStopsItOnDaskToo(scans, output, cluster, analysis):
    stop = {"analysis": analysis} if analysis else {"prepare": cannotPrepare}
    with pytest.raises(InputError, match="No space left" if analysis else "no weights"):
        cohort(scans, output, scheduler=cluster.scheduler_address, **stop)


def test_aSchedulerThatEndsIsToldOf(scans, output, cluster, monkeypatch):
    monkeypatch.setattr("CervicalSpineDetectionLib.Cohort.Schedule.CONNECT_TIMEOUT", "1s")
    closing = threading.Timer(2, cluster.close)
    closing.start()

    with pytest.raises(InputError, match="connection to the Dask scheduler is lost"):
        cohort(scans, output, hang, scheduler=cluster.scheduler_address, secondsEach=6)

    closing.join()
    assert statuses(output) == {"scan00": "done", "scan01": "done"}
