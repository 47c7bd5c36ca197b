"""``cervical-spine detect``: exit status, what is printed, what is written. Network and scene are stand-ins here."""

import errno
import io
import json
import os
import subprocess
import sys
import time
import types

import jsonschema
import numpy as np
import pytest
import SimpleITK as sitk

from CervicalSpineDetectionLib.CommandLine import Detect
from CervicalSpineDetectionLib.CommandLine.Main import main
from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Imaging import ReadImage
from CervicalSpineDetectionLib.Results.ResultJson import SCHEMA_FILE
from CervicalSpineDetectionLib.Spine.Boxes import Bounds, OrientedBox
from CervicalSpineDetectionLib.Spine.Vertebra import DetectionResult, Vertebra
from CervicalSpineDetectionLib.Terminal import ProgressDisplay, canDraw

LIBRARY = "CervicalSpineDetectionLib"
ALL_FILES = {"vertebrae.json", "vertebrae.csv", "vertebrae.mrk.json", "scene.mrb", "preview.png"}


def madeVertebra(level, height, **flags):
    centre = np.array([1.25, -20.0, height])
    half = np.array([26.0, 24.0, 9.0])
    return Vertebra(level, flags.pop("confidence", 0.97), centre, Bounds(centre - half, centre + half),
                    OrientedBox(centre, np.array([51.0, 45.0, 16.0]), np.eye(3)), **flags)


FOUND = [
    madeVertebra("C5", 60.0),
    madeVertebra("C6", 42.0, inferred=True, confidence=0.4),
    madeVertebra("C7", 24.0, complete=False),
]


class StandIns:
    """What the command calls, and with what it was called."""

    def __init__(self):
        self.vertebrae = FOUND
        self.loaded = []
        self.written = {}
        self.sceneError = None

    def loadDetector(self, weights=None, device="auto", batchSize=32, precision="auto", forOneCt=False):
        self.loaded.append((weights, device, batchSize, precision))
        return object()

    def findWeights(self, weights=None):
        if weights == "nonsense":
            raise InputError("No weights called nonsense;\ngive a .safetensors file.")

    def detectVertebrae(self, image, detector, progress=None):
        for done in range(101):
            progress("network", done, 100)
        grid = {"size": list(image.GetSize()), "spacing": list(image.GetSpacing()),
                "origin": list(image.GetOrigin()), "direction": list(image.GetDirection())}
        return DetectionResult(self.vertebrae, ["Look twice."], grid, {"name": "stand-in", "sha256": "0" * 64},
                               {"network": 0.5})

    def writeScene(self, path, image, result, name, oriented=True):
        os.write(1, b"noise of a C++ library\n")
        os.write(2, b"noise of a C++ library\n")
        print("noise of a Python library")
        self._write(path, image=image, name=name, oriented=oriented)
        if self.sceneError:
            raise self.sceneError

    def writeMarkups(self, path, result):
        self._write(path)

    def writePreview(self, path, image, result):
        self._write(path, image=image)

    def _write(self, path, **arguments):
        path.write_text("written")
        self.written[path.name] = arguments


@pytest.fixture
def standIns(monkeypatch):
    standIns = StandIns()
    functions = {"SliceDetector.Weights": ["findWeights"], "SliceDetector.YoloDetector": ["loadDetector"],
                 "Pipeline": ["detectVertebrae"], "Scene.SceneFiles": ["writeScene", "writeMarkups"],
                 "Results.PreviewPicture": ["writePreview"]}
    for module, names in functions.items():
        standIn = types.ModuleType(f"{LIBRARY}.{module}")
        for name in names:
            setattr(standIn, name, getattr(standIns, name))
        monkeypatch.setitem(sys.modules, standIn.__name__, standIn)
    return standIns


@pytest.fixture
def ct(tmp_path):
    voxels = np.random.default_rng(0).integers(-1000, 1500, (12, 10, 8)).astype(np.int16)
    path = tmp_path / "neck.nii.gz"
    sitk.WriteImage(sitk.GetImageFromArray(voxels), str(path))
    return path


def detect(ct, tmp_path, *options):
    return main(["detect", str(ct), "--output", str(tmp_path / "out"), *options])


def fileNames(folder):
    return {path.name for path in folder.iterdir()}


