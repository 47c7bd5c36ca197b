"""Everything that can be wrong with the input, and what the user is told.

Each row: exit status 2, one sentence with the cause and the way out, and the results of an earlier run untouched.
"""

import errno
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from test_files_dicom import ORIGIN, SLICES, writeFrames, writeSeries
from test_files_images import nrrd

from CervicalSpineDetectionLib import ResultFiles
from CervicalSpineDetectionLib.CommandLine.Main import main
from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.ResultFiles import RESULT_FILES
from CervicalSpineDetectionLib.SliceDetector import YoloDetector
from CervicalSpineDetectionLib.SliceDetector.Detector import CLASS_NAMES, SliceDetections
from CervicalSpineDetectionLib.SliceDetector.Weights import saveWeights

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


def withVoxel(value):
    voxels = np.random.default_rng(1).normal(0, 300, (6, 7, 8)).astype(np.float32)
    voxels[3, 3, 3] = value
    return image(voxels)


def spaced(*spacing):
    made = image()
    made.SetSpacing(spacing)
    return made


def placed(x):
    made = image()
    made.SetOrigin((x, 0, 0))
    return made


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


def folderWith(path, **files):
    path.mkdir()
    for name, content in files.items():
        (path / name).write_text(content)
    return path


def zeroSpacing(path):
    write(path, image())
    data = bytearray(path.read_bytes())
    data[76 + 12 : 76 + 16] = bytes(4)  # pixdim[3] of NIfTI-1
    path.write_bytes(data)
    return path


def moved(slices):
    return [ORIGIN + [0, 0, 3.0 * k] for k in slices]


# What is wrong -> (makes the input in a folder, words of the sentence).
INPUTS = {
    "no such file": (lambda f: f / "ct.nrrd", "No such file"),
    "empty file": (lambda f: text(f / "ct.nrrd", ""), "damaged or incomplete"),
    "text with an image's name": (lambda f: text(f / "ct.nii.gz", "not an image"), "damaged or incomplete"),
    "another kind of file": (lambda f: text(f / "report.pdf", "%PDF"), "no image that can be read"),
    "2D": (lambda f: write(f / "ct.nrrd", image(np.arange(3000, dtype=np.int16).reshape(50, 60))), "2 dimensions"),
    "one slice": (lambda f: write(f / "ct.nrrd", image()[:, :, 2:3]), "too few slices"),
    "4D": (lambda f: write(f / "ct.nii.gz", sitk.JoinSeries([image(), image()])), "4 dimensions"),
    "colour": (lambda f: write(f / "ct.nrrd", image(np.ones((6, 7, 8, 3), np.uint8), isVector=True)), "colours"),
    "complex": (lambda f: write(f / "ct.nrrd", sitk.RealAndImaginaryToComplex(*[sitk.Cast(image(), 8)] * 2)),
                "colours or vectors"),
    "NaN": (lambda f: write(f / "ct.nrrd", withVoxel(np.nan)), "not finite"),
    "infinite": (lambda f: write(f / "ct.nii.gz", withVoxel(-np.inf)), "not finite"),
    "values beyond HU": (lambda f: write(f / "ct.nrrd", withVoxel(-3e38)), "can't be HU"),
    "values of 64 bits beyond HU": (lambda f: write(f / "ct.nrrd", sitk.Cast(withVoxel(-1e9), sitk.sitkInt64)),
                                    "can't be HU"),
    "constant": (lambda f: write(f / "ct.mha", image(np.full((6, 7, 8), 40, np.int16))), "have the value 40"),
    "only air": (lambda f: write(f / "ct.mha", sitk.AdditiveGaussianNoise(sitk.Cast(image() * 0 - 1000, 8), 9)),
                 "shows no body"),
    "8-bit picture": (lambda f: write(f / "ct.nrrd", sitk.Cast(image(), sitk.sitkUInt8)), "8-bit picture"),
    "spacing in metres": (lambda f: write(f / "ct.mha", spaced(5e-4, 5e-4, 2e-3)), "voxel spacing"),
    "spacing in micrometres": (lambda f: write(f / "ct.mha", spaced(500, 500, 2000)), "voxel spacing"),
    "zero spacing": (lambda f: zeroSpacing(f / "ct.nii"), "does not state its voxel spacing"),
    "origin far away": (lambda f: write(f / "ct.mha", placed(1e9)), "origin"),
    "sheared axes": (lambda f: nrrd(f / "ct.nrrd", "space: left-posterior-superior", "space origin: (0,0,0)",
                                    "space directions: (1,0,0) (0,1,0) (0,0.8,3)"), "not at right angles"),
    "header of an impossible size": (
        lambda f: text(f / "ct.nrrd", "NRRD0004\ntype: short\ndimension: 3\nsizes: 60000 60000 60000\nencoding: gzip\n"
                                      "endian: little\nspacings: 1 1 1\n\n"), "more than any CT has"),
    "cut short": (lambda f: cut(write(f / "ct.nii.gz", image()), 0.6), "damaged or incomplete"),
    "changed on the disk": (lambda f: flipped(write(f / "ct.nii.gz", image())), "damaged"),
    "long path": (lambda f: f / ("n" * 300 + ".nrrd"), "File name too long"),
    "path that is no text": (lambda f: f / "ct\udcff.nrrd", "not valid text"),
    "folder without images": (lambda f: folderWith(f / "ct", notes="none"), "holds no DICOM"),
    "empty folder": (lambda f: folderWith(f / "ct"), "holds no DICOM"),
    "MR": (lambda f: writeSeries(f / "ct", Modality="MR"), "modality MR"),
    "two CTs in a folder": (lambda f: writeSeries(writeSeries(f / "ct"), names=[f"b{k}" for k in range(SLICES)]),
                            "2 CT series"),
    "missing slice": (lambda f: writeSeries(f / "ct", moved([0, 1, 2, 4, 5, 6, 7])), "some are missing"),
    "two phases": (lambda f: writeSeries(f / "ct", moved([0, 0, 1, 1, 2, 2, 3, 3])), "lie where another one lies"),
    "varying spacing": (lambda f: writeSeries(f / "ct", moved([0, 1, 2, 3, 3.5, 4, 4.5])), "spacing changes"),
    "slices shifted unevenly": (lambda f: writeSeries(f / "ct", [ORIGIN + [0, k % 2 * 9, 3 * k] for k in range(7)]),
                                "not evenly"),
    "inverted grey values": (lambda f: writeSeries(f / "ct", PhotometricInterpretation="MONOCHROME1"), "inverted"),
    "scout": (lambda f: writeSeries(f / "ct", ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]), "localizer"),
    "multi-frame without places": (
        lambda f: writeFrames(f / "ct" / "frames.dcm", change=lambda d: delattr(d, "SharedFunctionalGroupsSequence")),
        "lacks the place of its frames"),
    "DICOM cut short": (lambda f: cut(writeSeries(f / "ct") / "003.dcm", 0.7).parent, "damaged or incomplete"),
}


