"""Label maps, masks and centroids of results: what goes out comes back the same."""

import json

import numpy as np
import publicDataSets as made
import pytest
import SimpleITK as sitk
from exportFixtures import grid, neckVertebrae, placesOf, vertebra

from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Imaging.ImageGeometry import imageGeometry
from CervicalSpineDetectionLib.Results.Centroids import readCentroids, writeCentroids
from CervicalSpineDetectionLib.Results.LabelMapExport import boneMask, boxMap, checkGrid, numberedAsTotalSegmentator
from CervicalSpineDetectionLib.Spine.Levels import LEVELS, Level, levelOfCode
from CervicalSpineDetectionLib.Spine.Vertebra import DetectionResult


@pytest.mark.parametrize("axes", ["LPS", "PIR", "RAI"])
def test_boxComesBackFromItsLabels(axes):
    box = vertebra("C5", (3.2, -4.1, 1.7), (40, 30, 16))

    labels = boxMap([box], grid(axes=axes))

    places = (placesOf(labels, 5) - box.orientedBox.centre) @ box.orientedBox.axes.T
    np.testing.assert_allclose(places.mean(axis=0), 0, atol=0.1)
    # Voxel centres lie within the box, and up to a voxel from its faces.
    assert (np.abs(places).max(axis=0) <= box.orientedBox.size / 2 + 1e-6).all()
    assert (np.abs(places).max(axis=0) > box.orientedBox.size / 2 - 1.0).all()
    assert len(places) == pytest.approx(40 * 30 * 16, rel=0.01)
    assert labels.GetDirection() == grid(axes=axes).GetDirection()


def test_labelsOfAllLevelsFollowTheNumbering():
    assert [level.code for level in LEVELS] == list(range(1, 12))
    assert [levelOfCode(label) for label in (1, 7, 8)] == ["C1", "C7", "T1"]


def test_totalSegmentatorsNumbersAreThoseOfItsTaskTotal():
    # From TotalSegmentator's map_to_binary.py, class_map["total"].
    codes = {"C1": 50, "C7": 44, "T1": 43, "T12": 32, "L1": 31, "L5": 27}
    assert {name: Level(name).totalSegmentatorCode for name in codes} == codes

    labels = numberedAsTotalSegmentator(boxMap(neckVertebrae(), made.madeNeck()[0]))

    assert set(np.unique(sitk.GetArrayViewFromImage(labels))) == {0, *range(50, 50 - made.LEVELS, -1)}


@pytest.mark.parametrize("axes", ["LPS", "PIR", "RAI"])
def test_centroidsComeBackAndAreVoxelsAlongTheNamedAxes(tmp_path, axes):
    image = sitk.DICOMOrient(made.madeNeck()[0], axes)
    result = DetectionResult(neckVertebrae())

    writeCentroids(tmp_path / "neck_ctd.json", result, image)

    head, *entries = json.loads((tmp_path / "neck_ctd.json").read_text())
    assert head["direction"] == list(axes) and "RAS" in head["frame"]
    for vertebra_, entry in zip(result.vertebrae, entries, strict=True):
        assert entry["label"] == vertebra_.level.code
        # As TPTBox computes them: rotation, zoom and origin are RAS.
        ras = np.array(head["rotation"]) @ (np.array([entry[axis] for axis in "XYZ"]) * head["zoom"]) + head["origin"]
        np.testing.assert_allclose(ras, vertebra_.centre * [-1, -1, 1], atol=0.01)
    for orientation in ("LPS", "SAR"):
        found = readCentroids(tmp_path / "neck_ctd.json", sitk.DICOMOrient(image, orientation))
        for vertebra_ in result.vertebrae:
            np.testing.assert_allclose(found[vertebra_.level.code], vertebra_.centre, atol=0.01)


def test_overlapGoesToTheNearerBox():
    upper = vertebra("C3", (0, 0, 6), (30, 30, 16), np.eye(3))
    lower = vertebra("C4", (0, 0, -6), (30, 30, 16), np.eye(3))

    labels = boxMap([upper, lower], grid())

    assert placesOf(labels, 3)[:, 2].min() > -0.1 and placesOf(labels, 4)[:, 2].max() < 0.1
    assert len(placesOf(labels, 3)) + len(placesOf(labels, 4)) == pytest.approx(31 * 31 * 29, rel=0.05)


def test_boxBeyondTheImageIsCutAtItsEdge():
    half, outside = vertebra("C1", (0, 0, 30), (30, 30, 30), np.eye(3)), vertebra("C2", (0, 0, 300), (9, 9, 9))

    labels = boxMap([half, outside], grid())

    voxels = sitk.GetArrayFromImage(labels)
    assert (voxels[-1] == 1).any() and not (voxels == 2).any()


def test_boneMaskIsTheBoneOfEachBox():
    ct, truth = made.madeNeck()

    mask = boneMask(neckVertebrae(), ct)

    np.testing.assert_array_equal(sitk.GetArrayFromImage(mask), sitk.GetArrayFromImage(truth))


def test_marrowIsFilled():
    ct, truth = made.madeNeck()
    voxels = sitk.GetArrayFromImage(ct)
    labels = sitk.GetArrayFromImage(truth)
    z = int(np.median(np.nonzero(labels == 5)[0]))
    voxels[z - 2 : z + 2, 17:21, 17:23] = 60
    assert (labels[z - 3 : z + 3, 16:22, 16:24] == 5).all()

    mask = sitk.GetArrayFromImage(boneMask(neckVertebrae(), made.placed(voxels)))

    np.testing.assert_array_equal(mask == 5, labels == 5)


def test_largerBoneApartFromTheBodyIsLeft():
    ct, truth = made.madeNeck()
    voxels = sitk.GetArrayFromImage(ct)
    body = (sitk.GetArrayFromImage(truth) == 5) & (np.arange(made.SIZE[1])[None, :, None] < 23)
    voxels[sitk.GetArrayFromImage(truth) == 5] = made.FLESH
    voxels[body] = made.BONE
    vertebrae = neckVertebrae()
    box = vertebrae[4].orientedBox
    vertebrae[4] = vertebra("C5", box.centre, box.size + (30, 20, 0), np.eye(3), vertebrae[4].centre)
    slices = np.unique(np.nonzero(body)[0])
    voxels[slices[0] : slices[-1] + 1, 12:38, 31:36] = made.BONE
    wide = sitk.GetArrayFromImage(boxMap(vertebrae, made.placed(voxels))) == 5
    assert (wide & ~body & (voxels == made.BONE)).sum() > body.sum()

    mask = sitk.GetArrayFromImage(boneMask(vertebrae, made.placed(voxels)))

    np.testing.assert_array_equal(mask == 5, body)


def test_thinBoneOfPartialVolumeStaysInTheMask():
    ct, truth = made.madeNeck()
    voxels = sitk.GetArrayFromImage(ct)
    labels = sitk.GetArrayFromImage(truth)
    arch = (labels == 4) & (np.arange(made.SIZE[1])[None, :, None] > 24)
    voxels[arch] = 260

    mask = sitk.GetArrayFromImage(boneMask(neckVertebrae(), made.placed(voxels)))

    assert (mask[arch] == 4).all()


def test_resultOfAnotherCtIsRefused():
    image = grid()
    result = DetectionResult([], image=imageGeometry(image))
    checkGrid(result, image)

    for other in (grid(size=(60, 70, 51)), grid(spacing=(1, 1, 1.2)), grid(axes="RAS")):
        with pytest.raises(InputError, match="another grid"):
            checkGrid(result, other)
