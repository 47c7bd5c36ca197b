
import numpy as np
import pytest
import SimpleITK as sitk
from oracleDetector import OracleDetector
from PIL import Image

from CervicalSpineDetectionLib.CommandLine.Main import main
from CervicalSpineDetectionLib.Fusion.Tracks import Track
from CervicalSpineDetectionLib.Phantom import Tissues
from CervicalSpineDetectionLib.SliceDetector.Detector import BODY_CLASS, CLASS_NAMES
from CervicalSpineDetectionLib.SliceDetector.Weights import loadWeights
from CervicalSpineDetectionLib.SliceDetector.YoloDetector import loadDetector
from CervicalSpineDetectionLib.Training import SelfTraining, Train
from CervicalSpineDetectionLib.Training.BoneSurfaces import STL_TRIANGLE, tissueMapFromSurfaces
from CervicalSpineDetectionLib.Training.Dataset import SliceGeometry, writeDescription, writePictures, writeSlices
from CervicalSpineDetectionLib.Training.SelfTraining import teach
from CervicalSpineDetectionLib.Training.Sources import PhantomSource


@pytest.fixture(scope="module")
def volume(neckPhantom):
    """(CT, labels) of a made volume."""
    return neckPhantom.ct, neckPhantom.fineLabels


@pytest.fixture
def folder(tmp_path):
    for kind in ("images", "labels"):
        for split in ("train", "val"):
            (tmp_path / kind / split).mkdir(parents=True)
    return tmp_path


def boxesOf(folder, split="train"):
    """Name of the picture -> boxes, one a row: class, centre x, centre y, width, height, each a part of the picture."""
    return {path.stem: np.array([line.split() for line in path.read_text().splitlines()], float).reshape(-1, 5)
            for path in (folder / "labels" / split).glob("*.txt")}


def test_picturesHaveTheDetectorsScaleAndBoxesInside(folder, volume):
    written = writeSlices(folder, "train", "a", *volume, SliceGeometry(), np.random.default_rng(0), count=10)
    boxes = boxesOf(folder)
    assert written == 10 and 8 <= len(boxes) <= 10
    for name, rows in boxes.items():
        assert Image.open(folder / "images" / "train" / f"{name}.png").size == (256, 256)
        corners = np.concatenate([rows[:, 1:3] - rows[:, 3:] / 2, rows[:, 1:3] + rows[:, 3:] / 2])
        assert corners.size == 0 or (corners.min() >= -1e-4 and corners.max() <= 1 + 1e-4)
        assert set(rows[:, 0]) <= set(range(len(CLASS_NAMES)))
    kinds = np.concatenate([rows[:, 0] for rows in boxes.values()])
    assert BODY_CLASS in kinds and len(set(kinds)) > 4


def test_aBoxLiesOnItsObjectInThePicture(folder):
    pictures = np.zeros((1, 3, 300, 260), np.uint8)
    pictures[0, :, 140:160, 100:150] = 200
    writePictures(folder, "train", "a", pictures, [[(2, 100, 140, 150, 160)]], 256, np.random.default_rng(1), 1)
    rows = boxesOf(folder)["a_000"]
    left, top, right, bottom = np.rint(256 * np.r_[rows[0, 1:3] - rows[0, 3:] / 2, rows[0, 1:3] + rows[0, 3:] / 2]
                                       ).astype(int)
    picture = np.array(Image.open(folder / "images" / "train" / "a_000.png"))[..., 0]
    assert (picture[top:bottom, left:right] == 200).all()
    assert (picture == 200).sum() == (bottom - top) * (right - left) >= 0.35 * 20 * 50


def test_aTaughtScanHasTheBoxesOfItsConsistentChain(volume):
    ct, labels = volume
    scan, reason = teach(ct, OracleDetector(ct, labels))
    assert reason == "" and {box[0] for boxes in scan.boxes for box in boxes} >= {0, 1, 2, 3, 4, 5, BODY_CLASS}