def test_resultIsWrittenAndTabled(standIns, ct, tmp_path, capfd):
    status = detect(ct, tmp_path)

    printed = capfd.readouterr()
    assert status == 0
    assert fileNames(tmp_path / "out") == ALL_FILES
    document = json.loads((tmp_path / "out" / "vertebrae.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))).validate(document)
    assert [vertebra["level"] for vertebra in document["vertebrae"]] == ["C5", "C6", "C7"]
    assert set(document["timings"]) == {"read", "network"}
    rows = [line for line in printed.out.splitlines() if line.startswith("C")]
    assert rows[0].split() == ["C5", "0.97", "1.2", "-20.0", "60.0", "51", "x", "45", "x", "16"]
    assert rows[1].endswith("interpolated (not detected)")
    assert rows[2].endswith("partly outside the field of view")
    assert "Note: Look twice." in printed.out
    assert str(tmp_path / "out") in printed.out
    assert printed.err == ""


def test_librariesPrintNothing(standIns, ct, tmp_path, capfd):
    detect(ct, tmp_path)

    printed = capfd.readouterr()
    assert "scene.mrb" in standIns.written
    assert "noise" not in printed.out + printed.err


def test_optionsReachTheDetector(standIns, ct, tmp_path):
    detect(ct, tmp_path, "--weights", "mine", "--device", "cpu", "--batch", "4", "--precision", "single")

    assert standIns.loaded == [("mine", "cpu", 4, "single")]


def test_axisAlignedBoxesInSceneAndTable(standIns, ct, tmp_path, capsys):
    detect(ct, tmp_path, "--axis-aligned")

    assert standIns.written["scene.mrb"]["oriented"] is False
    assert "52 x 48 x 18" in capsys.readouterr().out


def test_volumeInTheSceneIsNotNamedAfterTheInput(standIns, ct, tmp_path):
    detect(ct, tmp_path)

    assert standIns.written["scene.mrb"]["name"] == "CT"


@pytest.mark.parametrize(("option", "left"), [("--no-scene", "scene.mrb"), ("--no-preview", "preview.png")])
def test_whatIsNotWantedIsNotWrittenAndNotLeftFromBefore(standIns, ct, tmp_path, option, left):
    detect(ct, tmp_path)
    detect(ct, tmp_path, option)

    assert fileNames(tmp_path / "out") == ALL_FILES - {left}


def test_withoutSlicerCoreTheNumbersAreWrittenAndTheRestExplained(standIns, ct, tmp_path, capsys, monkeypatch):
    # Imports as a missing module does.
    monkeypatch.setitem(sys.modules, f"{LIBRARY}.Scene.SceneFiles", None)

    status = detect(ct, tmp_path)

    assert status == 0
    assert fileNames(tmp_path / "out") == {"vertebrae.json", "vertebrae.csv", "preview.png"}
    assert "need slicer-core" in capsys.readouterr().out


@pytest.mark.parametrize(("code", "works"), [("pass", True), ("import os; os.abort()", False)])
def test_graphicsThatEndTheProcessAreFoundOut(monkeypatch, code, works):
    monkeypatch.setattr(f"{LIBRARY}.Terminal.DRAW_NOTHING", code)

    assert canDraw() is works


def test_pictureAndSceneAreInHuWhereTheFileIsOffset(standIns, tmp_path):
    # A third air, a third soft tissue, a third bone, all 1024 too high.
    voxels = np.repeat([24, 1064, 1500], 4).repeat(80).reshape(12, 10, 8).astype(np.int16)
    sitk.WriteImage(sitk.GetImageFromArray(voxels), str(tmp_path / "offset.nrrd"))

    detect(tmp_path / "offset.nrrd", tmp_path)

    for name in ("scene.mrb", "preview.png"):
        assert sitk.GetArrayFromImage(standIns.written[name]["image"]).min() == -1000


def test_nothingFoundIsAnEmptyResultOfItsOwnStatus(standIns, ct, tmp_path, capsys):
    standIns.vertebrae = []

    status = detect(ct, tmp_path)

    assert status == 3
    assert json.loads((tmp_path / "out" / "vertebrae.json").read_text(encoding="utf-8"))["vertebrae"] == []
    assert "No cervical vertebra was found." in capsys.readouterr().out


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


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_progressOnATerminalIsOneLine():
    stream = Terminal()
    progress = ProgressDisplay("slices", stream)

    for done in range(1, 51):
        progress("network", done, 50)

    assert stream.getvalue().count("\n") == 1
    last = stream.getvalue().split("\r")[-1]
    assert last.startswith("network: 100%|") and "50 of 50 slices" in last


def test_progressElsewhereIsAFewLines():
    stream = io.StringIO()
    progress = ProgressDisplay("slices", stream)

    for done in range(1, 1001):
        progress("network", done, 1000)

    lines = stream.getvalue().splitlines()
    assert len(lines) == 5 and "1000 of 1000" in lines[-1]
    assert "\r" not in stream.getvalue()


def test_quietPrintsNothing(standIns, ct, tmp_path, capfd):
    assert detect(ct, tmp_path, "-q") == 0

    assert capfd.readouterr() == ("", "")
    assert fileNames(tmp_path / "out") == ALL_FILES


def test_jsonGoesToStandardOutputAlone(standIns, ct, tmp_path, capfd):
    assert detect(ct, tmp_path, "--json") == 0

    printed = capfd.readouterr()
    assert json.loads(printed.out) == json.loads((tmp_path / "out" / "vertebrae.json").read_text())
    assert "Results:" in printed.err


def test_verboseLetsTheLibrariesTalk(standIns, ct, tmp_path, capfd):
    assert detect(ct, tmp_path, "--verbose") == 0
    assert "noise of a C++ library" in capfd.readouterr().out

    assert detect(ct, tmp_path) == 0
    assert "noise" not in capfd.readouterr().out


def test_aGpuIsChosenByItsNumber(standIns, ct, tmp_path):
    detect(ct, tmp_path, "--device", "cuda:1")

    assert standIns.loaded[0][1] == "cuda:1"


def test_progressTellsTheTimeLeftInALog():
    stream = io.StringIO()
    progress = ProgressDisplay("CTs", stream)

    assert list(progress.over("ab", "Evaluating", 2)) == ["a", "b"]

    first, middle, last = stream.getvalue().splitlines()
    assert first.startswith("Evaluating: 0 of 2 CTs") and "left" not in first
    assert "1 of 2 CTs" in middle and "about 0 s left" in middle
    assert "2 of 2 CTs" in last and "left" not in last


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
