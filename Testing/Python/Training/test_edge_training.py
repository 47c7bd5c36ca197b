"""What the second look learns from, and that it learns."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from oracleDetector import OracleDetector

from CervicalSpineDetectionLib.CommandLine.Main import main
from CervicalSpineDetectionLib.SliceDetector.EdgeCrops import FINEST_MM
from CervicalSpineDetectionLib.SliceDetector.EdgeModule import EdgeModule
from CervicalSpineDetectionLib.SliceDetector.Weights import findWeights, readCard
from CervicalSpineDetectionLib.Training import EdgeLesson, EdgeTraining
from CervicalSpineDetectionLib.Training.EdgeLesson import BODY_CODE, LAST_CODE, EdgeCt, coronalCtOf, edgeCtOf
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


START = np.array([0.1, 0.4])  # mm


@pytest.fixture(scope="module")
def made():
    """(CT, labels, what is learned from it)."""
    source = PhantomSource(NECK_SHARES)
    for seed in range(0, 60, 3):
        ct, labels, middles, _ = source.volume(seed, "routine")
        try:
            detector = OracleDetector(ct, labels, 0.8, 2.0)
            return ct, labels, edgeCtOf(ct, labels, middles, START, detector, True)
        except ValueError:
            continue
    raise AssertionError("no phantom shows a neck")


def test_trueBoxesHoldTheirLabelsAndNoMore(made):
    ct = made[2]
    whole = ct.truth[ct.truth[:, 1] != BODY_CODE]
    assert len(whole) > 20
    off = []
    for index, code, front, top, back, bottom, area in whole:
        own = np.argwhere(ct.labels[int(index)] == code)
        edges = [own[:, 1].min() - 0.5, own[:, 0].min() - 0.5, own[:, 1].max() + 0.5, own[:, 0].max() + 0.5]
        # The grid of the part begins anywhere else than that of the boxes.
        off.append(np.abs(np.array(edges) * FINEST_MM - [front, top, back, bottom]))
        assert len(own) * FINEST_MM**2 == pytest.approx(area, rel=0.15, abs=8)
    # A thin tip, or the bridge to it, can lie between the pixels of one of them.
    assert np.quantile(off, 0.98) <= FINEST_MM + 1e-3 and np.max(off) < 3.0


@pytest.mark.parametrize("isCoronal", [False, True])
def test_onNoSideTrueEdgesLieFurtherOutThanOnTheOther(isCoronal):
    """Where the grid of the labels is that of their own voxels, many ends lie between two of them."""
    voxels = np.zeros((60, 70, 80), np.float32)  # z, y, x, mm
    codes = np.zeros(voxels.shape, np.uint8)
    codes[20:40, 20:50, 30:51] = 3
    voxels[codes > 0] = BONE_HU
    ct, labels = sitk.GetImageFromArray(voxels), sitk.GetImageFromArray(codes)
    errors = []
    for start in np.random.default_rng(0).uniform(0, FINEST_MM, (40, 2)):
        made = coronalCtOf(ct, labels, start) if isCoronal else edgeCtOf(
            ct, labels, {}, start, OracleDetector(ct, labels, 0.8, 2.0), False)
        index, _, front, top, back, bottom, _ = made.truth[len(made.truth) // 2]
        shown = made.voxels[int(index)]
        rows, columns = (halfwayEdges(shown.max(axis=axis)) * FINEST_MM for axis in (1, 0))
        errors.append(np.array([front, top, back, bottom]) - [columns[0], rows[0], columns[1], rows[1]])
    assert np.abs(errors).max() < FINEST_MM and np.abs(np.mean(errors, axis=0)).max() < 0.1


def halfwayEdges(profile):
    """Where a profile rises to half of its greatest value, and falls below it, in pixels."""
    half = profile.max() / 2
    first, last = np.flatnonzero(profile >= half)[[0, -1]]
    before, behind = profile[first - 1], profile[last + 1]
    return np.array([first - (profile[first] - half) / (profile[first] - before),
                     last + (profile[last] - half) / (profile[last] - behind)])


def test_whatTheDetectorFoundIsKnownByTheTrueBoxItStandsFor(made):
    ct = made[2]
    assert len(ct.found) > 20 and {*ct.found[:, 1]} <= {*ct.truth[:, 1]} and ct.truth[:, 1].max() <= LAST_CODE
    off = []
    for row in ct.found[ct.found[:, 1] != BODY_CODE]:
        same = ct.truth[(ct.truth[:, 0] == row[0]) & (ct.truth[:, 1] == row[1])]
        assert len(same) == 1
        off.append(np.abs(same[0, 2:6] - row[2:6]))
    # The oracle counts pixels of 0.8 mm, by the nearest voxel of the labels.
    assert np.quantile(off, 0.95) < 1.1 and np.max(off) < 3.0


def test_coronalLessonsHoldTheSameVertebraeSeenFromTheFront(made):
    ct, labels, sagittal = made
    coronal = coronalCtOf(ct, labels, START)
    assert {*np.unique(coronal.labels)} == {*np.unique(sagittal.labels)} and not len(coronal.found)
    assert coronal.inexactness > sagittal.inexactness == 1
    bone = [ct.voxels[ct.labels > 0].mean() for ct in (coronal, sagittal)]
    assert bone[0] == pytest.approx(bone[1], rel=0.1)
    assert np.median(coronal.voxels[coronal.labels == 0]) < np.median(coronal.voxels[coronal.labels > 0])
    for code in {*sagittal.truth[:, 1].astype(int)} - {BODY_CODE}:
        seen, own = (ct.truth[ct.truth[:, 1] == code] for ct in (sagittal, coronal))
        # From right to left, across slices 2 mm apart and within the others.
        assert own[:, 4].max() - own[:, 2].min() == pytest.approx(np.ptp(seen[:, 0]) * 2 + 2, abs=2.5)


def test_lessonsSurviveTheirFile(made, tmp_path):
    lesson = EdgeLesson.EdgeLesson()
    kept = replace(made[2], inexactness=1.25)
    lesson.write(tmp_path / "one.npz", kept)
    read = lesson.read(tmp_path / "one.npz")
    assert np.array_equal(read.labels, kept.labels) and np.array_equal(read.truth, kept.truth)
    assert read.inexactness == 1.25


def test_aGroupOfLessonsIsAsLargeAsItsLargestBoxNeeds():
    groups = lessonsFrom([Pupil(block())], 40, np.random.default_rng(0))
    assert [len(group.edges) for group in groups] == [16, 16, 8]
    sizes = [group.crops.pictures.shape[2:] for group in groups]
    assert sorted(sizes, key=np.prod) == sizes and sizes[0] != sizes[-1]
    assert all(group.own.shape[1:] == (rows // 2, columns // 2)
               for group, (rows, columns) in zip(groups, sizes, strict=True))


def test_aLessonShowsTheBlockAndItsEdges(monkeypatch):
    monkeypatch.setattr(EdgeTraining, "END_PART", 0.0)
    groups = lessonsFrom([Pupil(block())], 40, np.random.default_rng(0))
    assert all(group.hasEdges.all() and group.isWhole.all() for group in groups)
    for picture, own, edges, origin, pixel in (
            one for group in groups for one in zip(group.crops.pictures, group.own, group.edges, group.crops.origins,
                                                   group.crops.pixels, strict=True)):
        left, top, right, bottom = (edges - np.tile(origin, 2)) / pixel
        rows, columns = np.mgrid[:picture.shape[1], :picture.shape[2]] + 0.5
        inside = (columns > left + 2) & (columns < right - 2) & (rows > top + 2) & (rows < bottom - 2)
        assert picture[1][inside].min() > 0.6
        share = own.sum() * 4 / ((right - left) * (bottom - top))
        assert share == pytest.approx(1, abs=0.2)


def test_beyondAnEndNothingIsTheVertebrasAndNoEdgeIsAskedFor(monkeypatch):
    monkeypatch.setattr(EdgeTraining, "END_PART", 1.0)
    for group in lessonsFrom([Pupil(block())], 20, np.random.default_rng(0)):
        assert not group.hasEdges.any() and not group.own.any()


def test_itLearns(monkeypatch):
    """After few steps edges are found better than the boxes were given."""
    monkeypatch.setattr(EdgeTraining, "BATCH", 12)
    monkeypatch.setattr(EdgeTraining, "WARM_UP_STEPS", 5)
    monkeypatch.setattr(EdgeTraining, "AVERAGE_STEPS", 5)
    saved = []
    model = EdgeTraining.train([block()], list, 600.0, lambda model, crops: saved.append(crops), steps=80)
    groups = lessonsFrom([Pupil(block())], 60, np.random.default_rng(5))
    given = np.mean([np.abs(np.tile(group.crops.origins, 2) + group.crops.boxes * group.crops.pixels[:, None]
                            - group.edges)[group.hasEdges].mean() for group in groups])
    torch.manual_seed(0)
    distance = np.mean([float(EdgeTraining.lossOf(model, group)[1]) for group in groups])
    assert saved[-1] == 80 * 12 and distance < 0.8 * given


def test_goingOnBeginsWithTheWeightsThatThereAre():
    """Before the first step, which is a small one, they are the same."""
    start = {name: tensor.numpy() for name, tensor in EdgeModule().weights().items()}
    kept = EdgeTraining.train([block()], list, 600.0, lambda model, crops: None, start, steps=0).weights()
    assert all(np.array_equal(kept[name], array) for name, array in start.items())
    learned = EdgeTraining.train([block()], list, 600.0, lambda model, crops: None, start, steps=2).weights()
    assert any(not np.array_equal(learned[name], array) for name, array in start.items())


def test_weightsWithoutASecondLookHaveNoneToGoOnFrom(tmp_path, capsys):
    path = findWeights()
    card = {name: value for name, value in readCard(path).items() if name != "edges"}
    shutil.copy(path, tmp_path)
    (tmp_path / path.name).with_suffix(".json").write_text(json.dumps(card))
    assert main(["train-edges", "-o", str(tmp_path / "new.safetensors"), "--go-on", "--weights",
                 str(tmp_path / path.name)]) == 2
    assert "has no second look to go on from" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["-o", "x.pt"], ["-o", "x.safetensors", "--minutes", "0"]])
def test_uselessOrdersAreRefusedInOneLine(arguments, capsys):
    assert main(["train-edges", *arguments]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
