"""``cervical-spine corrections``: scenes and results to a data set, by patient, without identifiers."""

import json
import zipfile

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
from blockNeck import blockNeck
from oracleDetector import OracleDetector
from PIL import Image

from CervicalSpineDetectionLib.CommandLine.Main import main
from CervicalSpineDetectionLib.Pipeline import detectVertebrae
from CervicalSpineDetectionLib.Results.ResultJson import writeJson
from CervicalSpineDetectionLib.Scene.Corrections import Corrections
from CervicalSpineDetectionLib.Scene.HeadlessScene import headlessScene
from CervicalSpineDetectionLib.Scene.SceneCases import casesOfScene
from CervicalSpineDetectionLib.Scene.VertebraNodes import addVertebrae
from CervicalSpineDetectionLib.Scene.VolumeNodes import volumeNodeFromImage
from CervicalSpineDetectionLib.SliceDetector.Detector import BODY_CLASS
from CervicalSpineDetectionLib.Spine.Levels import CERVICAL_LEVELS, levelIndex

SECRETS = ("Doe", "Jane", "MRN4711")


@pytest.fixture(scope="module")
def neck():
    """(CT, detector, result)."""
    ct, labels = blockNeck()
    oracle = OracleDetector(ct, labels)
    return ct, oracle, detectVertebrae(ct, oracle)


def writeCorrectedScene(path, neck, correct=lambda corrections, nodes: corrections.confirmAll(), patient=None):
    """A scene as Slicer saves it, of a patient with name and ID where ``patient`` says so."""
    ct, _, result = neck
    path.parent.mkdir(parents=True, exist_ok=True)
    with headlessScene() as (scene, _):
        volumeNode = volumeNodeFromImage(scene, ct, "Doe Jane CT")
        if patient:
            hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
            item = hierarchy.CreateSubjectItem(hierarchy.GetSceneItemID(), "Doe^Jane")
            hierarchy.SetItemUID(item, "DICOM", patient)
            hierarchy.CreateItem(item, volumeNode)
        nodes = addVertebrae(scene, result, volumeNode)
        corrections = Corrections(scene, volumeNode)
        correct(corrections, nodes)
        corrections.release()
        assert scene.WriteToMRB(str(path.absolute()))


def writeResult(folder, neck):
    ct, _, result = neck
    folder.mkdir(parents=True)
    sitk.WriteImage(ct, str(folder / "Doe_Jane.nii.gz"))
    writeJson(folder / "vertebrae.json", result)


@pytest.fixture
def command(tmp_path, neck, monkeypatch):
    monkeypatch.setattr("CervicalSpineDetectionLib.SliceDetector.YoloDetector.loadDetector", lambda *_, **__: neck[1])

    def run(*arguments, slices=6):
        return main(["corrections", *map(str, arguments), "--output", str(tmp_path / "set"), "--slices", str(slices)])

    return run


def card(tmp_path):
    return json.loads((tmp_path / "set" / "dataset.json").read_text(encoding="utf-8"))


def patients(tmp_path, split):
    """Of the pictures of a split, by their names; each has its boxes."""
    pictures = {path.stem for path in (tmp_path / "set" / "images" / split).iterdir()}
    assert pictures == {path.stem for path in (tmp_path / "set" / "labels" / split).iterdir()}
    return {name.split("-")[0] for name in pictures}


def classes(tmp_path):
    return {int(line.split()[0]) for path in (tmp_path / "set" / "labels").rglob("*.txt")
            for line in path.read_text().splitlines()}


def test_onlyWhatAPersonTouchedIsSettled(neck, tmp_path):
    def correct(corrections, nodes):
        corrections.setConfirmed(nodes[0].GetID(), True)
        nodes[2].SetSize(50, 50, 15)
        corrections.setLocked(nodes[4].GetID(), True)

    writeCorrectedScene(tmp_path / "a.mrb", neck, correct, "MRN4711")
    (case,) = casesOfScene(tmp_path / "a.mrb")

    assert [vertebra.level for vertebra in case.settled] == ["C1", "C3"]
    assert [vertebra.level for vertebra in case.others] == ["C2", "C4", "C5", "C6", "C7"]
    np.testing.assert_allclose(case.settled[1].orientedBox.size, [50, 50, 15], atol=1e-3)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(case.image), sitk.GetArrayFromImage(neck[0]))
    assert case.patient == "MRN4711"


