"""Files from anyone: nothing in them is run, nothing is written elsewhere, what is too large or nonsense is refused.

The fuzzers try a few inputs in every run, and many with FUZZ_TIMES=100 in the environment (see ``fuzzing.py``).
"""

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
from fuzzing import examples
from hypothesis import given
from hypothesis import strategies as st
from test_bad_input import CARD
from test_files_dicom import writeFrames, writeSeries
from test_files_results import RESULT, document, madeResult, madeVertebra

from CervicalSpineDetectionLib.CommandLine.Main import main
from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Imaging import ImageHeader
from CervicalSpineDetectionLib.Imaging.ReadImage import readImage
from CervicalSpineDetectionLib.Results.ResultJson import fromJson, readJson, toJson, writeJson
from CervicalSpineDetectionLib.Results.ResultTable import writeCsv
from CervicalSpineDetectionLib.Scene import SceneBundle
from CervicalSpineDetectionLib.Scene.SceneBundle import unpackBundle
from CervicalSpineDetectionLib.SliceDetector.Weights import loadWeights, readCard, saveWeights

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


# Fuzzing. What is read or refused counts as right; any other error, a crash or a hang does not.

def madeFiles(folder):
    """Small valid files of every kind that is read."""
    image = sitk.GetImageFromArray(np.random.default_rng(2).integers(-1000, 2000, (5, 6, 7)).astype(np.int16))
    image.SetSpacing((0.7, 0.9, 2.5))
    for name in ("ct.nii", "ct.nii.gz", "ct.nrrd", "ct.mha"):
        sitk.WriteImage(image, str(folder / name))
    sitk.WriteImage(sitk.Cast(image, sitk.sitkFloat32), str(folder / "float.nii"))
    sitk.WriteImage(image, str(folder / "packed.nrrd"), useCompression=True)
    sitk.WriteImage(image, str(folder / "packed.mha"), useCompression=True)
    writeSeries(folder / "slice")
    writeFrames(folder / "frames" / "frames.dcm")
    return {
        **{name: (folder / name).read_bytes() for name in (
            "ct.nii", "ct.nii.gz", "ct.nrrd", "ct.mha", "float.nii", "packed.nrrd", "packed.mha")},
        "slice.dcm": (folder / "slice" / "003.dcm").read_bytes(),
        "frames.dcm": (folder / "frames" / "frames.dcm").read_bytes(),
    }


@pytest.fixture(scope="module")
def validFiles(tmp_path_factory):
    folder = tmp_path_factory.mktemp("valid")
    files = madeFiles(folder)
    return files, folder


NAMES = ("ct.nii", "ct.nii.gz", "ct.nrrd", "ct.mha", "float.nii", "packed.nrrd", "packed.mha", "slice.dcm",
         "frames.dcm")
EDITS = st.lists(st.one_of(
    # Mostly in the header.
    st.tuples(st.just("set"), st.integers(0, 700), st.integers(0, 255)),
    st.tuples(st.just("set"), st.integers(0, 5000), st.sampled_from((0, 1, 0x7F, 0x80, 0xFF, ord("9"), ord("-")))),
    st.tuples(st.just("cut"), st.integers(0, 5000), st.just(0)),
    st.tuples(st.just("drop"), st.integers(0, 1500), st.integers(1, 40)),
    st.tuples(st.just("double"), st.integers(0, 1500), st.integers(1, 40)),
), min_size=1, max_size=6)


def edited(data, edits):
    data = bytearray(data)
    for kind, place, value in edits:
        if kind == "set" and place < len(data):
            data[place] = value
        elif kind == "cut":
            del data[place:]
        elif kind == "drop":
            del data[place : place + value]
        elif kind == "double":
            data[place:place] = data[place : place + value]
    return bytes(data)


