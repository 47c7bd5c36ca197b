"""The YOLO detector around its network: batches, padding, memory, what becomes of raw predictions."""

import copy

import numpy as np
import pytest
import torch

from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.SliceDetector.Detector import CLASS_NAMES
from CervicalSpineDetectionLib.SliceDetector.Precision import choosePrecision
from CervicalSpineDetectionLib.SliceDetector.TorchNetwork import TorchNetwork
from CervicalSpineDetectionLib.SliceDetector.Ultralytics import decodeInSinglePrecision, detectionModel
from CervicalSpineDetectionLib.SliceDetector.YoloDetector import YoloDetector

CARD = {"name": "test", "sha256": "", "pixelSize": 1.0, "sliceSpacing": 2.0, "window": [-200, 1000],
        "classes": list(CLASS_NAMES)}
C3, C4, BELOW, BODY = (CLASS_NAMES.index(name) for name in ("C3", "C4", "below", "body"))


class FakeNetwork:
    """Gives the same boxes for every picture: (centre x, centre y, width, height, {class: score})."""

    def __init__(self, *boxes, memory=64, error=torch.cuda.OutOfMemoryError):
        self.boxes, self.memory, self.batches, self.error = boxes, memory, [], error

    def eval(self):
        return self

    def requires_grad_(self, _):
        return self

    def fuse(self, verbose):
        return self

    def to(self, *_, **__):
        return self

    def __call__(self, pictures):
        self.batches.append(tuple(pictures.shape))
        if len(pictures) > self.memory:
            raise self.error
        prediction = torch.zeros(4 + len(CLASS_NAMES), max(len(self.boxes), 1))
        for i, (*box, scores) in enumerate(self.boxes):
            prediction[:4, i] = torch.tensor(box, dtype=torch.float32)
            for kind, score in scores.items():
                prediction[4 + kind, i] = score
        return [prediction.expand(len(pictures), -1, -1)]


def detector(network, batchSize=32):
    return YoloDetector(TorchNetwork(network, torch.device("cpu")), CARD, batchSize, everySlice=True)


class BesideNetwork:
    """Computes batches beside each other; a box of each picture is as far to the right as the picture is bright."""

    device, precision, threads = "cpu", "single", 2

    def __init__(self, together):
        self.together, self.sizes = together, []

    def predict(self, pictures):
        self.sizes.append(len(pictures))
        found = np.zeros((len(pictures), 1, 4 + len(CLASS_NAMES)), np.float32)
        found[:, 0, :4] = 0, 20, 10, 10
        found[:, 0, 0] = pictures[:, 0, 0, 0]
        found[:, 0, 4 + C3] = 0.9
        return found


@pytest.mark.parametrize(("together", "sizes"), [(1, [4, 4, 1]), (2, [1, 4, 4]), (3, [3, 3, 3])])
def test_batchesBesideEachOtherAreOfLikeSizeAndStayInOrder(together, sizes):
    network = BesideNetwork(together)
    slices = np.tile(np.arange(10, 19, dtype=np.uint8)[:, None, None, None], (1, 3, 64, 64))
    told = []
    found = YoloDetector(network, CARD, 4, everySlice=True).detect(slices, lambda *step: told.append(step[1]))
    assert [one.boxes[0, 0] + 5 for one in found] == list(range(10, 19))
    assert sorted(network.sizes) == sorted(sizes) and told[-1] == 9


def test_boxesComeAsCornersWithTheScoresOfAllLevels():
    found = detector(FakeNetwork((50, 40, 20, 10, {C3: 0.7, C4: 0.2}))).detect(np.zeros((1, 3, 64, 64), np.uint8))[0]
    assert found.boxes.tolist() == [[40, 35, 60, 45]]
    assert found.scores[0, C3] == pytest.approx(0.7) and found.scores[0, C4] == pytest.approx(0.2)
    assert found.scores.shape == (1, 12) and len(found.bodyBoxes) == 0


def test_bodiesAreKeptApartFromVertebrae():
    found = detector(FakeNetwork((50, 40, 20, 10, {BODY: 0.6}))).detect(np.zeros((1, 3, 64, 64), np.uint8))[0]
    assert found.bodyBoxes.tolist() == [[40, 35, 60, 45]] and len(found.boxes) == 0


def test_oneVertebraSeenAsTwoLevelsIsOneBox():
    network = FakeNetwork((50, 40, 20, 20, {C3: 0.7}), (51, 41, 20, 20, {C4: 0.5}), (50, 55, 20, 20, {C4: 0.6}))
    found = detector(network).detect(np.zeros((1, 3, 64, 64), np.uint8))[0]
    assert found.scores.argmax(axis=1).tolist() == [C3, C4] and found.boxes[1, 1] == 45


def test_faintBoxesAreLeftOut():
    found = detector(FakeNetwork((50, 40, 20, 10, {C3: 0.04}))).detect(np.zeros((1, 3, 64, 64), np.uint8))[0]
    assert len(found.boxes) == 0


def test_picturesArePaddedToWhatTheNetworkTakes():
    network = FakeNetwork()
    detector(network).detect(np.zeros((2, 3, 70, 64), np.uint8))
    assert network.batches == [(2, 3, 96, 64)]


