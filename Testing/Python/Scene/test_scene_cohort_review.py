"""A cohort's CTs come back as they were left, the most doubtful first."""

import csv
import json

import pytest

pytest.importorskip("slicer", reason="needs slicer-core")

from reviewFixtures import writeCohort
from sceneFixtures import assertSameVertebrae, madeResult

from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Imaging.ReadImage import readImage
from CervicalSpineDetectionLib.Results.ResultJson import readJson
from CervicalSpineDetectionLib.Scene.CohortReview import CohortReview, removeScan
from CervicalSpineDetectionLib.Scene.Corrections import Corrections
from CervicalSpineDetectionLib.Scene.HeadlessScene import headlessScene
from CervicalSpineDetectionLib.Scene.VertebraNodes import vertebraeFromNodes


@pytest.fixture
def results(tmp_path):
    return writeCohort(tmp_path)


def test_theMostDoubtfulComesFirstAndFailedOnesAreLeftOut(results):
    assert [scan.name.split("-")[0] for scan in CohortReview(results).scans] == ["doubtful", "sure"]


def test_whatWasDetectedIsOpened(results):
    review = CohortReview(results)
    with headlessScene() as (scene, _):
        node = review.open(scene, review.scans[0])

        assertSameVertebrae(vertebraeFromNodes(scene, node), madeResult(("C4", "C5", "C6")).vertebrae, 0.02)
        assert node.GetImageData().GetDimensions() == (80, 80, 80)
        removeScan(scene, node)
        assert scene.GetNumberOfNodesByClass("vtkMRMLMarkupsNode") == 0 == scene.GetNumberOfNodesByClass(
            "vtkMRMLScalarVolumeNode")


def test_correctionsAndWhoReviewedThemAreThereTheNextTime(results):
    review = CohortReview(results)
    scan = review.scans[0]
    with headlessScene() as (scene, _):
        node = review.open(scene, scan)
        corrections = Corrections(scene, node)
        corrections.shift(1)
        corrections.confirmAll()
        review.save(scene, node, scan)
        review.setReviewed(scan, reviewer="N. N.")

    again = CohortReview(results)

    assert again.isReviewed(scan) and not again.isReviewed(again.scans[1])
    assert json.loads((results / "reviewed.json").read_text())[scan.name]["by"] == "N. N."
    with headlessScene() as (scene, _):
        opened = vertebraeFromNodes(scene, again.open(scene, scan))
    assert [vertebra.level for vertebra in opened] == ["C5", "C6", "C7"]
    assert all(vertebra.review.confirmed and vertebra.review.edited for vertebra in opened)
    # What the detector said stays.
    assert [v.level for v in readJson(results / "scans" / scan.name / "vertebrae.json").vertebrae] == ["C4", "C5", "C6"]


def test_thePagesListIsReadAndAMarkIsTakenBack(results):
    scan = CohortReview(results).scans[1]
    (results / "reviewed.json").write_text(json.dumps({scan.name: "2026-11-27T12:00:00Z"}))
    review = CohortReview(results)
    assert review.isReviewed(scan)

    review.setReviewed(scan, False)

    assert json.loads((results / "reviewed.json").read_text()) == {}


def test_theTableNamesReviewedResultsWithTheirCts(results, tmp_path):
    review = CohortReview(results)
    with pytest.raises(InputError, match="No CT was reviewed"):
        review.writeTable(tmp_path)
    scan = review.scans[0]
    with headlessScene() as (scene, _):
        review.save(scene, review.open(scene, scan), scan)
    review.setReviewed(scan)

    with open(review.writeTable(tmp_path / "scans"), newline="") as file:
        (row,) = csv.DictReader(file)

    assert row["patient"] == scan.name and len(readJson(row["path"]).vertebrae) == 3
    assert readImage(row["ct"]).GetSize() == (80, 80, 80)


@pytest.mark.parametrize(("spoil", "words"), [
    (lambda folder: (folder / "scans.csv").unlink(), "no results of a cohort"),
    (lambda folder: (folder / "scans.csv").write_text("a,b\n1,2\n"), "no results of a cohort"),
    (lambda folder: (folder / "reviewed.json").write_text("[1"), "can't be read"),
])
def test_whatIsNoCohortIsRefused(results, spoil, words):
    spoil(results)

    with pytest.raises(InputError, match=words):
        CohortReview(results)


def test_namesThatLeadElsewhereAreNotScans(results):
    with open(results / "scans.csv", "a", encoding="utf-8") as file:
        file.write("../../elsewhere,done,9,C1\n..,done,9,C1\n")

    assert len(CohortReview(results).scans) == 2


def test_aScanWithoutItsSceneIsRefused(results):
    review = CohortReview(results)
    (results / "scans" / review.scans[0].name / "scene.mrb").unlink()

    with headlessScene() as (scene, _), pytest.raises(InputError, match="with --scenes all"):
        review.open(scene, review.scans[0])
