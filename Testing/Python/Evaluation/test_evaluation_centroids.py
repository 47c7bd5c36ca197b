"""Centers alone as references, as VerSe and TPTBox store them."""

import csv
import json

import numpy as np
import publicDataSets as made
import pytest
import SimpleITK as sitk

from CervicalSpineDetectionLib.CommandLine.Main import main
from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Evaluation import Evaluate
from CervicalSpineDetectionLib.Evaluation.Cases import casesIn, countCases
from CervicalSpineDetectionLib.Evaluation.Metrics import scoreCase, summary
from CervicalSpineDetectionLib.Results.Centroids import readCentroids, writeCentroids
from CervicalSpineDetectionLib.Spine.Boxes import Bounds, OrientedBox
from CervicalSpineDetectionLib.Spine.Levels import SPINE_LEVELS
from CervicalSpineDetectionLib.Spine.Vertebra import DetectionResult, Vertebra

NAMES = [str(level) for level in SPINE_LEVELS[: made.LEVELS]]
LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0])


@pytest.fixture(scope="module")
def ct():
    return made.madeNeck()[0]


def vertebra(level, centre, confidence=0.9):
    bounds = Bounds(centre - 10, centre + 10)
    return Vertebra(level, confidence, centre, bounds, OrientedBox(centre, bounds.size, np.eye(3)))


def voxels(image):
    """Number -> voxel coordinates of the body's middle."""
    return {code: list(image.TransformPhysicalPointToContinuousIndex(made.bodyCentre(code).tolist()))
            for code in range(1, made.LEVELS + 1)}


def headOf(image):
    """As TPTBox describes a grid; rotation and origin are RAS."""
    axes = sitk.DICOMOrientImageFilter.GetOrientationFromDirectionCosines(image.GetDirection())
    direction = LPS_TO_RAS @ np.reshape(image.GetDirection(), (3, 3))
    return {"direction": list(axes), "zoom": list(image.GetSpacing()), "shape": list(image.GetSize()),
            "origin": (LPS_TO_RAS @ image.GetOrigin()).tolist(), "rotation": direction.tolist()}


def ofVerSe(image):
    """Direction alone, numbers."""
    return [{"direction": headOf(image)["direction"]},
            *({"label": code, **dict(zip("XYZ", place, strict=True))} for code, place in voxels(image).items())]


def withParts(image):
    """TPTBox's numbers: part of the vertebra times 256; 40 is the whole of it."""
    entries = [{"label": part * 256 + code, "X": x, "Y": y + (part == 40), "Z": z}
               for code, (x, y, z) in voxels(image).items() for part in (50, 40)]
    return [{**headOf(image), "format": "docker", "level_one_info": "Vertebra_Instance"}, *entries]


def byName(image):
    """What TPTBox writes unless it is told otherwise."""
    return [{**headOf(image), "format": "POI", "level_one_info": "Vertebra_Instance", "level_two_info": "Location"},
            {NAMES[code - 1]: {"Spinosus_Process": [0, 0, 0], "Vertebra_Corpus": place}
             for code, place in voxels(image).items()}]


def inMillimetres(system):
    def entries(image):
        matrix = LPS_TO_RAS if system == "nib" else np.eye(3)
        return [{"coordinate_system": system, "format": "POI_GLOBAL"},
                {NAMES[code - 1]: {"50": (matrix @ made.bodyCentre(code)).tolist()} for code in voxels(image)}]
    return entries


def rescaled(entries):
    """Of a copy with voxels of another size: file and CT differ, the places don't."""
    def of(image):
        zoom = [0.8, 1.0, 1.9]
        size = [int(n * s / z) for n, s, z in zip(image.GetSize(), image.GetSpacing(), zoom, strict=True)]
        grid = sitk.Image(size, sitk.sitkInt16)
        grid.SetSpacing(zoom)
        grid.SetDirection(image.GetDirection())
        shift = np.reshape(image.GetDirection(), (3, 3)) @ [0.3, -0.4, 0.2]
        grid.SetOrigin((np.array(image.GetOrigin()) + shift).tolist())
        return entries(grid)
    return of