def test_theBatchIsHalvedWhenMemoryIsShort():
    network = FakeNetwork((50, 40, 20, 10, {C3: 0.7}), memory=3)
    calls = []
    found = detector(network, 8).detect(np.zeros((7, 3, 64, 64), np.uint8), lambda *call: calls.append(call))
    assert len(found) == 7 and [shape[0] for shape in network.batches] == [7, 4, 2, 2, 2, 1]
    assert calls[-1] == ("Detecting", 7, 7)


@pytest.mark.parametrize("text", ["CUDA error: out of memory", "CUDNN_STATUS_ALLOC_FAILED",
                                  "CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"])
def test_libraryErrorsOfShortMemoryHalveTheBatchToo(text):
    network = FakeNetwork((50, 40, 20, 10, {C3: 0.7}), memory=3, error=RuntimeError(text))
    assert len(detector(network, 4).detect(np.zeros((4, 3, 64, 64), np.uint8))) == 4
    assert [shape[0] for shape in network.batches] == [4, 2, 2]


def test_otherErrorsAreNoShortMemory():
    with pytest.raises(RuntimeError, match="illegal"):
        detector(FakeNetwork(memory=0, error=RuntimeError("CUDA error: an illegal memory access"))).detect(
            np.zeros((2, 3, 64, 64), np.uint8))


def test_withoutMemoryForOnePictureItFails():
    with pytest.raises(torch.cuda.OutOfMemoryError):
        detector(FakeNetwork(memory=0), 2).detect(np.zeros((2, 3, 64, 64), np.uint8))


@pytest.mark.parametrize(("instructions", "precision"), [
    ({"avx512_bf16": True}, "bfloat16"), ({"amx_bf16": True}, "bfloat16"), ({"avx512_f": True}, "single"),
    ({}, "single")])
def test_processorsThatGainUseBfloat16(monkeypatch, instructions, precision):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: instructions, raising=False)
    assert choosePrecision("auto", torch.device("cpu")) == precision


def test_olderTorchStaysWithSinglePrecision(monkeypatch):
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert choosePrecision("auto", torch.device("cpu")) == "single"


def test_graphicsCardsUseHalfPrecisionUnlessToldOtherwise():
    assert choosePrecision("auto", torch.device("cuda")) == "half"
    assert choosePrecision("single", torch.device("cuda")) == "single"


def test_unknownPrecisionsAreRefused():
    with pytest.raises(InputError, match="double"):
        choosePrecision("double", torch.device("cpu"))


@torch.inference_mode()
def test_halfPrecisionKeepsThePlacesOfTallPictures():
    # Far down a CT of the whole body the places of the boxes have more digits than bfloat16. The untrained network
    # gives the same box everywhere in the inside of a black picture.
    picture = torch.zeros(1, 3, 64, 1536, dtype=torch.bfloat16)
    untrained = detectionModel("yolov5n", len(CLASS_NAMES)).eval().to(torch.bfloat16)
    plain = columnsBetween(copy.deepcopy(untrained), picture)
    exact = columnsBetween(decodeInSinglePrecision(untrained), picture)
    assert np.abs(exact - 8).max() < 0.01 and np.abs(plain - 8).max() > 4


def columnsBetween(network, picture):
    """Pixels from the middle of a box to that of the next, in a row of the finest boxes, far from the edges."""
    middles = network(picture)[0][0, 0, : 8 * 192].float().reshape(8, 192)[3]
    return np.diff(middles.numpy())[40:-40]


def test_weightsWithoutTheClassBelowStillRunAndNeverSayIt():
    """The first weights knew C1 to T4 and the body only."""
    old = {**CARD, "classes": [name for name in CLASS_NAMES if name != "below"]}

    class OldNetwork(FakeNetwork):
        def __call__(self, pictures):
            (prediction,) = super().__call__(pictures)
            return [np.delete(prediction.clone(), 4 + BELOW, axis=1)]

    boxes = (50, 40, 20, 10, {C3: 0.7, BODY: 0.1}), (50, 80, 20, 10, {BODY: 0.8})
    new = detector(FakeNetwork(*boxes)).detect(np.zeros((1, 3, 96, 64), np.uint8))[0]
    found = YoloDetector(TorchNetwork(OldNetwork(*boxes), torch.device("cpu")), old, everySlice=True).detect(
        np.zeros((1, 3, 96, 64), np.uint8))[0]
    assert found.scores.shape == (1, 12) and found.scores[0, BELOW] == 0
    for name in ("boxes", "scores", "bodyBoxes", "bodyScores"):
        assert np.array_equal(getattr(found, name), getattr(new, name)), name


def test_aVertebraBelowTheLevelsIsFoundAsSuch():
    found = detector(FakeNetwork((50, 40, 20, 10, {BELOW: 0.7, C3: 0.1}))).detect(np.zeros((1, 3, 64, 64), np.uint8))[0]
    assert found.boxes.tolist() == [[40, 35, 60, 45]] and found.scores[0].argmax() == BELOW