@examples(120)
@given(st.sampled_from(NAMES), EDITS)
def test_damagedImagesAreReadOrRefused(validFiles, name, edits):
    files, folder = validFiles
    work = folder / "work"
    work.mkdir(exist_ok=True)
    for path in work.iterdir():
        path.unlink()
    if name == "slice.dcm":
        # Among the others of its series.
        for path in (folder / "slice").iterdir():
            (work / path.name).write_bytes(path.read_bytes())
        target = work
        (work / "003.dcm").write_bytes(edited(files[name], edits))
    else:
        target = work / name
        target.write_bytes(edited(files[name], edits))
    before = sorted(path for path in folder.rglob("*"))

    try:
        image = readImage(target)
    except InputError as error:
        assert str(error).endswith(".") and "\n" not in str(error)
    else:
        assert image.GetDimension() == 3 and min(image.GetSize()) >= 3
        assert np.isfinite(sitk.GetArrayViewFromImage(image)).all()
        assert np.isfinite([*image.GetSpacing(), *image.GetOrigin(), *image.GetDirection()]).all()
    assert sorted(path for path in folder.rglob("*")) == before


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=6)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=6), inner, max_size=4)),
    max_leaves=8,
)


def places(value, path=()):
    """Paths to everything in a document."""
    yield path
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from places(value[key], (*path, key))


DOCUMENT = document()
PLACES = list(places(DOCUMENT))[1:]


@examples(300)
@given(st.lists(st.tuples(st.sampled_from(PLACES), JSON), min_size=1, max_size=3))
def test_changedResultsAreReadOrRefused(changes):
    changed = document()
    for path, value in changes:
        try:
            inner = changed
            for key in path[:-1]:
                inner = inner[key]
            inner[path[-1]] = value
        except (KeyError, IndexError, TypeError):
            pass  # an earlier change took the place away

    try:
        result = fromJson(changed)
    except InputError:
        return
    for vertebra in result.vertebrae:
        assert 0 <= vertebra.confidence <= 1
        for box in (vertebra.bounds.minimum, vertebra.bounds.maximum, vertebra.centre, vertebra.orientedBox.axes):
            assert np.isfinite(box).all()


@examples(100)
@given(JSON)
def test_anyOtherDocumentIsNoResult(value):
    with pytest.raises(InputError):
        fromJson(value)


NUMBERS_TEXT = st.one_of(st.none(), st.text(max_size=8), st.lists(st.floats(), max_size=16).map(
    lambda numbers: " ".join(map(str, numbers))))


@pytest.fixture(scope="module")
def scene():
    pytest.importorskip("slicer", reason="needs slicer-core")
    from CervicalSpineDetectionLib.Scene.HeadlessScene import headlessScene

    with headlessScene() as (scene, _):
        yield scene


@examples(40)
@given(st.sampled_from(("Confidence", "Centre", "Bounds", "OrientedBox", "DetectedLevel", "Oriented", "Complete")),
       NUMBERS_TEXT)
def test_damagedNumbersOfASceneAreReadOrRefused(scene, attribute, value):
    from CervicalSpineDetectionLib.Scene.VertebraNodes import addVertebrae, vertebraeFromNodes
    from CervicalSpineDetectionLib.Scene.VertebraState import PREFIX

    boxNode, *_ = addVertebrae(scene, RESULT)
    boxNode.SetAttribute(PREFIX + attribute, value)
    try:
        found = vertebraeFromNodes(scene)
    except InputError:
        return
    finally:
        for className in ("vtkMRMLMarkupsROINode", "vtkMRMLMarkupsFiducialNode"):
            for node in list(scene.GetNodesByClass(className)):
                scene.RemoveNode(node)
    for vertebra in found:
        for numbers in (vertebra.bounds.minimum, vertebra.bounds.maximum, vertebra.orientedBox.axes):
            assert np.isfinite(numbers).all()


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "w.safetensors"
    saveWeights(path, {"a": torch.ones(4), "b": torch.zeros(2, 3)}, CARD)
    return path, path.read_bytes(), json.loads(path.with_suffix(".json").read_text())


@examples(150)
@given(EDITS)
def test_damagedWeightsWithAMatchingCardAreReadOrRefused(weights, edits):
    path, data, card = weights
    data = edited(data, edits)
    path.write_bytes(data)
    path.with_suffix(".json").write_text(json.dumps({**card, "sha256": hashlib.sha256(data).hexdigest()}))

    try:
        _, tensors = loadWeights(path)
    except InputError:
        return
    assert all(tensor.isfinite().all() for tensor in tensors.values())


@examples(150)
@given(st.sampled_from(sorted(CARD)), JSON)
def test_changedCardsAreReadOrRefused(weights, field, value):
    path, _, card = weights
    path.with_suffix(".json").write_text(json.dumps({**card, field: value}))

    try:
        assert readCard(path)[field] == value
    except InputError:
        pass
