"""Files damaged at random: what is read or refused counts as right; any other error, a crash or a hang does not.

A few inputs are tried in every run, and many with FUZZ_TIMES=100 in the environment (see ``fuzzing.py``).
"""

import hashlib
import json

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from commandFixtures import CARD
from dicomSeries import writeFrames, writeSeries
from fuzzing import examples
from hypothesis import given
from hypothesis import strategies as st
from test_files_results import RESULT, document

from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Imaging.ReadImage import readImage
from CervicalSpineDetectionLib.Results.ResultJson import fromJson
from CervicalSpineDetectionLib.SliceDetector.Weights import loadWeights, readCard, saveWeights

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
