"""``cervical-spine import``: slices by split and a card, gone on with where it stopped; mapping files."""

import json

import numpy as np
import publicDataSets as made
import pytest
import SimpleITK as sitk

from CervicalSpineDetectionLib.CommandLine.Main import main
from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.SliceDetector.Detector import BODY_CLASS
from CervicalSpineDetectionLib.Training.ImportedDataset import _earlier
from CervicalSpineDetectionLib.Truth.DataSets.LabelMap import LabelMap


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
