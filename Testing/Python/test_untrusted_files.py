"""Files from anyone: nothing in them is run, nothing is written elsewhere, what is too large or nonsense is refused."""

import ast
import csv
import hashlib
import io
import json
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from commandFixtures import CARD
from test_files_results import RESULT, document, madeResult, madeVertebra

from CervicalSpineDetectionLib.CommandLine.Main import main
from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Imaging import ImageHeader
from CervicalSpineDetectionLib.Imaging.ReadImage import readImage
from CervicalSpineDetectionLib.Results.ResultJson import readJson, toJson, writeJson
from CervicalSpineDetectionLib.Results.ResultTable import writeCsv
from CervicalSpineDetectionLib.Scene import SceneBundle
from CervicalSpineDetectionLib.Scene.SceneBundle import unpackBundle

LIBRARY = Path(__file__).resolve().parents[2] / "CervicalSpineDetection" / "CervicalSpineDetectionLib"
# Not on the way from a CT to its result: these train and compare networks of other programs.
OFF_THE_RUN_PATH = ("Benchmark", "Training")
RUN_PATH = [path for path in sorted(LIBRARY.rglob("*.py"))
            if path.relative_to(LIBRARY).parts[0] not in OFF_THE_RUN_PATH]


@pytest.mark.shows("Hostile", "pickle",
                   "nothing on the run path can load one; a poisoned `.pt`, also renamed and with a matching "
                   "card, runs nothing")
@pytest.mark.parametrize("path", RUN_PATH, ids=lambda path: path.relative_to(LIBRARY).as_posix())
def test_nothingThatRunsCodeFromAFileIsCalled(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {f"{node.module}.{alias.name}" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)
              for alias in node.names}
    calls = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    keywords = {node.arg for node in ast.walk(tree) if isinstance(node, ast.keyword)}

    assert not {name for name in names if name.split(".")[0] in ("pickle", "dill", "cloudpickle", "joblib", "shelve",
                                                                 "marshal")}
    assert not calls & {"torch.load", "torch.hub.load", "torch.jit.load", "torch.package.PackageImporter", "YOLO",
                        "ultralytics.YOLO", "eval", "exec", "yaml.load", "os.system"}
    assert not keywords & {"allow_pickle", "shell"}


