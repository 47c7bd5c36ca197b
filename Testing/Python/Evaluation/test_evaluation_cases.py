import csv
import json
from argparse import Namespace

import numpy as np
import pytest
import SimpleITK as sitk

from CervicalSpineDetectionLib.CommandLine.Main import main
from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Evaluation import Evaluate
from CervicalSpineDetectionLib.Evaluation.Cases import Case, alongPatientAxes, casesIn, referencesOf
from CervicalSpineDetectionLib.Evaluation.Metrics import Reference, scoreCase
from CervicalSpineDetectionLib.Evaluation.Pictures import COLUMNS, ROWS, pageCount, picture
from CervicalSpineDetectionLib.Evaluation.Report import figuresOf, remark, writeReport
from CervicalSpineDetectionLib.Spine.Boxes import Bounds


def image(array, spacing=(1.0, 1.0, 1.0)):
    """sitk image of an array (x, y, z)."""
    made = sitk.GetImageFromArray(np.ascontiguousarray(array.T))
    made.SetSpacing(spacing)
    made.SetOrigin((-30.0, -40.0, 100.0))
    return made


@pytest.fixture(scope="module")
def labels():
    """Two blocks C3 and C4, each body and arch with a canal between; and one of no vertebra (26: sacrum)."""
    array = np.zeros((60, 60, 70), np.uint8)
    for code, z in ((4, 10), (3, 30)):
        array[15:45, 10:50, z : z + 14] = code
        array[23:37, 26:40, z : z + 14] = 0
    array[20:40, 20:40, 55:60] = 26
    return image(array)


def levelsOnly(labels):
    return sitk.Mask(labels, labels <= 11)


@pytest.fixture
def folder(tmp_path, labels):
    ct = sitk.Cast(labels > 0, sitk.sitkInt16) * 600 - 200
    sitk.WriteImage(ct, str(tmp_path / "neck.nii.gz"))
    sitk.WriteImage(labels, str(tmp_path / "neck_labels.nii.gz"))
    return tmp_path


def test_aLabelMapBesideItsCtIsACase(folder):
    (case,) = casesIn(folder)
    assert case.name == "neck" and set(case.references) == {"C3", "C4"}
    bounds = case.references["C3"].bounds
    assert np.allclose(bounds.minimum, [-15.5, -30.5, 129.5], atol=0.6)
    assert np.allclose(bounds.maximum, [14.5, 9.5, 143.5], atol=0.6)
    assert np.allclose(case.references["C3"].centre[2], 136.5, atol=1)


def test_aLabelMapWithoutItsCtIsTold(folder):
    (folder / "neck.nii.gz").unlink()
    with pytest.raises(InputError, match="exactly one CT neck"):
        list(casesIn(folder))


def test_damagedReferenceBoxesAreTold(tmp_path):
    (tmp_path / "a.json").write_text('{"case": "a", "image": "a.nii.gz", "vertebrae": {"C3": {"min": [0, 0, 0]}}}')
    with pytest.raises(InputError, match="a.json holds no reference boxes"):
        list(casesIn(tmp_path))


def test_referencesDoNotDependOnHowTheLabelMapIsStored(labels):
    labels = levelsOnly(labels)
    expected = referencesOf(alongPatientAxes(labels))
    turned = sitk.Flip(sitk.PermuteAxes(labels, [2, 0, 1]), [True, False, True])
    oblique = sitk.Euler3DTransform((0.0, 0.0, 130.0), 0.1, 0.05, -0.08)
    matrix = np.array(oblique.GetMatrix()).reshape(3, 3)
    grid = sitk.Image([110, 110, 130], sitk.sitkUInt8)
    grid.SetSpacing([0.8] * 3)
    grid.SetDirection(matrix.ravel())
    grid.SetOrigin((np.array([0.0, -10, 135]) - matrix @ [44, 44, 52]).tolist())
    for stored in (turned, sitk.Resample(labels, grid, sitk.Transform(), sitk.sitkNearestNeighbor)):
        found = referencesOf(alongPatientAxes(stored))
        assert set(found) == set(expected)
        for level, reference in expected.items():
            assert np.allclose(found[level].bounds.minimum, reference.bounds.minimum, atol=1.6)
            assert np.allclose(found[level].bounds.maximum, reference.bounds.maximum, atol=1.6)
            assert np.allclose(found[level].centre, reference.centre, atol=1.6)


def test_aLevelWhoseBodyIsOutOfViewHasABoxAndNoCentre(labels):
    array = sitk.GetArrayFromImage(labels).T
    array[:40][array[:40] == 4] = 0
    references = referencesOf(alongPatientAxes(levelsOnly(image(array))))
    assert references["C4"].centre is None and references["C3"].centre is not None
    assert references["C4"].bounds.size[0] == pytest.approx(5, abs=0.1)


