"""Runs of the command that are to be refused, or to fail, beside the results of an earlier one."""

import os
import re
import tempfile
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from CervicalSpineDetectionLib.CommandLine.Main import main
from CervicalSpineDetectionLib.ResultFiles import RESULT_FILES
from CervicalSpineDetectionLib.SliceDetector.Detector import CLASS_NAMES, SliceDetections

RESULTS = {name: f"earlier {name}".encode() for name in RESULT_FILES}


class SeesNothing:
    """In place of the network, for what may be detected in."""

    pixelSize, sliceSpacing, window, model = 4.0, 4.0, (-200, 1000), {"name": "none", "sha256": "0" * 64}

    def detect(self, slices, progress=None):
        return [SliceDetections(np.empty((0, 4)), np.empty((0, 12)), np.empty((0, 4)), np.empty(0)) for _ in slices]


@pytest.fixture
def folder():
    """A folder that other users may read, so that permissions can be tested as one of them."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        yield Path(name)


@pytest.fixture
def asOtherUser():
    """root may read and write everything."""
    if os.geteuid():
        yield
        return
    os.seteuid(65534)
    yield
    os.seteuid(0)


@pytest.fixture
def earlier(folder):
    """Output folder with the results of an earlier run."""
    output = folder / "out"
    output.mkdir()
    for name, content in RESULTS.items():
        (output / name).write_bytes(content)
    return output


def contents(output):
    return {path.name: path.read_bytes() for path in output.iterdir()}


def assertRefused(arguments, words, output, capfd):
    capfd.readouterr()
    status = main(["detect", *map(str, arguments), "--no-scene", "--no-preview"])

    lines = capfd.readouterr().err.splitlines()
    assert status == 2
    assert len(lines) == 1 and lines[0].startswith("cervical-spine: ")
    assert words in lines[0]
    # Cause; way out.
    assert re.search(r"[;:,] .*\.$", lines[0].removeprefix("cervical-spine: "))
    assert contents(output) == RESULTS


def image(voxels=None, **options):
    if voxels is None:
        voxels = np.random.default_rng(1).integers(-1000, 2000, (6, 7, 8)).astype(np.int16)
    return sitk.GetImageFromArray(voxels, **options)


def write(path, made):
    sitk.WriteImage(made, str(path))
    return path


def cut(path, kept):
    data = path.read_bytes()
    path.write_bytes(data[: int(kept * len(data))])
    return path


def flipped(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    return path


def text(path, content):
    path.write_text(content)
    return path


@pytest.fixture
def ct(folder):
    return write(folder / "ct.nrrd", image())


CARD = {"name": "test", "architecture": "yolov5n", "classes": list(CLASS_NAMES), "plane": "sagittal", "pixelSize": 1.0,
        "sliceSpacing": 2.0, "window": [-200, 1000]}
