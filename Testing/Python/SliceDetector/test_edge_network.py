"""The second look: edges move to where the bone ends, no further than they may, and alike in ONNX Runtime and torch."""

import json
import shutil

import numpy as np
import pytest
import torch
from untrainedNetworks import setNormalisation

from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Imaging.SagittalVolume import FineSlices
from CervicalSpineDetectionLib.SliceDetector import EdgeNetwork as EdgeNetworks
from CervicalSpineDetectionLib.SliceDetector.EdgeCrops import (
    AROUND_MM,
    COARSEST_MM,
    FINEST_MM,
    REACH_MM,
    WINDOW,
    bySize,
    cropsOf,
    edgesFrom,
    pixelFor,
    shapesFor,
)
from CervicalSpineDetectionLib.SliceDetector.EdgeLayers import CHANNELS, LAYERS, MOST_COLUMNS, MOST_ROWS, STEP
from CervicalSpineDetectionLib.SliceDetector.EdgeModule import EdgeModule
from CervicalSpineDetectionLib.SliceDetector.EdgeNetwork import EdgeNetwork
from CervicalSpineDetectionLib.SliceDetector.NetworkLayers import WrongWeights
from CervicalSpineDetectionLib.SliceDetector.SecondLook import AskedBoxes
from CervicalSpineDetectionLib.SliceDetector.Weights import EDGES, EDGES_FOLDER, findWeights, readCard
from CervicalSpineDetectionLib.SliceDetector.YoloDetector import loadDetector

PIXEL = 0.5
ROWS, COLUMNS = 64, 88
SOFT_HU, BONE_HU = 50.0, 500.0
BONE = np.array([20.0, 16.0, 44.0, 30.0])  # mm: front, top, back, bottom


def untrained():
    """A network for training, its normalisation set to something."""
    torch.manual_seed(3)
    model = EdgeModule().eval()
    setNormalisation(model)
    return model


def numbersOf(model):
    return {name: tensor.numpy() for name, tensor in model.weights().items()}


def noise(count=4):
    return FineSlices(np.random.default_rng(1).normal(200, 150, (count, 110, 140)).astype(np.float32), 5,
                      np.array([2.0, 3.0]), PIXEL)


def someBoxes():
    """Of them two in one slice, and a body's."""
    boxes = np.array([[10, 20, 50, 45], [30.5, 10.2, 38, 19], [52, 8, 66, 30], [-3, 2, 20, 30]])
    return AskedBoxes(np.array([5, 7, 5, 8]), boxes, np.array([False, True, False, False]), np.array([0, 1, 3]))


def test_theTrainedNetworkIsTheSameInOnnxRuntimeAndInTorch(monkeypatch):
    pytest.importorskip("onnxruntime")
    weights, asked = numbersOf(untrained()), someBoxes()
    first = EdgeNetwork(weights).sharpened(noise(), asked)
    monkeypatch.setattr(EdgeNetworks, "isThere", lambda: False)
    second = EdgeNetwork(weights).sharpened(noise(), asked)
    assert np.abs(first.boxes - asked.boxes[asked.chosen]).max() > 0.1
    assert first.boxes == pytest.approx(second.boxes, abs=1e-3)
    assert (first.own == second.own).mean() > 0.999 and first.corners == pytest.approx(second.corners)


