"""Public data sets: read as published, or told why not."""

import json

import numpy as np
import publicDataSets as made
import pytest
import SimpleITK as sitk

from CervicalSpineDetectionLib.CommandLine.ImportDataset import FORMATS, LABEL_MAP
from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Imaging.ReadImage import readImage
from CervicalSpineDetectionLib.Results.Centroids import readCentroids
from CervicalSpineDetectionLib.Spine.Levels import SPINE_LEVELS
from CervicalSpineDetectionLib.Truth.DataSets.DataSetCase import DataSetCase
from CervicalSpineDetectionLib.Truth.DataSets.Registry import SOURCES
from CervicalSpineDetectionLib.Truth.DataSets.Split import splitByPatient
from CervicalSpineDetectionLib.Truth.Masks import VERSE_NUMBERS, checkLevels, placedOn, renumbered


def labelsInPlace(source, case):
    """Labels where the importer puts them in the CT, on the made neck's grid."""
    labels, notes = placedOn(readImage(case.ct), source.labels(case), source.headersAgree)
    return sitk.GetArrayFromImage(labels), notes


def onlyCase(source, folder):
    (case,) = source.cases(folder)
    return case


@pytest.mark.parametrize("axes", ["PIR", "LPS", "ASR", "RAI"])
def test_verseIsReadInAnyOrientation(tmp_path, neck, axes):
    made.verseFiles(tmp_path, *neck, axes=axes)
    source = SOURCES["verse"]()

    case = onlyCase(source, tmp_path)

    np.testing.assert_array_equal(labelsInPlace(source, case)[0], sitk.GetArrayFromImage(neck[1]))
    assert (case.name, case.patient, case.split) == ("sub-verse004", "sub-verse004", "train")
    assert case.centroids


def test_verse2020AndSplitNamesBelongToTheirPatient(tmp_path, neck):
    made.verseFiles(tmp_path, *neck, "sub-verse500_dir-ax", "dataset-verse20validation", ctdSuffix="_seg-vb_ctd.json")
    made.verseFiles(tmp_path, *neck, "sub-verse401_split-verse253", "dataset-verse19test")
    made.verseFiles(tmp_path, *neck, "sub-gl003_dir-sag", "dataset-verse20training")

    cases = SOURCES["verse"]().cases(tmp_path)

    assert {(case.patient, case.split) for case in cases} == {
        ("sub-verse500", "val"), ("sub-verse401", "test"), ("sub-gl003", "train")}
    assert all(case.mask.is_file() and case.centroids.is_file() for case in cases)


def test_centroidsMayRunAlongOtherAxesThanTheImage(tmp_path, neck):
    made.writeCentroids(tmp_path / "ctd.json", neck[1], "PIR")

    centroids = readCentroids(tmp_path / "ctd.json", sitk.DICOMOrient(neck[1], "LAS"))

    for code in range(1, made.LEVELS + 1):
        np.testing.assert_allclose(centroids[code], made.bodyCentre(code), atol=0.1 * made.SPACING)


def test_centroidOfAnotherLevelIsRefused(tmp_path, neck):
    derivatives = made.verseFiles(tmp_path, *neck)
    path = derivatives / "sub-verse004_seg-subreg_ctd.json"
    entries = json.loads(path.read_text())
    entries[3]["label"], entries[4]["label"] = 4, 3
    path.write_text(json.dumps(entries))
    source = SOURCES["verse"]()

    with pytest.raises(InputError, match="centroid of C[34]"):
        source.labels(onlyCase(source, tmp_path))


def test_sacrumAndTransitionalNumbersAreNoLevel():
    mask = made.placed(np.arange(29, dtype=np.uint8).reshape(1, 1, 29))

    codes = sitk.GetArrayFromImage(renumbered(mask, VERSE_NUMBERS)).ravel()

    assert codes[:25].tolist() == list(range(25))  # C1 to L5
    assert not codes[25:].any()  # L6, sacrum, coccyx and T13 (28)


def test_unknownNumbersAreRefused():
    with pytest.raises(InputError, match="29"):
        renumbered(made.placed(np.full((1, 1, 3), 29, np.int16)), VERSE_NUMBERS)


def test_ctspine1kPairsMasksWithCtsWhereverTheyLie(tmp_path, neck):
    made.write(neck[0], tmp_path / "images" / "HN_P023.nii.gz")
    made.write(neck[1], tmp_path / "labels" / "HN_P023_seg.nii.gz", "RAS")
    (tmp_path / "data_split.txt").write_text("trainset:\nHN_P001.nii.gz\n\ntest_public:\nHN_P023.nii.gz\n")
    source = SOURCES["ctspine1k"]()

    case = onlyCase(source, tmp_path)

    assert (case.name, case.split) == ("HN_P023", "val")
    np.testing.assert_array_equal(labelsInPlace(source, case)[0], sitk.GetArrayFromImage(neck[1]))


@pytest.mark.parametrize("headFirst", [True, False])
def test_rsnaSlicesAndFlippedSegmentationMeet(tmp_path, neck, headFirst):
    made.dicomFiles(tmp_path / "train_images" / "1.2.826.0.1.1", neck[0], headFirst)
    made.write(neck[1], tmp_path / "segmentations" / "1.2.826.0.1.1.nii", "LAS")
    source = SOURCES["rsna2022"]()

    case = onlyCase(source, tmp_path)

    labels, notes = labelsInPlace(source, case)
    np.testing.assert_array_equal(labels, sitk.GetArrayFromImage(neck[1]))
    assert not notes