@pytest.mark.parametrize("wrong", INPUTS)
def test_badInputIsRefusedWithTheCauseAndAWayOut(folder, earlier, capfd, wrong):
    make, words = INPUTS[wrong]

    assertRefused([make(folder), "--output", earlier], words, earlier, capfd)


@pytest.fixture
def ct(folder):
    return write(folder / "ct.nrrd", image())


CARD = {"name": "test", "architecture": "yolov5n", "classes": list(CLASS_NAMES), "plane": "sagittal", "pixelSize": 1.0,
        "sliceSpacing": 2.0, "window": [-200, 1000]}


def weights(path, change=lambda path: None, tensors=None, **card):
    import torch

    saveWeights(path, tensors or {"layer": torch.ones(3)}, {**CARD, **card})
    change(path)
    return path


def nanTensor():
    import torch

    return {"layer": torch.tensor([1.0, float("nan")])}


WEIGHTS = {
    "not there": (lambda f: f / "none.safetensors", "No weights called"),
    "a pickle": (lambda f: text(f / "weights.pt", "cposix\nsystem\n"), "give a .safetensors file"),
    "name too long": (lambda f: f / ("n" * 300 + ".safetensors"), "No weights called"),
    "cut short": (lambda f: weights(f / "w.safetensors", lambda p: cut(p, 0.5)), "SHA-256 differs"),
    "edited": (lambda f: weights(f / "w.safetensors", flipped), "SHA-256 differs"),
    "without card": (lambda f: weights(f / "w.safetensors", lambda p: p.with_suffix(".json").unlink()),
                     "model card w.json is missing"),
    "card of other classes": (lambda f: weights(f / "w.safetensors", classes=["cat", "dog"]), "other classes"),
    "card of another plane": (lambda f: weights(f / "w.safetensors", plane="axial"), "another plane"),
    "card that names a file as network": (lambda f: weights(f / "w.safetensors", architecture="../evil"),
                                          "lacks a usable architecture"),
    "card without window": (lambda f: weights(f / "w.safetensors", window=None), "lacks a usable window"),
    "card of nested brackets": (
        lambda f: weights(f / "w.safetensors", lambda p: text(p.with_suffix(".json"), "[" * 100_000)), "can't be read"),
    "other tensors": (lambda f: weights(f / "w.safetensors"), "does not fit the network"),
    "numbers that are not finite": (lambda f: weights(f / "w.safetensors", tensors=nanTensor()), "not finite"),
}


