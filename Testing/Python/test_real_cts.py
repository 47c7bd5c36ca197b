"""Real CTs against hand-drawn boxes (one reader, about 3 mm exact): two through the whole command, ten in figures."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from CervicalSpineDetectionLib.CommandLine.Main import main
from CervicalSpineDetectionLib.Imaging.ReadImage import readImage
from CervicalSpineDetectionLib.Pipeline import detectVertebrae
from CervicalSpineDetectionLib.Results.ResultJson import fromJson
from CervicalSpineDetectionLib.SliceDetector.YoloDetector import loadDetector

REPOSITORY = Path(__file__).resolve().parents[2]
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


def test_aLevelThatTheReferenceLeavesOutIsCutAndFlagged(run):
    """Of C7, the upper edge is in view in one CT."""
    references, result, _ = run
    others = [vertebra for vertebra in result.vertebrae if vertebra.level not in references]
    assert len(others) <= 1 and all(vertebra.uncertain and not vertebra.complete for vertebra in others)


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


def test_aCtMirroredLeftToRightHasTheMirroredCentresAndSides(sharedData):
    """Nothing on the way from voxels to centres prefers a side, by half a voxel or a slice; nor do the weights."""
    image = readImage(sharedData / "openkbp" / "pt_15_ct.nii.gz")
    mirrored = sitk.Flip(image, (True, False, False))
    mirrored.CopyInformation(image)
    middle = np.mean([image.TransformIndexToPhysicalPoint((index, 0, 0))[0] for index in (0, image.GetSize()[0] - 1)])
    detector = loadDetector(device="cpu", forOneCt=True)
    one, other = (detectVertebrae(each, detector).vertebrae for each in (image, mirrored))
    assert [vertebra.level for vertebra in one] == [vertebra.level for vertebra in other]
    for placeOf, mean, most in ((lambda vertebra: vertebra.centre, 0.1, 0.5),
                                (lambda vertebra: vertebra.bounds.centre, 0.15, 1.5)):
        shifts = [(placeOf(a)[0] + placeOf(b)[0]) / 2 - middle for a, b in zip(one, other, strict=True)]
        assert abs(np.mean(shifts)) < mean and np.abs(shifts).max() < most


def test_halfANeckIsNotTakenForATurnedOne(sharedData):
    """The left half of one CT: its like lies in a plane 59 degrees off, but is none."""
    whole = readImage(sharedData / "openkbp" / "pt_4_ct.nii.gz")
    detector = loadDetector(device="cpu")
    reference = {vertebra.level: vertebra for vertebra in detectVertebrae(whole, detector).vertebrae}
    middle = np.median([vertebra.centre for vertebra in reference.values()], axis=0)
    columns = np.round(whole.TransformPhysicalPointToContinuousIndex(middle.tolist())[0])
    half = whole[int(columns) - 1 :, :, :] if whole.GetDirection()[0] > 0 else whole[: int(columns) + 2, :, :]

    result = detectVertebrae(half, detector)

    assert not any("turned" in warning for warning in result.warnings)
    named = [vertebra for vertebra in result.vertebrae if not vertebra.uncertain]
    assert len(named) >= 6
    assert all(np.linalg.norm(one.centre - reference[one.level].centre) < 8 for one in named)


def test_theCommandReadsOneFileOfTheSeriesAsTheWholeSeries(sharedData):
    from CervicalSpineDetectionLib.Imaging.ReadImage import readImage

    folder = sharedData / "pycerr_hn" / "dicom"
    whole, one = readImage(folder), readImage(sorted(folder.iterdir())[40])
    assert np.array_equal(sitk.GetArrayViewFromImage(whole), sitk.GetArrayViewFromImage(one))


# Row of the tables in README.md and the pages -> (figure of ``Evaluation.Metrics.summary``, factor, tolerance beyond
# rounding: slices are looked at in the precision that the processor is fast in).
FIGURE_ROWS = {
    "cervical levels in the reference": ("levels", 1, 0),
    "missed levels": ("missedLevels", 1, 0),
    "false levels": ("falseLevels", 1, 0),
    "identification rate, VerSe rule (nearest, 20 mm)": ("identificationRate20mm", 100, 0),
    "the same within 8 mm": ("identificationRate8mm", 100, 0),
    "scans with all levels right": ("allLevelsRightPerScan", 100, 0),
    "centre error, median": ("centreErrorMedian", 1, 0.1),
    "centre error, 95th percentile": ("centreError95", 1, 0.2),
    "mean 3D IoU of the boxes (missed: 0)": ("meanIou", 1, 0.01),
}


@pytest.fixture(scope="module")
def figures(sharedData):
    """Summary of all ten development CTs."""
    from CervicalSpineDetectionLib.Evaluation.Cases import casesIn
    from CervicalSpineDetectionLib.Evaluation.Metrics import scoreCase, summary
    from CervicalSpineDetectionLib.Pipeline import detectVertebrae
    from CervicalSpineDetectionLib.SliceDetector.YoloDetector import loadDetector

    detector = loadDetector(device="cpu")
    return summary([scoreCase(case.name, detectVertebrae(case.image, detector).vertebrae, case.references, case.slivers)
                    for case in casesIn(sharedData / "labels")])


@pytest.mark.parametrize("row", FIGURE_ROWS)
def test_theFiguresOfTheTenDevelopmentCtsAreThoseOfThePages(figures, row):
    pages = [REPOSITORY / "README.md", REPOSITORY / "Resources" / "Documentation" / "HowGoodHowFast.md"]
    pattern = rf"^\| {re.escape(row)} \| ([\d.]+)"
    found = [stated for page in pages for stated in re.findall(pattern, page.read_text(encoding="utf-8"), re.MULTILINE)]
    name, factor, tolerance = FIGURE_ROWS[row]

    assert found
    for stated in found:
        rounding = 0.5 * 10.0 ** -len(stated.partition(".")[2]) if "." in stated else 0
        assert figures[name] * factor == pytest.approx(float(stated), abs=rounding + tolerance + 1e-9)