def test_rsnaHeaderThatIsOffIsToldAndItsVoxelsPutOnTheCt(neck):
    labels = sitk.Image(neck[1])
    labels.SetOrigin((0, 0, 0))

    placedLabels, notes = placedOn(neck[0], sitk.DICOMOrient(labels, "LAS"), headersAgree=False)

    np.testing.assert_array_equal(sitk.GetArrayFromImage(placedLabels), sitk.GetArrayFromImage(neck[1]))
    assert placedLabels.GetOrigin() == pytest.approx(made.ORIGIN)
    assert "mm off" in notes[0]


def test_totalSegmentatorStructuresBecomeOneMap(tmp_path, neck):
    totalSegmentatorFiles(tmp_path, neck)
    (tmp_path / "meta.csv").write_text("image_id;age;split\ns0011;50;test\n", encoding="utf-8")
    source = SOURCES["totalsegmentator"]()

    case = onlyCase(source, tmp_path)

    assert case.split == "test"
    np.testing.assert_array_equal(labelsInPlace(source, case)[0], sitk.GetArrayFromImage(neck[1]))


def totalSegmentatorFiles(folder, neck):
    made.write(neck[0], folder / "s0011" / "ct.nii.gz", "RAS")
    for code, level in enumerate(SPINE_LEVELS, 1):
        made.write(neck[1] == code, folder / "s0011" / "segmentations" / f"vertebrae_{level}.nii.gz", "RAS")


def test_totalSegmentatorWithoutAStructureIsRefused(tmp_path, neck):
    totalSegmentatorFiles(tmp_path, neck)
    (tmp_path / "s0011" / "segmentations" / "vertebrae_C5.nii.gz").unlink()
    source = SOURCES["totalsegmentator"]()

    with pytest.raises(InputError, match="vertebrae_C5"):
        source.labels(onlyCase(source, tmp_path))


def test_theCommandOffersAllDataSets():
    assert FORMATS == (*SOURCES, LABEL_MAP)


@pytest.mark.parametrize("name", SOURCES)
def test_anotherLayoutIsRefusedInASentence(tmp_path, name):
    with pytest.raises(InputError, match="holds no .*; give"):
        SOURCES[name]().cases(tmp_path)


@pytest.mark.parametrize("name", SOURCES)
def test_everyDataSetNamesItsLicenceAndPaper(name):
    source = SOURCES[name]()

    assert source.licence and "doi" in source.citation + source.address or "arXiv" in source.citation


@pytest.mark.parametrize(("axis", "complaint"), [(0, "upside down"), (1, "back to front")])
def test_mirroredLabelsAreRefused(neck, axis, complaint):
    mirrored = made.placed(np.flip(sitk.GetArrayFromImage(neck[1]), axis).copy())

    with pytest.raises(InputError, match=complaint):
        placedOn(neck[0], mirrored, headersAgree=True)


def test_labelsOfAnotherCtAreRefused(neck):
    elsewhere = made.placed(np.roll(sitk.GetArrayFromImage(neck[1]), 12, axis=2))

    with pytest.raises(InputError, match="don't lie on bone"):
        placedOn(neck[0], elsewhere, headersAgree=True)


def test_labelsOfAnotherSizeOrPlaceAreRefused(neck):
    with pytest.raises(InputError, match="voxels"):
        placedOn(neck[0], neck[1][:, :, :-3], headersAgree=True)
    shifted = sitk.Image(neck[1])
    shifted.SetOrigin(np.add(made.ORIGIN, (0, 0, 5)).tolist())
    with pytest.raises(InputError, match="5.0 mm"):
        placedOn(neck[0], shifted, headersAgree=True)


def test_namesThatCantBeRightAreRefused(neck):
    labels = sitk.GetArrayFromImage(neck[1])
    with pytest.raises(InputError, match="C1 lies below C2"):
        checkLevels(made.placed(np.where(labels > 0, 9 - labels, 0).astype(np.uint8)))
    with pytest.raises(InputError, match="C4 is not labelled"):
        checkLevels(made.placed(np.where(labels == 4, 0, labels)))
    with pytest.raises(InputError, match="No vertebra"):
        checkLevels(made.placed(labels * 0))


def test_patientsAreSplitWholeAndSharedOnesHeldOut(tmp_path):
    def case(name, patient, split=None):
        return DataSetCase(name, patient, tmp_path, tmp_path, split)

    splits = splitByPatient([case("a1", "a", "train"), case("a2", "a", "test"), case("b", "b", "train"),
                             *(case(f"{patient}{i}", f"p{patient}") for patient in range(40) for i in range(2))])

    assert splits["a"] == "test" and splits["b"] == "train"
    drawn = [splits[f"p{patient}"] for patient in range(40)]
    assert 0 < drawn.count("val") < 12
    fewer = splitByPatient([case("x", f"p{patient}") for patient in range(20)])
    assert all(fewer[patient] == splits[patient] for patient in fewer)