@pytest.mark.parametrize("entries", [
    ofVerSe, withParts, byName, inMillimetres("itk"), inMillimetres("nib"), rescaled(withParts), rescaled(byName),
], ids=["VerSe", "parts", "names", "mm LPS", "mm RAS", "parts, other voxels", "names, other voxels"])
@pytest.mark.parametrize("marked", ["LPS", "LAS", "LPI", "PIR", "RAS"])
@pytest.mark.parametrize("stored", ["LPS", "RAI"])
def test_centersLieWhereTheyWereMarkedHoweverFileAndCtAreStored(tmp_path, ct, entries, marked, stored):
    (tmp_path / "a_ctd.json").write_text(json.dumps(entries(sitk.DICOMOrient(ct, marked))))

    centres = readCentroids(tmp_path / "a_ctd.json", sitk.DICOMOrient(ct, stored))

    assert list(centres) == list(range(1, made.LEVELS + 1))
    for code, centre in centres.items():
        np.testing.assert_allclose(centre, made.bodyCentre(code), atol=1e-6)


def withHead(change):
    def entries(image):
        head, *others = ofVerSe(image)
        return [{**head, **change}, *others]
    return entries


@pytest.mark.parametrize("entries, told", [
    (withHead({"zoom": [1.0, 1.0, 1.0]}), "voxels of another size"),
    (withHead({"shape": [60, 66, 144]}), "voxels of another size or number"),
    (lambda image: [headOf(image), {"label": 3, "X": 20, "Y": 20, "Z": 200}], "outside the CT"),
    (lambda image: [headOf(image), {"C3": {"Spinosus_Process": [20, 20, 20]}}], "no centers of vertebral bodies"),
    (lambda image: [headOf(image), {"label": 3, "X": float("nan"), "Y": 20, "Z": 20}], "no centers"),
    (lambda image: {"markups": []}, "another kind"),
    (lambda image: [{"label": 3, "X": 1, "Y": 2, "Z": 3}], "no centers|another kind"),
])
def test_centersThatCannotBePlacedAreRefused(tmp_path, ct, entries, told):
    (tmp_path / "a_ctd.json").write_text(json.dumps(entries(ct)))

    with pytest.raises(InputError, match=told):
        readCentroids(tmp_path / "a_ctd.json", ct)


@pytest.fixture
def folder(tmp_path, ct):
    made.write(ct, tmp_path / "sub-1_ct.nii.gz", "LAS")
    made.writeCentroids(tmp_path / "sub-1_seg-subreg_ctd.json", made.madeNeck()[1], "PIR")
    return tmp_path


def test_aCtWithCentroidsIsACaseWithoutBoxes(folder):
    (case,) = casesIn(folder)

    assert case.name == "sub-1" and countCases(folder) == 1 and case.labels is None
    assert list(case.references) == NAMES and case.slivers == {"T2"}
    for name, reference in case.references.items():
        assert reference.bounds is None
        np.testing.assert_allclose(reference.centre, made.bodyCentre(NAMES.index(name) + 1), atol=0.1 * made.SPACING)


def test_aFolderOfVerSeIsEvaluatedAsItIsUnpacked(tmp_path):
    made.verseFiles(tmp_path, *made.madeNeck(), name="sub-verse004_split-verse253")

    (case,) = casesIn(tmp_path / "dataset-verse19training")

    assert case.name == "sub-verse004_split-verse253" and list(case.references) == NAMES


def test_aLabelMapBesideTheCentroidsCounts(folder):
    made.write(made.madeNeck()[1], folder / "sub-1_labels.nii.gz")
    (folder / "sub-1_ct.nii.gz").rename(folder / "sub-1.nii.gz")

    (case,) = casesIn(folder)

    assert case.labels is not None and case.references["C3"].bounds is not None


