"""Training on views drawn from a pool of slices."""

import numpy as np
import pytest
import torch

from CervicalSpineDetectionLib.CommandLine.Main import main
from CervicalSpineDetectionLib.SliceDetector.Weights import loadWeights
from CervicalSpineDetectionLib.Training import DeviceViews, PoolTraining, VolumeMakers
from CervicalSpineDetectionLib.Training.SlicePool import LabelledSlices, SlicePool, cutToShape
from CervicalSpineDetectionLib.Training.Windows import MINIMUM_SHARE

CPU = torch.device("cpu")
BRIGHT = 200


def ladder(kind="made", rows=280, columns=180):
    """Eight bright boxes, one below the other, in slices 1 to 3 of five; shape and class tell them apart."""
    pictures = np.zeros((5, rows, columns), np.uint8)
    boxes = []
    for level in range(8):
        top = 40 + 18 * level
        for index in range(1, 4):
            pictures[index, top : top + 14, 60:100] = BRIGHT
            boxes.append((index, level, 60, top, 100, top + 14))
    return LabelledSlices(pictures, np.array(boxes, np.float32), 1.0, kind)


@pytest.fixture
def pool():
    torch.manual_seed(0)
    result = SlicePool(20, (300, 200), CPU, {"real": 0.25, "made": 0.75})
    result.add(ladder("made"))
    result.add(ladder("real"))
    return result


def test_boxes_go_with_what_they_show(pool, monkeypatch):
    monkeypatch.setattr(DeviceViews, "_repainted", lambda pictures: pictures)
    pictures, targets = DeviceViews.randomViews(pool.draw(64), 256)
    assert len(targets["cls"]) > 100
    for view, (column, row, width, height) in zip(targets["batch_idx"], targets["bboxes"] * 256, strict=True):
        left, top, right, bottom = (round(float(edge)) for edge in (
            column - width / 2, row - height / 2, column + width / 2, row + height / 2))
        inside = pictures[view, 1, top:bottom, left:right]
        assert inside.mean() > 0.85 * BRIGHT / 255
        beside = pictures[view, 1, top:bottom, right + 1 : right + 3]
        assert beside.numel() == 0 or beside.mean() < 0.1 * BRIGHT / 255


def test_every_bright_box_has_its_target(pool, monkeypatch):
    monkeypatch.setattr(DeviceViews, "_repainted", lambda pictures: pictures)
    pictures, targets = DeviceViews.randomViews(pool.draw(64), 256)
    left = []
    for index, picture in enumerate(pictures[:, 1]):
        for column, row, width, height in targets["bboxes"][targets["batch_idx"] == index] * 256:
            picture[int(row - height / 2 - 1) : int(row + height / 2 + 2),
                    int(column - width / 2 - 1) : int(column + width / 2 + 2)] = 0
        left.append(int((picture > 0).sum()))
    # Boxes of which a small part is in view have none.
    assert np.mean(np.array(left) == 0) > 0.6 and max(left) < 8 * MINIMUM_SHARE * 40 * 14 * 2.7


def test_a_level_stands_anywhere_in_the_view(pool):
    _, targets = DeviceViews.randomViews(pool.draw(250), 256)
    for level in (0, 7):
        heights = targets["bboxes"][targets["cls"][:, 0] == level, 1]
        assert heights.quantile(0.95) - heights.quantile(0.05) > 0.4


def test_kinds_are_drawn_in_their_shares(pool):
    drawn = pool._probabilities()
    assert drawn[5:].sum() == pytest.approx(0.25) and drawn[:5].sum() == pytest.approx(0.75)
    assert drawn[[0, 4]].sum() == pytest.approx(0.75 * 0.1)


def test_neighbours_are_of_the_same_ct(pool):
    pool._cumulative = torch.tensor([0.0] * 4 + [1.0] * 6)  # the last slice of the first CT
    assert torch.equal(pool.draw(1).pictures[0, 2], pool.draw(1).pictures[0, 1])


def test_full_pool_takes_no_more(pool):
    assert pool.add(ladder()) and pool.add(ladder()) and not pool.add(ladder())
    assert pool.count == 20


def test_large_slices_are_cut_about_their_boxes():
    large = ladder(rows=500, columns=400)
    cut = cutToShape(large, (200, 120))
    assert cut.pictures.shape == (5, 200, 120)
    for index, _, left, top, right, bottom in cut.boxes.astype(int):
        assert (cut.pictures[index, top:bottom, left:right] == BRIGHT).all()


def test_steps_lead_to_the_boxes(pool):
    plan = PoolTraining.PoolPlan(600.0)
    network, _ = PoolTraining._networks(plan, None, CPU)
    loss, optimizer = PoolTraining._lossOf(network), PoolTraining._optimizer(network, plan.learningRate)
    views = DeviceViews.randomViews(pool.draw(4), 96)
    boxLosses = [float(PoolTraining._step(network, loss, optimizer, *views)[0]) for _ in range(30)]
    # It rises while boxes are first asked for.
    assert np.mean(boxLosses[-5:]) < 0.4 * max(boxLosses)


def test_averaged_weights_and_what_they_learned_from_are_written(pool, tmp_path):
    target = tmp_path / "new" / "weights.safetensors"
    plan = PoolTraining.PoolPlan(600.0, batch=4, sizes=(96,), steps=3)
    source = {"name": "ladder", "licence": "none", "source": "test"}
    PoolTraining.trainOnPool(pool, plan, target, "weights", [source, source])
    card, state = loadWeights(target)
    assert card["pixelSize"] == PoolTraining.GEOMETRY.pixelSize and card["training"]["views"] == 12
    assert card["trainingData"] == [source]
    assert all(tensor.isfinite().all() for tensor in state.values())


def test_made_slices_come_back_as_written(tmp_path):
    slices = ladder()
    VolumeMakers.writeSlices(tmp_path / "one.npz", slices)
    read = VolumeMakers.readSlices(tmp_path / "one.npz")
    assert np.array_equal(read.pictures, slices.pictures) and np.array_equal(read.boxes, slices.boxes)
    assert (read.pixelSize, read.kind) == (1.0, "made") and [path.name for path in tmp_path.iterdir()] == ["one.npz"]


@pytest.mark.parametrize(("arguments", "said"), [
    ([], "Nothing to do"), (["--teach", "ct.nii.gz"], "needs the folder --slices"),
    (["-o", "weights.pt"], "does not end in .safetensors"), (["-o", "w.safetensors", "--minutes", "0"], "positive"),
])
def test_what_can_not_be_is_refused(arguments, said, capsys):
    assert main(["pretrain", *arguments]) == 2
    assert said in capsys.readouterr().err
