"""What the preview needs before its window opens: libraries, a desktop, a sample; and what is said where it lacks."""

import ctypes
import os
import re
import shutil
import subprocess
import sys

import pytest
from panelFixtures import REPOSITORY, application, errors, settle
from previewFixtures import window
from PySide6 import QtCore

__all__ = ["application", "errors", "window"]


def madeBy(script, monkeypatch, tmp_path):
    """A sample CT that this Python code makes, and what it told."""
    from SlicerStandIn import SampleCt

    told = []
    sample = SampleCt.SampleCt(told.append, told.append, told.append, tmp_path / "sample" / "ct.nii.gz")
    monkeypatch.setattr(SampleCt, "COMMAND", ["-c", script])
    sample.get()
    wait = QtCore.QElapsedTimer()
    wait.start()
    while sample.isBeingMade and wait.elapsed() < 20000:
        settle(20)
    return sample, told


def test_sampleIsMadeOnceWithoutBlockingTheWindow(window, monkeypatch, tmp_path):
    script = "import pathlib, sys, time; time.sleep(1.2); path = pathlib.Path(sys.argv[2]); " \
             "path.parent.mkdir(); path.write_text('CT')"
    sample, told = madeBy(script, monkeypatch, tmp_path)
    assert told[:2] == [0, 1] and told[-1].read_text() == "CT"
    sample.get()
    assert told[-1] == told[-2] and not sample.isBeingMade
    assert list(told[-1].parent.iterdir()) == [told[-1]]


def test_sampleThatCannotBeMadeIsSaid(window, monkeypatch, tmp_path):
    sample, told = madeBy("import sys; sys.exit('The disk is full.')", monkeypatch, tmp_path)

    assert told == [0, "The disk is full."]


def missingLibraries():
    """The libraries of Qt's plugin for X11 that can't be loaded here, from the Makefile's list."""
    text = (REPOSITORY / "Makefile").read_text(encoding="utf-8").replace("\\\n", " ")
    (listed,) = re.findall(r"^DESKTOP_LIBRARIES =(.*)$", text, re.MULTILINE)
    missing = []
    for entry in listed.split():
        try:
            ctypes.CDLL(entry.partition("=")[0])
        except OSError:
            missing.append(entry.partition("=")[2])
    return missing


def previewWithoutDesktop():
    environment = {name: value for name, value in os.environ.items()
                   if name not in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")}
    environment["PYTHONPATH"] = str(REPOSITORY / "Testing")
    return [sys.executable, "-m", "SlicerStandIn"], environment


def test_missingDisplayIsSaidInsteadOfQtsAdvice():
    command, environment = previewWithoutDesktop()
    run = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert run.returncode == 1 and "DISPLAY is not set" in run.stderr and "Reinstalling" not in run.stderr


@pytest.mark.skipif(sys.platform != "linux" or bool(missingLibraries()),
                    reason="needs the packages of Qt's plugin for X11: " + ", ".join(missingLibraries()))
def test_displayThatCannotBeReachedIsSaidInsteadOfQtsAdvice():
    command, environment = previewWithoutDesktop()
    run = subprocess.run(command, env={**environment, "DISPLAY": ":987"}, capture_output=True, text=True)
    assert run.returncode == 1 and ":987" in run.stderr and "Reinstalling" not in run.stderr


@pytest.mark.skipif(shutil.which("make") is None or sys.platform != "linux", reason="needs make on Linux")
def test_makeSaysWhatIsLackingBeforeItDownloads(tmp_path):
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(REPOSITORY / name, tmp_path)
    environment = {name: value for name, value in os.environ.items()
                   if name not in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")}
    lacking = ["make", "preview", "DESKTOP_LIBRARIES=libnothere.so.1=libnothere1"]
    run = subprocess.run(lacking, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert run.returncode and "apt-get install libnothere1" in run.stderr

    run = subprocess.run([*lacking, "MISSING_PACKAGES=true"], cwd=tmp_path, env=environment, capture_output=True,
                         text=True)
    assert run.returncode and "DISPLAY is not set" in run.stderr
    assert not (tmp_path / ".venv").exists()