def test_aVertebraIsLearnedFromItsClearSightingsAndToItsTip():
    # In mm, half a pixel less than in pixel edges.
    boxes = np.tile([9.5, 19.5, 39.5, 29.5], (9, 1))
    boxes[4, 2] = 44.5  # the tip shows in one slice
    boxes[6, [0, 2]] = 4.5, 59.5  # a slip
    track = Track(np.arange(3, 12), boxes, np.array([[0.06, 0.1, 0.6, 0.8, 0.8, 0.8, 0.8, 0.4, 0.1]]).T, 2.0)
    learned = [[] for _ in range(15)]
    SelfTraining._addTrack(learned, track, 4, 1.0)
    assert [len(of) for of in learned] == [0] * 5 + [1] * 6 + [0] * 4
    assert learned[7] == [(4, 10, 20, 45, 30)] and learned[9] == [(4, 10, 20, 46, 30)]


def test_aScanWithAGapInItsChainTeachesNothing(volume):
    ct, labels = volume
    blind = sitk.Mask(labels, sitk.Cast(labels != 4, sitk.sitkUInt8))
    scan, reason = teach(ct, OracleDetector(ct, blind))
    assert scan is None and reason


def cube(path, centre, half):
    """A closed cube as binary STL."""
    corners = np.array([[i, j, k] for i in (-1, 1) for j in (-1, 1) for k in (-1, 1)], np.float32) * half + centre
    faces = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    triangles = np.zeros(12, STL_TRIANGLE)
    triangles["vertices"] = [corners[list(t)] for a, b, c, d in faces for t in ((a, b, c), (a, c, d))]
    path.write_bytes(b"\0" * 80 + np.uint32(12).tobytes() + triangles.tobytes())


def test_surfacesBecomeSolidTissueInTheirPlace(tmp_path):
    cube(tmp_path / "C4.stl", (3, -20, 100), 9)
    cube(tmp_path / "Mandible.stl", (3, -60, 110), 7)
    tissues = tissueMapFromSurfaces(tmp_path).tissues
    voxels = sitk.GetArrayFromImage(tissues)
    for code, volume_, centre in ((4, 18**3, (3, -20, 100)), (Tissues.BONE, 14**3, (3, -60, 110))):
        index = np.argwhere(voxels == code)[:, ::-1]
        assert len(index) == pytest.approx(volume_, rel=0.3)  # the shell's voxels count as inside
        middle = tissues.TransformContinuousIndexToPhysicalPoint(index.mean(axis=0).tolist())
        assert np.allclose(middle, centre, atol=0.6)
    assert (voxels == Tissues.FAT).any() and voxels[0, 0, 0] == Tissues.AIR


def test_aTrainingWritesWeightsTheDetectorLoadsAndGoesOnAfterAStop(folder, volume, monkeypatch, capsys):
    for split in ("train", "val"):
        writeSlices(folder, split, "a", *volume, SliceGeometry(pictureSize=64), np.random.default_rng(0), count=6)
    writeDescription(folder, SliceGeometry(pictureSize=64), {"sources": [PhantomSource.description]})
    arguments = ["train", "--dataset", str(folder), "--output", str(folder / "run"), "--batch", "4", "--epochs"]
    save = Train.saveWeights

    def stopAfterSaving(*saved):
        save(*saved)
        raise KeyboardInterrupt

    monkeypatch.setattr(Train, "saveWeights", stopAfterSaving)
    assert main([*arguments, "2"]) == 130
    weights = folder / "run" / "run.safetensors"
    card, first = loadWeights(weights)
    assert card["classes"] == list(CLASS_NAMES) and card["trainingData"] == [PhantomSource.description]
    assert card["training"]["epochs"] == 1
    assert len(loadDetector(str(weights), "cpu").detect(np.zeros((1, 3, 70, 90), np.uint8))) == 1

    monkeypatch.setattr(Train, "saveWeights", save)
    assert main([*arguments, "2"]) == 0
    card, second = loadWeights(weights)
    assert card["training"]["epochs"] == 2
    assert any(not np.array_equal(first[key], second[key]) for key in first)
    assert main([*arguments, "2"]) == 2 and "finished" in capsys.readouterr().err


def test_aFolderThatIsNoDataSetIsTold(tmp_path, capsys):
    assert main(["train", "--dataset", str(tmp_path), "--output", str(tmp_path / "run")]) == 2
    assert "cervical-spine dataset" in capsys.readouterr().err
