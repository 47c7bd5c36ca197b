"""Public data sets: read as published, or told why not."""

import json

import numpy as np
import publicDataSets as made
import pytest
import SimpleITK as sitk

from CervicalSpineDetectionLib.CommandLine.ImportDataset import FORMATS, LABEL_MAP
from CervicalSpineDetectionLib.CommandLine.Main import main
from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Imaging.ReadImage import readImage
from CervicalSpineDetectionLib.Results.Centroids import readCentroids
from CervicalSpineDetectionLib.SliceDetector.Detector import BODY_CLASS
from CervicalSpineDetectionLib.Spine.Levels import SPINE_LEVELS
from CervicalSpineDetectionLib.Training.ImportedDataset import _earlier
from CervicalSpineDetectionLib.Truth.DataSets.DataSetCase import DataSetCase
from CervicalSpineDetectionLib.Truth.DataSets.LabelMap import LabelMap
from CervicalSpineDetectionLib.Truth.DataSets.Registry import SOURCES
from CervicalSpineDetectionLib.Truth.DataSets.Split import splitByPatient
from CervicalSpineDetectionLib.Truth.Masks import VERSE_NUMBERS, checkLevels, placedOn, renumbered


@pytest.fixture(scope="module")
def neck():
    return made.madeNeck()


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


@pytest.fixture(scope="module")
def verseFolder(tmp_path_factory, neck):
    folder = tmp_path_factory.mktemp("verse")
    made.verseFiles(folder, *neck)
    made.verseFiles(folder, *neck, "sub-verse500_dir-ax", "dataset-verse20validation", axes="LPS")
    sacrum = made.placed(np.where(sitk.GetArrayFromImage(neck[1]) > 0, 26, 0).astype(np.uint8))
    made.verseFiles(folder, neck[0], sacrum, "sub-verse600", "dataset-verse20training")
    return folder


@pytest.fixture(scope="module")
def imported(tmp_path_factory, verseFolder):
    output = tmp_path_factory.mktemp("imported")
    assert main(["import", "--format", "verse", "--input", str(verseFolder), "--output", str(output),
                 "--slices", "5"]) == 0
    return output


def test_importWritesSlicesBySplitAndACard(imported):
    card = json.loads((imported / "dataset.json").read_text(encoding="utf-8"))

    assert card["sources"][0]["licence"] == "CC BY-SA 4.0" and "Sekuboyina" in card["sources"][0]["citation"]
    assert card["patients"] == {"train": 1, "val": 1, "test": 0}
    assert "No vertebra" in card["skipped"]["sub-verse600"]
    for split, name in (("train", "sub-verse004"), ("val", "sub-verse500")):
        pictures = sorted(path.stem for path in (imported / "images" / split).glob("*.png"))
        assert len(pictures) == card["slices"][split] > 0 and all(picture.startswith(name) for picture in pictures)
        assert pictures == sorted(path.stem for path in (imported / "labels" / split).glob("*.txt"))


def test_importedBoxesLieOnTheBonesOfThePicture(imported):
    from PIL import Image

    found = 0
    for path in (imported / "labels").rglob("*.txt"):
        picture = np.asarray(Image.open(imported / "images" / path.parent.name / f"{path.stem}.png"))[:, :, 1]
        for line in path.read_text().splitlines():
            kind, x, y, width, height = map(float, line.split())
            if kind == BODY_CLASS:
                continue
            left, right = (x - width / 2) * 256, (x + width / 2) * 256
            top, bottom = (y - height / 2) * 256, (y + height / 2) * 256
            box = picture[round(top) : round(bottom), round(left) : round(right)]
            # Bone fills the box but for the canal; just above and below is soft tissue.
            assert np.mean(box > 100) > 0.5
            assert picture[int(top) - 2, int((left + right) / 2)] < 80
            found += 1
    assert found > 20


def test_heldOutCasesCanBeEvaluated(imported):
    from CervicalSpineDetectionLib.Evaluation.Cases import casesIn

    (case,) = casesIn(imported / "heldout" / "val")

    assert case.name == "sub-verse500_dir-ax" and list(case.references) == [*(f"C{i}" for i in range(1, 8)), "T1"]
    np.testing.assert_allclose(case.references["C3"].centre, made.bodyCentre(3), atol=made.SPACING)
    assert not list((imported / "heldout" / "test").iterdir())