@pytest.mark.shows("Hostile", "weights",
                   "safetensors with a card of the same SHA-256; card fields of the right kind, network by name "
                   "only, numbers finite, at most 500 MB")
@pytest.mark.parametrize("wrong", WEIGHTS)
def test_badWeightsAreRefusedWithTheCauseAndAWayOut(folder, earlier, ct, capfd, wrong):
    make, words = WEIGHTS[wrong]

    assertRefused([ct, "--output", earlier, "--device", "cpu", "--weights", make(folder)], words, earlier, capfd)


def test_inputThatMayNotBeReadIsRefused(folder, earlier, ct, asOtherUser, capfd):
    unreadable = folder / "unreadable.nrrd"
    if os.getuid() == 0:
        os.seteuid(0)
    unreadable.write_bytes(ct.read_bytes())
    unreadable.chmod(0)
    if os.getuid() == 0:
        os.seteuid(65534)

    assertRefused([unreadable, "--output", earlier], "Permission denied", earlier, capfd)


@pytest.mark.shows("Faults", "output folder read-only", "earlier files; told before the network is loaded")
def test_outputThatMayNotBeWrittenIsRefusedBeforeTheNetworkIsLoaded(
        folder, earlier, ct, asOtherUser, capfd, monkeypatch):
    monkeypatch.setattr(YoloDetector, "loadDetector", None)
    if os.getuid():
        earlier.chmod(0o555)

    assertRefused([ct, "--output", earlier], "Permission denied", earlier, capfd)


@pytest.mark.shows("Faults", "disk full, file size limit", "earlier files; one sentence")
def test_diskFullWhileWritingIsToldAndKeepsEarlierResults(earlier, ct, capfd, monkeypatch):
    monkeypatch.setattr(YoloDetector, "loadDetector", lambda *_, **__: SeesNothing())

    def writeJson(path, result):
        path.write_text("half of")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(ResultFiles, "writeJson", writeJson)

    assertRefused([ct, "--output", earlier], "No space left on device", earlier, capfd)


def test_memoryTooSmallWhileWritingIsNoFaultOfTheDisk(earlier, ct, capfd, monkeypatch):
    monkeypatch.setattr(YoloDetector, "loadDetector", lambda *_, **__: SeesNothing())

    def writeJson(path, result):
        raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))

    monkeypatch.setattr(ResultFiles, "writeJson", writeJson)

    assertRefused([ct, "--output", earlier], "memory is too small", earlier, capfd)


def test_memoryTooSmallIsTold(earlier, ct, capfd, monkeypatch):
    def loadDetector(*_, **__):
        raise MemoryError

    monkeypatch.setattr(YoloDetector, "loadDetector", loadDetector)

    assertRefused([ct, "--output", earlier], "memory is too small", earlier, capfd)


def body(size):
    """A body without bone, in air."""
    voxels = np.full(size[::-1], -1000, np.int16)
    voxels[:, 3:-3, 3:-3] = 40
    voxels += np.random.default_rng(0).integers(-20, 20, voxels.shape, np.int16)
    return image(voxels)


