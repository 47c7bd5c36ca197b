"""What ``cervical-spine detect`` says of input and output that can't be used, and how soon."""

import errno
import os
import subprocess
import sys
import time

import pytest
import SimpleITK as sitk
from detectFixtures import FOUND, LIBRARY, ct, detect, fileNames, standIns

from CervicalSpineDetectionLib.CommandLine import Detect
from CervicalSpineDetectionLib.CommandLine.Main import main
from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Imaging import ReadImage

__all__ = ["ct", "standIns"]


def badInput(kind, ct, tmp_path):
    """Arguments that can't be used, by kind."""
    output = ["--output", str(tmp_path / "out")]
    (tmp_path / "text.nii.gz").write_text("not an image")
    sitk.WriteImage(sitk.Image(9, 9, 9, sitk.sitkInt16), str(tmp_path / "cut.mha"))
    os.truncate(tmp_path / "cut.mha", 800)
    return {
        "no such file": ["detect", str(tmp_path / "none.nrrd"), *output],
        # ITK itself prints lines of its own about this one.
        "cut short": ["detect", str(tmp_path / "cut.mha"), *output],
        "text": ["detect", str(tmp_path / "text.nii.gz"), *output],
        "folder without DICOM": ["detect", str(tmp_path), *output],
        "weights": ["detect", str(ct), *output, "--weights", "nonsense"],
        "output is a file": ["detect", str(ct), "--output", str(ct)],
        "no output": ["detect", str(ct)],
        "device": ["detect", str(ct), *output, "--device", "abacus"],
        "batch of nothing": ["detect", str(ct), *output, "--batch", "0"],
        "batch of words": ["detect", str(ct), *output, "--batch", "few"],
        "no command": [],
        "other command": ["divine"],
    }[kind]


@pytest.mark.parametrize("kind", [
    "no such file", "cut short", "text", "folder without DICOM", "weights", "output is a file", "no output", "device",
    "batch of nothing", "batch of words", "no command", "other command",
])
def test_badInputIsOneLineOnStderrAndStatusTwo(standIns, ct, tmp_path, capfd, kind):
    status = main(badInput(kind, ct, tmp_path))

    lines = capfd.readouterr().err.splitlines()
    assert status == 2
    assert len(lines) == 1 and lines[0].startswith("cervical-spine: ") and lines[0].endswith(".")


def test_badInputLeavesNoOutputFolder(standIns, tmp_path):
    detect(tmp_path / "none.nrrd", tmp_path)

    assert not (tmp_path / "out").exists()


def test_unwritableOutputIsToldBeforeTheNetworkIsLoaded(standIns, ct):
    assert main(["detect", str(ct), "--output", str(ct)]) == 2

    assert standIns.loaded == []


@pytest.mark.shows("Faults", "error while the scene or the preview is drawn", "earlier files")
def test_failureWhileWritingKeepsTheEarlierResults(standIns, ct, tmp_path):
    detect(ct, tmp_path)
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    standIns.vertebrae = FOUND[:1]
    standIns.sceneError = RuntimeError("no graphics")

    with pytest.raises(RuntimeError, match="no graphics"):
        detect(ct, tmp_path)

    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before


def test_fullDiskIsToldInOneLineAndKeepsTheEarlierResults(standIns, ct, tmp_path, capfd):
    detect(ct, tmp_path)
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    standIns.vertebrae = FOUND[:1]
    standIns.sceneError = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    capfd.readouterr()

    status = detect(ct, tmp_path)

    lines = capfd.readouterr().err.splitlines()
    assert status == 2
    assert len(lines) == 1 and "No space left on device" in lines[0]
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before


@pytest.mark.shows("Faults", "Ctrl+C", "earlier files, exit status 130")
def test_interruptionIsAStatusNotATraceback(standIns, ct, tmp_path, capsys):
    standIns.sceneError = KeyboardInterrupt()

    status = detect(ct, tmp_path)

    assert status == 130
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert fileNames(tmp_path / "out") == set()


def test_helpAndBadInputDoNotWaitForSlowLibraries(tmp_path, ct):
    code = f"""
import sys
from {LIBRARY}.CommandLine.Main import main
try:
    main(["detect", "--help"])
except SystemExit as exit:
    assert exit.code == 0
assert not {{"torch", "slicer", "vtk", "SimpleITK", "numpy"}} & set(sys.modules)
assert main(["detect", "none.nrrd", "--output", "out"]) == 2
assert main(["detect", sys.argv[1], "--output", "out", "--weights", "none"]) == 2
assert not {{"torch", "ultralytics", "slicer", "vtk"}} & set(sys.modules)
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    run = subprocess.run([sys.executable, "-c", code, str(ct)], env=environment, cwd=tmp_path, capture_output=True,
                         text=True)

    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize(("seconds", "loaded"), [(0.0, False), (0.5, True)])
def test_theNetworkIsLoadedBesideALongReadingAndBadInputIsToldBefore(monkeypatch, seconds, loaded):
    order = []

    def slowly(path):
        time.sleep(seconds)
        order.append("read")
        raise InputError("damaged")

    def load():
        order.append("loaded")
        raise InputError("no such device")

    monkeypatch.setattr(ReadImage, "readImageWithWarnings", slowly)
    with pytest.raises(InputError, match="damaged"):
        Detect.readCt("neck.nrrd", load)
    assert order == (["loaded", "read"] if loaded else ["read"])
