"""Processes that others start don't outlive them."""

import subprocess
import sys

import psutil
import pytest

from CervicalSpineDetectionLib.SafeChildren import safeEnvironment

# Each prints the number of a child that would go on for ever.
MAKERS = """
import time
from pathlib import Path
from CervicalSpineDetectionLib.Training.Sources import PhantomSource
from CervicalSpineDetectionLib.Training.VolumeMakers import SliceLesson, VolumeMakers
if __name__ == "__main__":
    makers = VolumeMakers(SliceLesson(), [PhantomSource()], Path("made"), 1, 1)
    print(makers._processes[0].pid, flush=True)
    time.sleep(600)
"""
POOL = """
import multiprocessing, os, time
from concurrent.futures import ProcessPoolExecutor
from CervicalSpineDetectionLib.ProcessTuning import beginAsOneOfMany
if __name__ == "__main__":
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), beginAsOneOfMany) as pool:
        print(pool.submit(os.getpid).result(), flush=True)
        pool.submit(time.sleep, 600).result()
"""


@pytest.mark.parametrize("program", [MAKERS, POOL], ids=["makers", "pool"])
def test_theyEndWhenTheirStarterIsKilled(program, tmp_path):
    (tmp_path / "program.py").write_text(program, encoding="utf-8")
    with subprocess.Popen([sys.executable, "program.py"], cwd=tmp_path, stdout=subprocess.PIPE,
                          env=safeEnvironment()) as starter:
        child = psutil.Process(int(starter.stdout.readline()))
        starter.kill()

    _, alive = psutil.wait_procs([child], timeout=60)
    assert all(one.status() == psutil.STATUS_ZOMBIE for one in alive)