@pytest.mark.parametrize(("name", "size"), [
    ("not a neck.nrrd", (20, 20, 20)), ("2000 slices.nii.gz", (12, 12, 2000)),
    ("Hals Ä 頸椎 \U0001f9b4.mha", (20, 20, 20)), ("n" * 240 + ".nrrd", (20, 20, 20)),
])
def test_aCtWithoutCervicalSpineIsAResultOfItsOwnStatus(folder, earlier, capsys, monkeypatch, name, size):
    monkeypatch.setattr(YoloDetector, "loadDetector", lambda *_, **__: SeesNothing())

    status = main(["detect", str(write(folder / name, body(size))), "--output", str(earlier), "--no-scene",
                   "--no-preview"])

    assert status == 3
    assert "No cervical vertebra was found." in capsys.readouterr().out
    document = json.loads((earlier / "vertebrae.json").read_text(encoding="utf-8"))
    assert document["vertebrae"] == [] and document["image"]["size"] == list(size)


# The same in Slicer, where volumes come from the scene.
VOLUMES = {
    "one slice": (lambda: image()[:, :, 2:3], "too few slices"),
    "NaN": (lambda: withVoxel(np.nan), "not finite"),
    "constant": (lambda: image(np.full((6, 7, 8), 40, np.int16)), "have the value 40"),
    "spacing in metres": (lambda: spaced(5e-4, 5e-4, 2e-3), "voxel spacing"),
    "far away": (lambda: placed(1e9), "origin"),
}


@pytest.mark.parametrize("wrong", VOLUMES)
def test_badVolumesOfTheSceneAreRefusedAndTheSceneIsUntouched(wrong):
    pytest.importorskip("slicer", reason="needs slicer-core")
    from CervicalSpineDetectionLib.Pipeline import detectVertebrae
    from CervicalSpineDetectionLib.Scene.HeadlessScene import headlessScene
    from CervicalSpineDetectionLib.Scene.VolumeNodes import imageFromVolumeNode, volumeNodeFromImage

    make, words = VOLUMES[wrong]
    with headlessScene() as (scene, _):
        node = volumeNodeFromImage(scene, make(), "CT")
        before = scene.GetNumberOfNodes(), node.GetMTime()

        with pytest.raises(InputError, match=words):
            detectVertebrae(imageFromVolumeNode(node), SeesNothing())

        assert (scene.GetNumberOfNodes(), node.GetMTime()) == before


KILLED = """
import os, signal, sys
from CervicalSpineDetectionLib import AtomicFiles
output, stage, names = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
calls = 0
def killing(function):
    def call(*arguments, **options):
        global calls
        calls += 1
        if calls == stage:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*arguments, **options)
    return call
# Every step on the disk from the first file on.
with AtomicFiles.atomicFolder(output, names) as folder:
    AtomicFiles.os.replace, AtomicFiles.os.rename = killing(os.replace), killing(os.rename)
    AtomicFiles._remove = killing(AtomicFiles._remove)
    AtomicFiles.Path.write_text = killing(AtomicFiles.Path.write_text)
    for name in names[1:]:
        (folder / name).write_text("new " + name)
print("done")
"""
# Writing four files and the list, the commit, four files put in place, the rest; not killed.
STAGES = range(1, 13)


def withoutLock(folder):
    """A killed process leaves the file of its lock, which the system has opened."""
    return {name: content for name, content in contents(folder).items() if not name.startswith(".lock")}


@pytest.mark.shows("Faults", "kill -9 at each of the 11 steps of writing results",
                   "all earlier files, or (once all are written) all new ones after the next run")
@pytest.mark.parametrize("stage", STAGES)
def test_killedWhileWritingLeavesAllEarlierOrAllNewResultsToTheNextRun(folder, earlier, stage):
    from CervicalSpineDetectionLib.AtomicFiles import finishLeftovers

    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    names = list(RESULT_FILES)

    killed = subprocess.run([sys.executable, "-c", KILLED, str(earlier), str(stage), *names], env=environment,
                            capture_output=True, text=True)
    finishLeftovers(earlier)

    new = {name: f"new {name}".encode() for name in names[1:]}
    assert killed.returncode == (0 if stage == STAGES[-1] else -9), killed.stderr
    assert withoutLock(earlier) == (RESULTS if stage <= 6 else new)


@pytest.mark.shows("Faults", "disk full, file size limit")
def test_fileThatMayGrowNoFurtherKeepsEarlierResults(earlier):
    """As on a full disk: the system itself stops the writing."""
    from CervicalSpineDetectionLib.AtomicFiles import atomicFolder

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            with atomicFolder(earlier, RESULT_FILES) as temporary:
                (temporary / "preview.png").write_bytes(bytes(500))
                (temporary / "vertebrae.json").write_bytes(bytes(5000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    assert contents(earlier) == RESULTS