def numbered(change):
    """The folder's file with other entries."""
    def of(entries):
        return [entries[0], *(changed for entry in entries[1:] if (changed := change(entry)))]
    return of


@pytest.mark.parametrize("change, told", [
    (numbered(lambda entry: None if entry["label"] == 4 else entry), "C4 is not marked"),
    (numbered(lambda entry: {**entry, "label": made.LEVELS + 1 - entry["label"]}), "C1 lies below C2"),
    (numbered(lambda entry: {**entry, "label": 28} if entry["label"] == 8 else None), "no level from C1"),
])
def test_levelsThatCannotBeRightAreRefused(folder, change, told):
    path = folder / "sub-1_seg-subreg_ctd.json"
    path.write_text(json.dumps(change(json.loads(path.read_text()))))

    with pytest.raises(InputError, match=told):
        list(casesIn(folder))


def test_centroidsWithoutTheirCtAreTold(folder):
    (folder / "sub-1_ct.nii.gz").unlink()

    with pytest.raises(InputError, match="needs exactly one CT sub-1.nii.gz"):
        list(casesIn(folder))


def test_levelsAndCenterErrorsCountAndBoxesDoNot(folder):
    (case,) = casesIn(folder)
    found = [vertebra("C3", case.references["C3"].centre + [0, 3, 4]), vertebra("C5", case.references["C4"].centre)]

    figures = summary([scoreCase(case.name, found, case.references, case.slivers)])

    assert figures["levels"] == 7 and figures["missedLevels"] == 5 and figures["identificationRate8mm"] == 1 / 7
    assert figures["centreErrorMedian"] == pytest.approx((5 + np.hypot(15, 1.5)) / 2, abs=0.2)
    assert np.isnan(figures["meanIou"]) and np.isnan(figures["edgeErrorMedian"]).all()


def test_theCommandTakesCentroidsAndOurOwnAreAPerfectScore(folder, monkeypatch, capsys):
    """Out by ``export``, in by ``evaluate``: the same centers."""
    from CervicalSpineDetectionLib.SliceDetector import YoloDetector

    (case,) = casesIn(folder)
    result = DetectionResult([vertebra(name, reference.centre) for name, reference in case.references.items()][:7])
    writeCentroids(folder / "sub-1_seg-subreg_ctd.json", result, case.image)

    class Detector:
        pixelSize, sliceSpacing, window, model = 1.0, 2.0, (-200.0, 1000.0), {"name": "made", "sha256": "0" * 64}

    monkeypatch.setattr(YoloDetector, "loadDetector", lambda *_, **__: Detector())
    monkeypatch.setattr(Evaluate, "detectVertebrae", lambda *_: result)
    assert main(["evaluate", "--cases", str(folder), "-o", str(folder / "out")]) == 0

    figures = json.loads((folder / "out" / "evaluation.json").read_text())
    assert figures["allLevelsRightPerScan8mm"] == 1 and figures["centreError95"] < 0.01
    assert figures["meanIou"] is None and figures["edges"]["superior"]["medianAbsolute"] is None
    assert (folder / "out" / "contact_sheet_1.png").is_file()
    rows = list(csv.DictReader(open(folder / "out" / "cases.csv")))
    assert rows[0]["iou"] == "" and rows[0]["centreError"] == "0.00"
    printed = capsys.readouterr().out
    assert "nan" not in printed
    assert "C1 0.0mm  C2 0.0mm" in printed and "mean 3D IoU (missed: 0)                               -" in printed


def test_viewsAreNotCutByCentersAlone(folder, monkeypatch, capsys):
    from CervicalSpineDetectionLib.SliceDetector import YoloDetector

    monkeypatch.setattr(YoloDetector, "loadDetector", lambda *_, **__: None)

    assert main(["evaluate", "--windows", "--cases", str(folder), "-o", str(folder / "out")]) == 2
    assert "sub-1 has centers only" in capsys.readouterr().err