def test_normalisationIsFoldedIntoTheLayersBeforeIt():
    model = untrained()
    folded = EdgeModule(numbersOf(model))
    crops = torch.rand(2, CHANNELS, ROWS, COLUMNS)
    near = [[torch.ones(2, 1, ROWS // stride, 1) for stride in (2, 4)],
            [torch.ones(2, 1, 1, COLUMNS // stride) for stride in (2, 4)]]
    with torch.no_grad():
        for one, other in zip(model(crops, near), folded(crops, near), strict=True):
            assert one.numpy() == pytest.approx(other.numpy(), abs=1e-4)


def test_aCropShowsTheSlicesAroundTheBoxAndWhereTheBoxesAre():
    ramp = np.tile(np.arange(140, dtype=np.float32), (110, 1))
    slices = FineSlices(np.stack([ramp, ramp + 1000, ramp + 2000]), 4, np.array([10.0, 0.0]), PIXEL)
    box, other = np.array([[30, 20, 54, 36.0]]), np.array([[54, 20, 60, 36.0]])
    crops = cropsOf(slices, np.array([5]), box, [other], np.array([False]), np.array([ROWS, COLUMNS]))
    left, top, right, bottom = crops.boxes[0]
    assert (left + right, top + bottom) == pytest.approx((COLUMNS, ROWS))
    assert (right - left) * crops.pixels[0] == pytest.approx(24)
    low, high = WINDOW
    # In the middle of the box, 42 mm behind the volume's first pixel, and so 32 behind that of the part.
    middle = crops.pictures[0, :3, ROWS // 2, COLUMNS // 2 - 1 : COLUMNS // 2 + 1].mean(axis=1) * (high - low) + low
    assert middle == pytest.approx([64, 1064, 2064], abs=0.01)
    assert crops.pictures[0, 3].sum() * crops.pixels[0] ** 2 == pytest.approx(24 * 16, rel=1e-4)
    assert crops.pictures[0, 4].sum() * crops.pixels[0] ** 2 == pytest.approx(6 * 16, rel=1e-4)
    assert not (crops.pictures[0, 3] * crops.pictures[0, 4]).max() > 0.5 and not crops.pictures[0, 5].any()


def test_aCropIsAsLargeAsItsBoxNeedsButNotTooLargeForTheNetwork():
    boxes = np.array([[0, 0, 8, 6], [0, 0, 24, 14], [0, 0, 80, 40.0]])
    shapes = shapesFor(boxes, PIXEL)
    assert not (shapes % STEP).any() and tuple(shapes[2]) == (MOST_ROWS, MOST_COLUMNS)
    for box, shape in zip(boxes[:2], shapes[:2], strict=True):
        spare = shape * PIXEL - (box[[3, 2]] + 2 * AROUND_MM)
        assert (spare >= 0).all() and (spare < STEP * PIXEL).all()
    crops = cropsOf(noise(), np.array([5]), boxes[2:], [np.zeros((0, 4))], np.array([False]), shapes[2])
    shown = crops.pixels[0] * np.array([MOST_COLUMNS, MOST_ROWS])
    assert crops.pixels[0] > PIXEL and (shown >= np.array([80, 40]) + 2 * AROUND_MM - 1e-6).all()


def test_coarseCtsAreShownInLargerPixels():
    assert pixelFor((0.4, 0.4, 1.0)) == pixelFor((1.0, 1.0, 3.0)) == FINEST_MM
    assert FINEST_MM < pixelFor((3.75, 3.75, 2.5)) < COARSEST_MM == pixelFor((5.0, 5.0, 5.0))


def test_batchesHoldEachCropOnceTheSmallFirst():
    shapes = np.array([[72, 112], [24, 32], [40, 64], [32, 24], [72, 104]])
    batches = bySize(shapes, 2)
    assert sorted(np.concatenate(batches)) == [0, 1, 2, 3, 4]
    largest = [shapes[batch].prod(axis=1) for batch in batches]
    assert all(one.max() <= other.min() for one, other in zip(largest, largest[1:], strict=False))


def test_answersComeInTheOrderOfTheBoxesWhateverTheirSizes(monkeypatch):
    """In one batch or each in its own, as large as it needs; a smaller crop shows less of what is around."""
    network = EdgeNetwork(numbersOf(untrained()))
    boxes = np.array([[10, 20, 50, 45], [30, 30, 36, 36], [20, 10, 44, 26.0]])
    asked = AskedBoxes(np.array([5, 6, 7]), boxes, np.zeros(3, bool), np.array([2, 0, 1]))
    monkeypatch.setattr(EdgeNetworks, "BATCH", 1)
    each = network.sharpened(noise(), asked)
    for place, row in enumerate(asked.chosen):
        alone = network.sharpened(noise(), AskedBoxes(asked.indices, boxes, asked.isBody, np.array([row])))
        assert each.boxes[place] == pytest.approx(alone.boxes[0], abs=1e-4)
        assert np.array_equal(each.own[place], alone.own[0])
        assert each.corners[place] == pytest.approx(alone.corners[0])


def test_edgesAreWhereThePlacesAreLikelyAndWithinReach():
    crops = cropsOf(noise(), np.array([6]), np.array([[20, 15, 50, 35.0]]), [np.zeros((0, 4))], np.array([False]),
                    np.array([ROWS, COLUMNS]))
    columns, rows = np.full((1, 2, 1, COLUMNS // 2), -5.0), np.full((1, 2, ROWS // 2, 1), -5.0)
    wanted = [int((crops.boxes[0, edge] + move / crops.pixels[0]) // 2) for edge, move in enumerate((2, -3, 20, 1))]
    columns[0, 0, 0, wanted[0]] = columns[0, 1, 0, min(wanted[2], COLUMNS // 2 - 1)] = 20
    rows[0, 0, wanted[1], 0] = rows[0, 1, wanted[3], 0] = 20
    found = edgesFrom(columns, rows, crops)[0]
    for edge in (0, 1, 3):
        place = crops.origins[0, edge % 2] + (2 * wanted[edge] + 1) * crops.pixels[0]
        assert found[edge] == pytest.approx(place, abs=0.01)
    assert abs(found[2] - 50) <= REACH_MM


def test_noEdgeMovesFurtherThanItMay():
    asked = someBoxes()
    found = EdgeNetwork(numbersOf(untrained())).sharpened(noise(), asked)
    assert np.abs(found.boxes - asked.boxes[asked.chosen]).max() <= REACH_MM + 1e-3


def test_otherBoxesOfTheSliceAreShownAsSuch():
    """The answer for a box depends on those beside it, not on those of other slices."""
    network, asked = EdgeNetwork(numbersOf(untrained())), someBoxes()
    before = network.sharpened(noise(), asked).boxes
    for row, isBeside in ((2, True), (3, False)):
        boxes = asked.boxes.copy()
        boxes[row] -= 3
        after = network.sharpened(noise(), AskedBoxes(asked.indices, boxes, asked.isBody, np.array([0]))).boxes
        assert (np.abs(after - before[:1]).max() > 1e-4) == isBeside


@pytest.mark.parametrize("move", [-2.0, 2.0])
def test_theShippedNetworkMovesEdgesToTheBone(move):
    """A block of bone in soft tissue, and a box that is too large or too small."""
    voxels = np.full((3, 92, 128), SOFT_HU, np.float32)
    left, top, right, bottom = np.rint(BONE / PIXEL + 0.5).astype(int)
    voxels[:, top:bottom, left:right] = BONE_HU
    look = loadDetector(device="cpu", precision="single", forOneCt=True).secondLook
    box = BONE + move * np.array([-1, -1, 1, 1])
    found = look.sharpened(FineSlices(voxels, 0, np.zeros(2), PIXEL),
                           AskedBoxes(np.array([1]), box[None], np.array([False]), np.array([0])))
    off = np.abs(found.boxes[0] - BONE)
    assert off.mean() < 0.6 and off.max() < 1.2  # of 2 mm; the network never saw a block
    assert 0.5 * 24 * 14 < found.areas[0] < 1.2 * 24 * 14
    rows, columns = np.nonzero(found.own[0])
    middle = found.corners[0] + found.pixels[0] * np.array([columns.mean(), rows.mean()])
    assert middle == pytest.approx((BONE[:2] + BONE[2:]) / 2, abs=1.5)


def test_otherWeightsAreRefused():
    weights = numbersOf(EdgeModule())
    assert {name.partition(".")[0] for name in weights} == set(LAYERS)
    for name, changed in (("joined.weight", weights["joined.weight"][:, :-1]), ("more.weight", np.zeros(3))):
        with pytest.raises(WrongWeights, match=name):
            EdgeNetwork({**weights, name: changed})


@pytest.fixture
def copied(tmp_path):
    """The shipped detector's files in a folder of their own."""
    path = findWeights()
    card = readCard(path)
    for one in (path, path.with_suffix(".json")):
        shutil.copy(one, tmp_path)
    shutil.copytree(path.with_name(EDGES_FOLDER), tmp_path / EDGES_FOLDER)
    return tmp_path / path.name, card


LOOKS = pytest.mark.parametrize(("field", "name"), [*zip(EDGES, ("secondLook", "coronalLook"), strict=True)])


@LOOKS
def test_withoutWeightsForItThereIsNoSecondLook(copied, field, name):
    path, card = copied
    assert loadDetector(path, "cpu", forOneCt=True).model[name] == card.pop(field)["sha256"]
    path.with_suffix(".json").write_text(json.dumps(card))
    detector = loadDetector(path, "cpu", forOneCt=True)
    assert getattr(detector, name) is None and name not in detector.model


@LOOKS
def test_damagedWeightsOfTheSecondLookAreRefused(copied, field, name):
    path, card = copied
    edges = path.parent / EDGES_FOLDER / f"{card[field]['name']}.safetensors"
    edges.write_bytes(edges.read_bytes()[:-1] + b"x")
    with pytest.raises(InputError, match="SHA-256 differs"):
        loadDetector(path, "cpu", forOneCt=True)
    path.with_suffix(".json").write_text(json.dumps({**card, field: {"name": "../other", "sha256": ""}}))
    with pytest.raises(InputError, match=f"lacks a usable {field}"):
        loadDetector(path, "cpu", forOneCt=True)


def test_weightsInstalledElsewhereFindTheShippedOnesOfTheSecondLook(copied):
    path, _ = copied
    shutil.rmtree(path.with_name(EDGES_FOLDER))
    detector = loadDetector(path, "cpu", forOneCt=True)
    assert detector.secondLook is not None and detector.coronalLook is not None