def test_aSceneThatIsUnpackedIsReadToo(neck, tmp_path):
    writeCorrectedScene(tmp_path / "a.mrb", neck)
    with zipfile.ZipFile(tmp_path / "a.mrb") as bundle:
        bundle.extractall(tmp_path / "unpacked")
    (scene,) = tmp_path.glob("unpacked/*/*.mrml")
    (case,) = casesOfScene(scene)

    assert len(case.settled) == 7 and case.image.GetSize() == neck[0].GetSize() and case.patient is None


def test_scenesBecomeADataSetThatTrainingTakes(command, neck, tmp_path):
    for name in ("a", "b"):
        writeCorrectedScene(tmp_path / "in" / f"{name}.mrb", neck)

    assert command(tmp_path / "in", slices=40) == 0

    from CervicalSpineDetectionLib.Training.Train import _combine

    geometry, sources, heldOut = _combine([tmp_path / "set"], tmp_path / "run")
    assert heldOut and geometry["pixelSize"] == 1.0 and geometry["pictureSize"] == 256 and "2 CTs" in sources[0]["name"]
    assert classes(tmp_path) == {*map(levelIndex, CERVICAL_LEVELS), BODY_CLASS}
    assert card(tmp_path)["vertebrae"] == dict.fromkeys(CERVICAL_LEVELS, 2)
    assert all(Image.open(path).size == (256, 256) for path in (tmp_path / "set").rglob("*.png"))


def test_correctedNamesAreLearned(command, neck, tmp_path):
    writeCorrectedScene(tmp_path / "a.mrb", neck, lambda corrections, nodes: corrections.shift(1))
    command(tmp_path / "a.mrb", slices=40)

    assert {0, levelIndex("T1")} & classes(tmp_path) == {levelIndex("T1")}
    assert set(card(tmp_path)["vertebrae"]) == {*CERVICAL_LEVELS[1:], "T1"}


def test_noPatientIsInBothSplits(command, neck, tmp_path):
    scenes = [tmp_path / "in" / f"{number}.mrb" for number in range(6)]
    for number, scene in enumerate(scenes):
        writeCorrectedScene(scene, neck, patient=f"MRN{number // 2}")

    assert command(*scenes, "--validation", "0.34") == 0

    train, held = patients(tmp_path, "train"), patients(tmp_path, "val")
    assert (len(train), len(held)) == (2, 1) and not train & held
    assert card(tmp_path)["patients"] == {"train": 2, "val": 1}


def test_theTableTellsPatientsAndCtsOfResults(command, neck, tmp_path):
    for name in ("first", "second", "other"):
        writeResult(tmp_path / name, neck)
        sitk.WriteImage(neck[0], str(tmp_path / name / "second image.nrrd"))
    rows = [f"{name}/vertebrae.json,{name}/Doe_Jane.nii.gz,{patient}"
            for name, patient in (("first", "p"), ("second", "p"), ("other", "q"))]
    (tmp_path / "cases.csv").write_text("\n".join(["path,ct,patient", *rows]), encoding="utf-8")

    assert command("--cases", tmp_path / "cases.csv", "--all") == 0
    assert card(tmp_path)["patients"] == {"train": 1, "val": 1}


@pytest.mark.parametrize("patient", [None, "MRN4711"])
def test_noIdentifierIsWritten(command, neck, tmp_path, patient):
    writeCorrectedScene(tmp_path / "Doe" / "Jane.mrb", neck, patient=patient)
    writeResult(tmp_path / "MRN4711", neck)
    command(tmp_path / "Doe", tmp_path / "MRN4711", "--all")

    files = [path for path in (tmp_path / "set").rglob("*") if path.is_file()]
    assert len(files) > 10
    for path in files:
        for secret in (*SECRETS, str(tmp_path)):
            assert secret not in path.relative_to(tmp_path).as_posix() and secret.encode() not in path.read_bytes()
        # What PNG files hold beside the picture could be compressed.
        assert path.suffix != ".png" or Image.open(path).info == {}