class Poison:
    """Makes a file when a pickle of it is loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.mark.shows("Hostile", "pickle")
@pytest.mark.parametrize("name", ["evil.pt", "evil.safetensors"])
@pytest.mark.parametrize("kind", ["torch", "pickle"])
def test_nothingOfAPoisonedWeightsFileIsRun(tmp_path, capsys, name, kind):
    marker = tmp_path / "ran"
    with open(tmp_path / name, "wb") as file:
        (torch.save if kind == "torch" else pickle.dump)({"model": Poison(marker)}, file)
    digest = hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()
    (tmp_path / "evil.json").write_text(json.dumps({**CARD, "sha256": digest}))
    voxels = np.random.default_rng(0).integers(-1000, 1500, (12, 10, 8)).astype(np.int16)
    sitk.WriteImage(sitk.GetImageFromArray(voxels), str(tmp_path / "ct.nrrd"))

    status = main(["detect", str(tmp_path / "ct.nrrd"), "--output", str(tmp_path / "out"), "--device", "cpu",
                   "--weights", str(tmp_path / name)])

    assert status == 2 and "safetensors" in capsys.readouterr().err
    assert not marker.exists()
    # The poison works.
    content = io.BytesIO((tmp_path / name).read_bytes())
    torch.load(content, weights_only=False) if kind == "torch" else pickle.load(content)
    assert marker.exists()


@pytest.mark.shows("Hostile", "CSV", "no text can start a formula")
@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "=HYPERLINK(\"http://x\")"])
def test_noTextOfATableStartsAFormula(tmp_path, text):
    writeCsv(tmp_path / "vertebrae.csv", madeResult([madeVertebra(doubt=text)]))

    with open(tmp_path / "vertebrae.csv", newline="", encoding="utf-8") as file:
        _, row = csv.reader(file)
    visible = text.replace("\t", "\\t").replace("\r", "\\r")  # control characters are written as what they are
    assert row[3] == f"'{visible}"
    assert float(row[7]) == -20.0


def madeBundle(path, *entries):
    with zipfile.ZipFile(path, "w") as bundle:
        for name in ("scene/scene.mrml", *entries):
            bundle.writestr(name, "<MRML></MRML>")
    return path


def test_bundleIsUnpackedIntoItsFolder(tmp_path):
    (tmp_path / "folder").mkdir()

    scene = unpackBundle(madeBundle(tmp_path / "scene.mrb", "scene/Data/CT.nrrd"), tmp_path / "folder")

    assert scene == tmp_path / "folder" / "scene" / "scene.mrml"
    assert (tmp_path / "folder" / "scene" / "Data" / "CT.nrrd").is_file()


@pytest.mark.shows("Hostile", "scene bundles", "unpacked only into their folder, at most 10,000 files and 16 GB")
@pytest.mark.parametrize("entry", [
    "../evil", "scene/../../evil", "/evil", "..\\evil", "C:\\evil", "C:evil", "\\\\host\\share\\evil"])
def test_bundleThatWritesElsewhereIsRefused(tmp_path, entry):
    (tmp_path / "folder").mkdir()

    with pytest.raises(InputError, match="outside of itself"):
        unpackBundle(madeBundle(tmp_path / "scene.mrb", entry), tmp_path / "folder")

    assert list((tmp_path / "folder").iterdir()) == []


@pytest.mark.shows("Hostile", "scene bundles")
@pytest.mark.parametrize(("limit", "value"), [("MAXIMUM_FILES", 3), ("MAXIMUM_BYTES", 40)])
def test_bundleLargerThanAnySceneIsRefused(tmp_path, monkeypatch, limit, value):
    (tmp_path / "folder").mkdir()
    path = madeBundle(tmp_path / "scene.mrb", "scene/a", "scene/b", "scene/c")
    monkeypatch.setattr(SceneBundle, limit, value)

    with pytest.raises(InputError, match="larger than any scene"):
        unpackBundle(path, tmp_path / "folder")


@pytest.mark.shows("Hostile", "result JSON", "at most 1 MB, nesting bounded, levels, numbers and order checked")
def test_resultFileIsReadOnlyUpToABoundedSizeAndDepth(tmp_path):
    path = tmp_path / "vertebrae.json"
    writeJson(path, RESULT)
    assert toJson(readJson(path)) == toJson(RESULT)

    for text in (json.dumps(document()) + " " * 1_000_000, "[" * 100_000, "{", "", "\xff\xfe"):
        path.write_bytes(text.encode("latin-1"))
        with pytest.raises(InputError, match="damaged, or no result"):
            readJson(path)
    with pytest.raises(InputError, match="No such file"):
        readJson(tmp_path / "none.json")


@pytest.mark.shows("Hostile", "images",
                   "headers of NIfTI, NRRD and MetaImage are read by own code that refuses what it doesn't "
                   "understand; at most 2^30 voxels; data files beside the header only; plain files only; 20,000"
                   " files in a DICOM folder")
def test_compressedImageIsUnpackedOnlyUpToABoundedSize(tmp_path, monkeypatch):
    path = tmp_path / "ct.nii.gz"
    voxels = np.zeros((40, 400, 400), np.int16)
    voxels[0] = 1000
    sitk.WriteImage(sitk.GetImageFromArray(voxels), str(path))
    assert readImage(path).GetSize() == (400, 400, 40)

    monkeypatch.setattr(ImageHeader, "MAXIMUM_VOXELS", 1_000_000)

    with pytest.raises(InputError, match="more than any CT has"):
        readImage(path)
