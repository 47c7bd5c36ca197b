import numpy as np
import SimpleITK as sitk

from CervicalSpineDetectionLib.SliceDetector.Detector import BODY_CLASS
from CervicalSpineDetectionLib.Truth.SliceBoxes import boxesInSlice, middlesOf
from CervicalSpineDetectionLib.Truth.Vertebrae import vertebraCentres, vertebraeOf

# A vertebra of one slice: body of 12 x 14 pixels, canal of 12, arch of 8 x 20.
BODY = (slice(20, 34), slice(10, 22))
ARCH = (slice(24, 32), slice(34, 54))


def vertebraSlice(code=4):
    labels = np.zeros((60, 70), np.uint8)
    labels[BODY] = labels[ARCH] = code
    return labels


def test_theBoxSpansBodyAndArch():
    boxes = boxesInSlice(vertebraSlice(), 0, {4: 0}, 1.0)
    assert (3, 10, 20, 54, 34) in boxes


def test_theBodyIsThePartBeforeTheCanal():
    boxes = boxesInSlice(vertebraSlice(), 0, {4: 0}, 1.0)
    assert (BODY_CLASS, 10, 20, 22, 34) in boxes


def test_besideTheCanalThereIsNoBodyBox():
    assert [box[0] for box in boxesInSlice(vertebraSlice(), 15, {4: 0}, 1.0)] == [3]


def test_theAnteriorArchStandsForTheAtlasBody():
    labels = np.zeros((60, 70), np.uint8)
    labels[22:32, 10:16] = labels[24:32, 44:52] = 1  # 60 square mm: too little for a body
    assert boxesInSlice(labels, 0, {1: 0}, 1.0) == [(0, 10, 22, 52, 32), (BODY_CLASS, 10, 22, 16, 32)]
    labels[labels == 1] = 4
    assert [box[0] for box in boxesInSlice(labels[:, :], 0, {4: 0}, 1.2)] == [3, BODY_CLASS]
    assert [box[0] for box in boxesInSlice(labels[:, :], 0, {4: 0}, 0.9)] == [3]


def test_theAxisBodyIsBelowItsDens():
    labels = np.zeros((60, 70), np.uint8)
    labels[10:50, 10:22] = labels[34:44, 34:54] = 2
    body = next(box for box in boxesInSlice(labels, 0, {2: 0}, 1.0) if box[0] == BODY_CLASS)
    assert body[4] == 50 and 26 < body[2] < 32


def test_aSpeckIsNoBox():
    labels = np.zeros((60, 70), np.uint8)
    labels[5:9, 5:9] = 4
    assert boxesInSlice(labels, 0, {4: 0}, 1.0) == []


def labelImage():
    """Two vertebrae over 40 mm of width, the canal 12 mm wide in the middle; spacing 1 mm, origin (5, 6, 7)."""
    volume = np.zeros((40, 70, 80), np.uint8)  # x, y, z
    for code, top in ((4, 60), (5, 40)):
        volume[:, 10:22, top - 14 : top] = code
        volume[:, 34:54, top - 10 : top - 2] = code
        for x in (*range(14), *range(26, 40)):
            volume[x, 22:34, top - 10 : top - 2] = code
    image = sitk.GetImageFromArray(volume.transpose(2, 1, 0))
    image.SetOrigin((5, 6, 7))
    return image


def test_centresAreThoseOfTheBodies():
    centres = vertebraCentres(labelImage())
    assert np.allclose(centres["C4"], [5 + 19.5, 6 + 15.5, 7 + 52.5], atol=0.6)
    assert np.allclose(centres["C5"], [5 + 19.5, 6 + 15.5, 7 + 32.5], atol=0.6)


def test_boundsReachTheOuterFacesOfTheVoxels():
    upper = vertebraeOf(labelImage())[0]
    assert upper.level == "C4"
    assert np.allclose(upper.bounds.minimum, [4.5, 15.5, 52.5])
    assert np.allclose(upper.bounds.maximum, [44.5, 59.5, 66.5])


def test_aVertebraCutByTheFieldOfViewIsIncompleteAndASliverIsNone():
    whole = labelImage()
    cut = sitk.GetArrayFromImage(whole)
    cut[:30] = 0  # C5 spans z 26 to 39
    part = sitk.GetImageFromArray(cut)
    part.CopyInformation(whole)
    assert [(v.level, v.complete) for v in vertebraeOf(part, whole)] == [("C4", True), ("C5", False)]
    cut[:38] = 0
    sliver = sitk.GetImageFromArray(cut)
    sliver.CopyInformation(whole)
    assert [v.level for v in vertebraeOf(sliver, whole)] == ["C4"]


def test_theMiddleIsThatOfTheCanalNotOfTheMass():
    labels = np.zeros((9, 60, 70), np.uint8)
    labels[2:5] = vertebraSlice()  # canal
    labels[5:9, 20:34, 10:54] = 4  # a wide side
    labels[0] = vertebraSlice()  # parted again, beyond a slice without bone
    assert middlesOf(labels, np.arange(9) * 3.0, 1.0) == {4: 9.0}


def test_withoutACanalTheMiddleIsThatOfTheVoxels():
    labels = np.zeros((3, 4, 4), np.uint8)
    labels[0, :2] = labels[2] = 6
    assert middlesOf(labels, np.array([0.0, 1, 3]), 1.0) == {6: 2.0}


def test_theCentreIsThatOfTheWholeVertebra():
    whole = labelImage()
    cut = sitk.GetArrayFromImage(whole)
    cut[:, 36:] = 0  # most of the arch is out of view
    part = sitk.GetImageFromArray(cut)
    part.CopyInformation(whole)
    assert np.allclose(vertebraeOf(part, whole)[0].centre, vertebraeOf(whole)[0].centre)