@pytest.mark.parametrize("change, told", [
    (lambda labels: sitk.Cast(labels == 26, sitk.sitkUInt8) * 26, "No vertebra"),
    (lambda labels: sitk.Cast(labels, sitk.sitkFloat32) * 0.5, "1.5"),
    (lambda labels: sitk.Flip(labels, [False, False, True]), "upside down"),
    (lambda labels: labels * 12, "numbering"),
])
def test_aLabelMapThatCannotBeRightIsRefused(folder, labels, change, told):
    changed = change(labels)
    changed.CopyInformation(labels)
    sitk.WriteImage(changed, str(folder / "neck_labels.nii.gz"))
    with pytest.raises(InputError, match=told):
        list(casesIn(folder))


class Nothing:
    """A detector that finds nothing, or what it is told."""

    pixelSize, sliceSpacing, window, model = 1.0, 2.0, (-200.0, 1000.0), {"name": "nothing", "sha256": "0" * 64}


@pytest.fixture
def found(monkeypatch):
    """List of Vertebra that every detection gives."""
    vertebrae = []
    from CervicalSpineDetectionLib.SliceDetector import YoloDetector
    from CervicalSpineDetectionLib.Spine import Vertebra

    monkeypatch.setattr(YoloDetector, "loadDetector", lambda *_, **__: Nothing())
    monkeypatch.setattr(Evaluate, "detectVertebrae", lambda *_: Vertebra.DetectionResult(list(vertebrae)))
    return vertebrae


def vertebra(level, reference, confidence=0.9):
    from CervicalSpineDetectionLib.Spine.Boxes import OrientedBox
    from CervicalSpineDetectionLib.Spine.Vertebra import Vertebra

    box = OrientedBox(reference.centre, reference.bounds.size, np.eye(3))
    doubt = "level uncertain" if confidence < 0.5 else ""
    return Vertebra(level, confidence, reference.centre, reference.bounds, box, doubt=doubt)


def boxCase(folder):
    """The label map case as reference boxes; :return: its references."""
    (case,) = casesIn(folder)
    entries = {level: {"min": r.bounds.minimum.tolist(), "max": r.bounds.maximum.tolist(), "centre": r.centre.tolist()}
               for level, r in case.references.items()}
    (folder / "boxes").mkdir()
    (folder / "boxes" / "neck.json").write_text(
        json.dumps({"case": "neck", "image": "neck.nii.gz", "vertebrae": entries}))
    return case.references


def test_theCommandWritesFiguresTableAndPictures(folder, found, tmp_path, capsys):
    references = boxCase(folder)
    found += [vertebra("C3", references["C3"]), vertebra("C5", references["C4"], 0.3)]
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "contact_sheet_7.png").touch()
    assert main(["evaluate", "--cases", str(folder / "boxes"), "--output", str(tmp_path / "out")]) == 0
    figures = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert figures["missedLevels"] == figures["falseLevels"] == 1 and figures["identificationRate8mm"] == 0.5
    assert figures["intervals"]["identificationRate8mm"] == [0.5, 0.5] and figures["bootstrap"]["resamples"] == 2000
    assert figures["edges"]["superior"] == {"medianAbsolute": 0, "bias": 0}
    assert figures["slices"] == {} and figures["perCase"][0]["falseLevels"] == {"C5": 0.3}
    rows = {row["level"]: row for row in csv.DictReader(open(tmp_path / "out" / "cases.csv"))}
    assert rows["C4"]["found"] == "False" and rows["C4"]["centreError"] == "" and rows["C3"]["centreError"] == "0.00"
    assert rows["C5"]["found"] == "false level"
    assert {p.name for p in (tmp_path / "out").glob("*.png")} == {"contact_sheet_1.png", "reliability.png"}
    assert "identification rate, nearest and 8 mm             50.0%   50.0% to 50.0%" in capsys.readouterr().out


def test_allThatIsFoundInANegativeScanIsFalse(folder, found, tmp_path):
    (case,) = casesIn(folder)
    found += [vertebra("C3", case.references["C3"], 0.8), vertebra("C4", case.references["C4"], 0.3)]
    (folder / "damaged.nii.gz").write_bytes(b"no image")
    assert main(["evaluate", "--negatives", str(folder / "neck.nii.gz"), str(folder / "damaged.nii.gz"),
                 "--output", str(tmp_path / "out")]) == 0
    negatives = json.loads((tmp_path / "out" / "evaluation.json").read_text())["negatives"]
    assert negatives["scans"] == 2 and negatives["refusedScans"] == 1
    assert negatives["falseLevels"] == 2 and negatives["falseLevelsUnflagged"] == 1
    assert negatives["perScan"][1] == {"case": "damaged.nii.gz", "levels": None}


def test_cervicalNamesInPhantomsOfOtherRegionsAreFalse(labels, found, tmp_path, monkeypatch):
    from CervicalSpineDetectionLib.Evaluation import Cases

    reference = referencesOf(alongPatientAxes(levelsOnly(labels)))["C3"]
    found += [vertebra("C6", reference, 0.9)]
    asked = []
    ct = sitk.Cast(labels > 0, sitk.sitkInt16) * 600 - 200
    monkeypatch.setattr(Cases, "phantomCases", lambda *arguments: asked.append(arguments) or [Case("a", ct, {})])
    assert main(["evaluate", "--phantoms", "1", "--region", "chest", "--output", str(tmp_path / "out")]) == 0
    figures = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert asked[0][3] == "chest" and figures["perCase"] == []
    assert figures["negatives"]["perScan"] == [{"case": "a", "levels": {"C6": 0.9}}]