def test_firstPictureShowsTheBoxes(imported):
    from PIL import Image

    picture = np.asarray(Image.open(imported / "first_case.png").convert("RGB")).astype(int)

    assert (np.abs(picture - (255, 200, 0)).sum(axis=2) < 30).sum() > 1000


def test_importGoesOnWhereItStopped(imported, verseFolder, capsys):
    (imported / "cases" / "sub-verse500_dir-ax.json").unlink()
    old = (imported / "cases" / "sub-verse004.json").stat().st_mtime_ns
    before = {path: path.read_bytes() for path in (imported / "images").rglob("*.png")}

    assert main(["import", "--format", "verse", "--input", str(verseFolder), "--output", str(imported),
                 "--slices", "5"]) == 0

    assert "sub-verse004:" not in capsys.readouterr().out
    assert (imported / "cases" / "sub-verse004.json").stat().st_mtime_ns == old
    assert {path: path.read_bytes() for path in (imported / "images").rglob("*.png")} == before


@pytest.mark.shows("Faults", "loss of power")
@pytest.mark.parametrize("text", ["", "{", "[]", "[" * 100_000])
def test_aDamagedOutcomeIsDoneAgain(tmp_path, text):
    (tmp_path / "damaged.json").write_text(text)
    (tmp_path / "whole.json").write_text('{"reason": "", "slices": 3}')

    assert _earlier(tmp_path) == {"whole": {"reason": "", "slices": 3}}


@pytest.mark.parametrize("text", ["", "[]", "[" * 100_000, '{"title": "x"}'])
def test_aMappingThatCannotBeIsRefused(tmp_path, text):
    (tmp_path / "mapping.json").write_text(text)

    with pytest.raises(InputError, match="mapping file .* can't be used"):
        LabelMap(tmp_path / "mapping.json")


def test_importOfNothingUsableLeavesNoCard(tmp_path, neck, capsys):
    made.write(neck[1], tmp_path / "in" / "HN_P023_seg.nii.gz")

    assert main(["import", "--format", "ctspine1k", "--input", str(tmp_path / "in"),
                 "--output", str(tmp_path / "out")]) == 2

    assert "HN_P023.nii.gz can't be read" in capsys.readouterr().err
    assert not (tmp_path / "out" / "dataset.json").exists()


def test_anyLabelMapWithAMappingFile(tmp_path, neck):
    twenty = made.placed(sitk.GetArrayFromImage(neck[1]) + 20 * (sitk.GetArrayFromImage(neck[1]) > 0))
    for name in ("P1_a", "P1_b", "P2_a"):
        made.write(neck[0], tmp_path / "ct" / f"{name}.nrrd")
        made.write(twenty, tmp_path / "seg" / name / "vertebrae.nii.gz", "RAI")
    mapping = {"title": "ours", "licence": "none", "ct": "ct/{case}.nrrd", "labels": "seg/{case}/vertebrae.nii.gz",
               "numbers": {str(20 + i): f"C{i}" for i in range(1, 8)} | {"28": ""}, "patient": "(P[0-9]+)_"}
    (tmp_path / "mapping.json").write_text(json.dumps(mapping))
    output = tmp_path / "out"

    assert main(["import", "--format", "labelmap", "--input", str(tmp_path), "--mapping",
                 str(tmp_path / "mapping.json"), "--output", str(output), "--slices", "2"]) == 0

    card = json.loads((output / "dataset.json").read_text(encoding="utf-8"))
    assert card["sources"][0]["name"] == "ours" and sum(card["patients"].values()) == 2
    assert card["cases"]["P1_a"]["split"] == card["cases"]["P1_b"]["split"] != card["cases"]["P2_a"]["split"]
    assert card["cases"]["P1_a"]["levels"] == [f"C{i}" for i in range(1, 8)]


@pytest.mark.parametrize("mapping", ["{", '{"title": "a", "licence": "b", "ct": "{case}.nrrd", "labels": "x", '
                                     '"numbers": {}}', '{"title": "a"}'])
def test_badMappingFilesAreRefused(tmp_path, mapping, capsys):
    (tmp_path / "mapping.json").write_text(mapping)

    assert main(["import", "--format", "labelmap", "--input", str(tmp_path), "--mapping",
                 str(tmp_path / "mapping.json"), "--output", str(tmp_path / "out")]) == 2

    assert "mapping.json" in capsys.readouterr().err
