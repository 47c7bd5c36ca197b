"""What the second look learns from, and that it learns."""

import numpy as np
import pytest
import torch
from oracleDetector import OracleDetector

from CervicalSpineDetectionLib.CommandLine.Main import main
from CervicalSpineDetectionLib.SliceDetector.EdgeCrops import FINEST_MM
from CervicalSpineDetectionLib.SliceDetector.EdgeLayers import COLUMNS, ROWS
from CervicalSpineDetectionLib.Training import EdgeLesson, EdgeTraining
from CervicalSpineDetectionLib.Training.EdgeLesson import BODY_CODE, LAST_CODE, EdgeCt, edgeCtOf
from CervicalSpineDetectionLib.Training.EdgeTraining import Pupil, lessonsFrom
from CervicalSpineDetectionLib.Training.Sources import NECK_SHARES, PhantomSource

BONE_HU = 600


def block():
    """A bright block in slices 2 to 7 of ten, its half as high in the outermost two."""
    voxels = np.full((10, 90, 130), 40, np.int16)
    labels = np.zeros(voxels.shape, np.uint8)
    truth = []
    for index in range(2, 8):
        bottom = 60 if 2 < index < 7 else 45
        labels[index, 30:bottom, 40:100] = 3
        truth.append([index, 3, 39.5 / 2, 29.5 / 2, 99.5 / 2, (bottom - 0.5) / 2, 60 * (bottom - 30) / 4])
    voxels[labels > 0] = BONE_HU
    return EdgeCt(voxels, labels, np.array(truth, np.float32), np.zeros((0, 7), np.float32))


@pytest.fixture(scope="module")
def made():
    """(CT, labels, what is learned from it)."""
    source = PhantomSource(NECK_SHARES)
    for seed in range(0, 60, 3):
        ct, labels, middles, _ = source.volume(seed, "routine")
        try:
            detector = OracleDetector(ct, labels, 0.8, 2.0)
            return ct, labels, edgeCtOf(ct, labels, middles, detector, True)
        except ValueError:
            continue
    raise AssertionError("no phantom shows a neck")


def test_trueBoxesHoldTheirLabelsAndNoMore(made):
    ct = made[2]
    whole = ct.truth[ct.truth[:, 1] != BODY_CODE]
    assert len(whole) > 20
    for index, code, front, top, back, bottom, area in whole:
        own = np.argwhere(ct.labels[int(index)] == code)
        edges = [own[:, 1].min() - 0.5, own[:, 0].min() - 0.5, own[:, 1].max() + 0.5, own[:, 0].max() + 0.5]
        # The grid of the part begins anywhere, that of the boxes at the volume's first pixel.
        assert np.array(edges) * FINEST_MM == pytest.approx([front, top, back, bottom], abs=FINEST_MM + 1e-3)
        assert len(own) * FINEST_MM**2 == pytest.approx(area, rel=0.15, abs=8)


def test_whatTheDetectorFoundIsKnownByTheTrueBoxItStandsFor(made):
    ct = made[2]
    assert len(ct.found) > 20 and {*ct.found[:, 1]} <= {*ct.truth[:, 1]} and ct.truth[:, 1].max() <= LAST_CODE
    for row in ct.found[ct.found[:, 1] != BODY_CODE]:
        same = ct.truth[(ct.truth[:, 0] == row[0]) & (ct.truth[:, 1] == row[1])]
        assert len(same) == 1 and np.abs(same[0, 2:6] - row[2:6]).max() < 1.0  # the oracle counts pixels of 0.8 mm


def test_lessonsSurviveTheirFile(made, tmp_path):
    lesson = EdgeLesson.EdgeLesson()
    lesson.write(tmp_path / "one.npz", made[2])
    read = lesson.read(tmp_path / "one.npz")
    assert np.array_equal(read.labels, made[2].labels) and np.array_equal(read.truth, made[2].truth)


def test_aLessonShowsTheBlockAndItsEdges(monkeypatch):
    monkeypatch.setattr(EdgeTraining, "END_PART", 0.0)
    lessons = lessonsFrom([Pupil(block())], 40, np.random.default_rng(0))
    assert lessons.hasEdges.all() and lessons.isWhole.all()
    crops = lessons.crops
    for picture, own, edges, origin, pixel in zip(crops.pictures, lessons.own, lessons.edges, crops.origins,
                                                  crops.pixels, strict=True):
        left, top, right, bottom = (edges - np.tile(origin, 2)) / pixel
        rows, columns = np.mgrid[:ROWS, :COLUMNS] + 0.5
        inside = (columns > left + 2) & (columns < right - 2) & (rows > top + 2) & (rows < bottom - 2)
        assert picture[1][inside].min() > 0.6
        share = own.sum() * 4 / ((right - left) * (bottom - top))
        assert share == pytest.approx(1, abs=0.2)


def test_beyondAnEndNothingIsTheVertebrasAndNoEdgeIsAskedFor(monkeypatch):
    monkeypatch.setattr(EdgeTraining, "END_PART", 1.0)
    lessons = lessonsFrom([Pupil(block())], 20, np.random.default_rng(0))
    assert not lessons.hasEdges.any() and not lessons.own.any()


def test_itLearns(monkeypatch):
    """After few steps edges are found better than the boxes were given."""
    monkeypatch.setattr(EdgeTraining, "BATCH", 12)
    monkeypatch.setattr(EdgeTraining, "WARM_UP_STEPS", 5)
    monkeypatch.setattr(EdgeTraining, "AVERAGE_STEPS", 5)
    saved = []
    model = EdgeTraining.train([block()], list, 600.0, lambda model, crops: saved.append(crops), steps=80)
    lessons = lessonsFrom([Pupil(block())], 60, np.random.default_rng(5))
    given = np.abs(np.tile(lessons.crops.origins, 2) + lessons.crops.boxes * lessons.crops.pixels[:, None]
                   - lessons.edges)[lessons.hasEdges].mean()
    torch.manual_seed(0)
    _, distance = EdgeTraining.lossOf(model, lessons)
    assert saved[-1] == 80 * 12 and float(distance) < 0.8 * given


@pytest.mark.parametrize("arguments", [["-o", "x.pt"], ["-o", "x.safetensors", "--minutes", "0"]])
def test_uselessOrdersAreRefusedInOneLine(arguments, capsys):
    assert main(["train-edges", *arguments]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
