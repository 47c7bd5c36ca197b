"""The whole command on real CTs, against hand-drawn boxes (one reader, about 3 mm exact)."""

import json
import shutil

import numpy as np
import pytest
import SimpleITK as sitk

from CervicalSpineDetectionLib.CommandLine.Main import main
from CervicalSpineDetectionLib.Results.ResultJson import fromJson

CASES = {"pycerr_hn": "pycerr_hn/dicom", "slicer_cthead": "slicer_cthead/dicom"}


@pytest.fixture(scope="module", params=CASES)
def run(request, sharedData, tmp_path_factory):
    """(reference levels, result, output folder) of one real CT."""
    output = tmp_path_factory.mktemp(request.param)
    assert main(["detect", str(sharedData / CASES[request.param]), "--output", str(output), "--device", "cpu"]) == 0
    labels = json.loads((sharedData / "labels" / f"{request.param}.json").read_text())
    result = fromJson(json.loads((output / "vertebrae.json").read_text()))
    yield labels["vertebrae"], result, output
    shutil.rmtree(output)


def test_atLeastFiveLevelsAreRightlyNamedWithin6mm(run):
    references, result, _ = run
    right = []
    for vertebra in result.vertebrae:
        distances = {level: np.linalg.norm(vertebra.centre - entry["centre"])
                     for level, entry in references.items() if entry["centre"]}
        if min(distances, key=distances.get) == vertebra.level and distances[vertebra.level] < 6:
            right.append(vertebra.level)
    assert len(right) >= 5, right


def test_noLevelIsFoundThatIsNotThere(run):
    references, result, _ = run
    assert {vertebra.level for vertebra in result.vertebrae} <= set(references)


def test_theVertebraAtTheImageEdgeIsMarked(run):
    _, result, _ = run
    assert not result.vertebrae[-1].complete


def test_theSceneReadBackHasTheSameBoxes(run, tmp_path):
    pytest.importorskip("slicer", reason="needs slicer-core")
    from sceneFixtures import nodesOfClass, readScene

    from CervicalSpineDetectionLib.Scene.VertebraNodes import vertebraeFromNodes

    _, result, output = run
    with readScene(output / "scene.mrb", tmp_path) as scene:
        (volumeNode,) = nodesOfClass(scene, "vtkMRMLScalarVolumeNode")
        back = vertebraeFromNodes(scene, volumeNode)
        assert [v.level for v in back] == [v.level for v in result.vertebrae]
        for got, wanted in zip(back, result.vertebrae, strict=True):
            assert np.allclose(got.bounds.minimum, wanted.bounds.minimum, atol=0.01)
            assert np.allclose(got.bounds.maximum, wanted.bounds.maximum, atol=0.01)
            assert np.allclose(got.centre, wanted.centre, atol=0.01)


def test_aDicomThatHoldsHuPlus1024IsCorrectedAndTold(run):
    _, result, output = run
    shifted = "slicer_cthead" in output.name
    assert any("1024" in warning for warning in result.warnings) == shifted


def test_theNiftiAndTheDicomOfOneScanGiveTheSameBoxes(sharedData, tmp_path):
    vertebrae = []
    for name in ("slicer_cthead/dicom", "slicer_cthead/cthead_HUminus1024.nii.gz"):
        arguments = ["detect", str(sharedData / name), "--output", str(tmp_path), "--no-scene", "--no-preview"]
        assert main(arguments) == 0
        vertebrae.append(fromJson(json.loads((tmp_path / "vertebrae.json").read_text())).vertebrae)
    assert [v.level for v in vertebrae[0]] == [v.level for v in vertebrae[1]]
    for first, second in zip(*vertebrae, strict=True):
        assert np.allclose(first.centre, second.centre, atol=0.5)


def test_theCommandReadsOneFileOfTheSeriesAsTheWholeSeries(sharedData):
    from CervicalSpineDetectionLib.Imaging.ReadImage import readImage

    folder = sharedData / "pycerr_hn" / "dicom"
    whole, one = readImage(folder), readImage(sorted(folder.iterdir())[40])
    assert np.array_equal(sitk.GetArrayViewFromImage(whole), sitk.GetArrayViewFromImage(one))