@pytest.mark.parametrize("arguments, told", [
    (["--cases", ".", "--phantoms", "1"], "not both"), (["--phantoms", "1", "--workers", "0"], "positive numbers"),
    (["--negatives", "nowhere.nii.gz"], "does not exist"),
])
def test_whatCannotBeEvaluatedIsRefusedInOneLine(arguments, told, found, tmp_path, capsys):
    assert main(["evaluate", *arguments, "--output", str(tmp_path)]) == 2
    assert told in capsys.readouterr().err


def test_theContactSheetRunsOverPagesWorstFirst(labels, found, tmp_path):
    ct = sitk.Cast(labels > 0, sitk.sitkInt16) * 600 - 200
    references = referencesOf(alongPatientAxes(levelsOnly(labels)))
    found += [vertebra("C3", references["C3"])]
    cases = [Case(f"good {i}", ct, {"C3": references["C3"]}) for i in range(COLUMNS * ROWS)]
    cases.append(Case("bad", ct, references))
    evaluation = Evaluate.evaluateCases(cases, Nothing())
    pictures = evaluation.pictures
    assert pictures[0].name == "bad" and pictures[0].remark == "C4 missed" and not pictures[1].remark
    figures = figuresOf(evaluation.scores, evaluation.slices, [], {}, evaluation.orientedBoxes)
    writeReport(tmp_path, figures, evaluation.scores, pictures)
    assert len(list(tmp_path.glob("contact_sheet_*.png"))) == pageCount(len(cases)) == 2


def test_picturesShowAPointWhereItLies():
    array = np.full((60, 80, 90), 0, np.int16)
    array[::59, :, :] = -300
    array[30:34, 40:44, 50:54] = 1500
    centre = np.array([1.5, 1.5, 151.5])  # of the bright block: index 31.5, 41.5, 51.5
    reference = Reference(centre, Bounds(centre - 5, centre + 5))
    shown = picture(Case("a", image(array), {"C4": reference}), [], "")
    for pixels, (left, right, bottom, top), axis in shown.views:
        rows, columns = np.nonzero(pixels == pixels.max())
        assert bottom < top and left < right
        height = top - (rows.mean() + 0.5) / len(pixels) * (top - bottom)
        across = left + (columns.mean() + 0.5) / pixels.shape[1] * (right - left)
        assert height == pytest.approx(centre[2], abs=1.5) and across == pytest.approx(centre[axis], abs=1.5)


def test_remarksNameWhatIsWrong(labels):
    references = referencesOf(alongPatientAxes(levelsOnly(labels)))
    shifted = scoreCase("a", [vertebra("C3", references["C4"])], references)
    assert remark(shifted) == "C3 20 mm off (at C4), C4 missed"


def test_phantomsComeInTheOrderOfTheirSeedsFewAheadOfTheirTurn(monkeypatch):
    from concurrent.futures import ThreadPoolExecutor

    from CervicalSpineDetectionLib.Evaluation import Cases

    made = []
    monkeypatch.setattr(Cases.concurrent.futures, "ProcessPoolExecutor", lambda n, *_, **__: ThreadPoolExecutor(n))
    monkeypatch.setattr(Cases, "phantomCase", lambda seed, region, stratum: made.append(seed) or Namespace(seed=seed))
    cases = Cases.phantomCases(9, 500, workers=2)
    first = next(cases)
    assert len(made) <= 4
    assert [case.seed for case in (first, *cases)] == sorted(made) == list(range(500, 509))
    assert [case.seed for case in Cases.phantomCases(1, 500, workers=3)] == [500]


def test_aPhantomsVertebraWithItsCentreOutOfViewHasABoxOnly(monkeypatch):
    from CervicalSpineDetectionLib.Evaluation import Cases
    from CervicalSpineDetectionLib.Phantom import Phantom

    ct = sitk.Image([20, 20, 20], sitk.sitkInt16)
    ct[:, :, 10:] = -1024
    labels = sitk.Image([20, 20, 20], sitk.sitkUInt8)
    labels[3, 3, 3], labels[9, 9, 5] = 5, 3
    bounds = Bounds(np.zeros(3), np.full(3, 19.0))
    vertebrae = [Namespace(level=level, centre=np.array([9.0, 9, z]), bounds=bounds)
                 for level, z in (("C1", 30), ("C2", 14), ("C3", 5))]
    phantom = Namespace(ct=ct, labels=labels, fineLabels=labels, vertebrae=vertebrae)
    monkeypatch.setattr(Phantom, "makePhantom", lambda seed, region, stratum: phantom)
    case = Cases.phantomCase(3)
    references = case.references
    assert case.slivers == {"C5"}
    assert [references[level].centre is None for level in ("C1", "C2", "C3")] == [True, True, False]
    assert all(reference.bounds is bounds for reference in references.values())