def test_theNamesOfPatientsCannotBeGuessed(command, neck, tmp_path):
    """The same input gives other names each time: no table of hashes tells who is in the set."""
    writeCorrectedScene(tmp_path / "a.mrb", neck, patient="MRN4711")
    command(tmp_path / "a.mrb")
    first = patients(tmp_path, "train")
    (tmp_path / "set").rename(tmp_path / "set1")
    command(tmp_path / "a.mrb")

    assert patients(tmp_path, "train") != first


def test_namesAreKeptWhenAsked(command, neck, tmp_path):
    writeCorrectedScene(tmp_path / "neck one.mrb", neck)
    command(tmp_path / "neck one.mrb", "--keep-names")

    assert all(path.name.startswith("neck_one-") for path in (tmp_path / "set").rglob("*.png"))
    assert card(tmp_path)["identifiers"] == "pictures are named after the input files"


def test_ofSceneAndResultInAFolderTheSceneCounts(command, neck, tmp_path):
    writeCorrectedScene(tmp_path / "in" / "scene.mrb", neck, lambda corrections, nodes: corrections.shift(1))
    writeJson(tmp_path / "in" / "vertebrae.json", neck[2])

    assert command(tmp_path / "in") == 0
    assert sum(card(tmp_path)["vertebrae"].values()) == 7


def test_whatCannotBeUsedInAFolderIsToldAndTheRestGoesOn(command, neck, tmp_path, capsys):
    writeCorrectedScene(tmp_path / "in" / "a.mrb", neck)
    writeCorrectedScene(tmp_path / "in" / "untouched.mrb", neck, lambda corrections, nodes: None)
    writeCorrectedScene(tmp_path / "in" / "gap.mrb", neck, lambda corrections, nodes: (
        corrections.confirmAll(), corrections.delete(nodes[2].GetID())))

    assert command(tmp_path / "in") == 0
    printed = capsys.readouterr().out
    assert "untouched.mrb is confirmed or corrected" in printed and "C3 is missing" in printed
    assert "Reading: 3 of 3 files" in printed and "Writing: 1 of 1 CTs" in printed


def wrong(kind, neck, tmp_path):
    untouched = tmp_path / "untouched.mrb"
    if kind == "untouched":
        writeCorrectedScene(untouched, neck, lambda corrections, nodes: None)
    writeResult(tmp_path / "result", neck)
    (tmp_path / "broken.mrb").write_text("no archive")
    (tmp_path / "empty").mkdir()
    (tmp_path / "table.csv").write_text("file\na.mrb\n")
    other = sitk.Image(neck[0])
    other.SetOrigin([1, 2, 3])
    sitk.WriteImage(other, str(tmp_path / "other.nrrd"))
    (tmp_path / "otherCt.csv").write_text("path,ct\nresult/vertebrae.json,other.nrrd\n")
    return {
        "untouched": ([untouched], "--all"),
        "result": ([tmp_path / "result"], "--all"),
        "broken": ([tmp_path / "broken.mrb"], "damaged or no scene"),
        "empty": ([tmp_path / "empty"], "No scene"),
        "missing": ([tmp_path / "none.mrb"], "not there"),
        "table": (["--cases", tmp_path / "table.csv"], "column"),
        "other CT": (["--cases", tmp_path / "otherCt.csv", "--all"], "another CT (origin"),
        "validation": ([tmp_path / "result", "--all", "--validation", "1"], "--validation"),
    }[kind]


@pytest.mark.parametrize("kind", ["untouched", "result", "broken", "empty", "missing", "table", "other CT",
                                  "validation"])
def test_whatCannotBeUsedIsToldAndNothingIsWritten(command, neck, tmp_path, capfd, kind):
    arguments, sentence = wrong(kind, neck, tmp_path)

    assert command(*arguments) == 2
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == 1 and sentence in lines[0]
    assert not (tmp_path / "set").exists() and not list(tmp_path.glob(".unfinished-*"))


def test_anEarlierDataSetIsNotTouched(command, neck, tmp_path, capsys):
    writeCorrectedScene(tmp_path / "a.mrb", neck)
    (tmp_path / "set").mkdir()

    assert command(tmp_path / "a.mrb") == 2
    assert "there already" in capsys.readouterr().err
