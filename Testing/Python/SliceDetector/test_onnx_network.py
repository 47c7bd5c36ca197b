"""The network run by ONNX Runtime: the same boxes as with torch, there sooner, and only where it was meant."""

import functools
import subprocess
import sys

import numpy as np
import pytest
import torch
from untrainedNetworks import setNormalisation

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from test_weights import CARD

from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.SliceDetector import OnnxNetwork
from CervicalSpineDetectionLib.SliceDetector.TorchNetwork import TorchNetwork
from CervicalSpineDetectionLib.SliceDetector.Ultralytics import detectionModel
from CervicalSpineDetectionLib.SliceDetector.Weights import loadArrays, saveWeights
from CervicalSpineDetectionLib.SliceDetector.YoloDetector import loadDetector

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def noCard(monkeypatch):
    monkeypatch.setattr(OnnxNetwork, "_mayHaveCard", lambda: False)


def untrained(architecture, classes=13):
    """A network whose normalisation does something, and its weights as they are read from a file."""
    model, weights = _untrained(architecture, classes)
    return model, dict(weights)


@functools.cache
def _untrained(architecture, classes):
    torch.manual_seed(5)
    model = detectionModel(architecture, classes)
    setNormalisation(model)
    # It begins with seeing nothing anywhere.
    for scores in model.model[-1].cv3:
        torch.nn.init.normal_(scores[-1].bias, std=1.0)
    return model, {name: tensor.numpy().copy() for name, tensor in model.state_dict().items()}


@pytest.mark.parametrize(("architecture", "classes"), [
    ("yolov5n", 13), ("yolov5n", 12), ("yolov5m", 13), ("yolov5n-relu", 13)])
def test_itsBoxesAreThoseOfTorch(architecture, classes):
    model, weights = untrained(architecture, classes)
    pictures = np.random.default_rng(3).integers(0, 256, (2, 3, 96, 64), np.uint8)
    expected = TorchNetwork(model, CPU, "single").predict(pictures)
    found = OnnxNetwork.OnnxNetwork(architecture, classes, weights).predict(pictures)
    assert found.dtype == expected.dtype and found.shape == expected.shape
    assert np.abs(found[..., :4] - expected[..., :4]).max() < 0.01  # pixels
    assert np.abs(found[..., 4:] - expected[..., 4:]).max() < 1e-4


def test_theShippedWeightsSeeTheSameInBoth():
    rows = np.indices((224, 160)).sum(axis=0)
    pictures = np.stack([(rows * step % 256).astype(np.uint8) for step in range(1, 10)]).reshape(3, 3, 224, 160)
    soon, later = (loadDetector(device="cpu", precision="single", forOneCt=soon) for soon in (True, False))
    assert isinstance(soon.network, OnnxNetwork.OnnxNetwork) and isinstance(later.network, TorchNetwork)
    assert soon.model == later.model
    assert np.abs(soon.network.predict(pictures) - later.network.predict(pictures)).max() < 0.01


def test_scoresNearNothingAreNoOverflow():
    classes = np.full((1, 13, 2, 2), -1e4, np.float32)
    classes[0, 3, 1, 0] = 0
    rows, columns = OnnxNetwork.placesSeen(classes)
    assert (rows.tolist(), columns.tolist()) == ([1], [0])  # the one place where something is seen
    with np.errstate(all="raise"):
        found = OnnxNetwork.decoded(np.zeros((1, 64, 1), np.float32), classes[..., rows, columns], rows, columns, 8,
                                    np.arange(16, dtype=np.float32)[:, None])
    assert found.shape == (1, 1, 17)
    assert found[0, 0, :2].tolist() == [4, 12]
    assert np.delete(found[0, 0, 4:], 3).max() < 1e-30


def test_itNeedsNoTorch():
    code = ("import sys, numpy\n"
            "from CervicalSpineDetectionLib.SliceDetector.YoloDetector import loadDetector\n"
            "loadDetector(device='cpu', forOneCt=True).detect(numpy.zeros((2, 3, 64, 64), numpy.uint8))\n"
            "from CervicalSpineDetectionLib import Pipeline, ResultFiles\n"
            "sys.exit('torch' in sys.modules)")
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.parametrize(("device", "precision", "card", "can"), [
    ("cpu", "auto", False, True), ("cpu", "single", True, True), ("auto", "auto", False, True),
    ("auto", "auto", True, False), ("cuda", "auto", True, False), ("mps", "single", False, False),
    ("cpu", "bfloat16", False, False), ("cpu", "double", False, False)])
def test_itIsTakenWhereTheProcessorIsToComputeInSinglePrecision(monkeypatch, device, precision, card, can):
    monkeypatch.setattr(OnnxNetwork, "_mayHaveCard", lambda: card)
    assert OnnxNetwork.canRun(device, precision) == can


@pytest.mark.parametrize("package", OnnxNetwork.PACKAGES)
def test_torchIsTakenWhereAPackageIsMissing(monkeypatch, package):
    find = OnnxNetwork.importlib.util.find_spec
    monkeypatch.setattr(OnnxNetwork.importlib.util, "find_spec", lambda name: None if name == package else find(name))
    assert isinstance(loadDetector(device="cpu", forOneCt=True).network, TorchNetwork)


def withoutOne(weights):
    del weights["model.24.cv3.1.2.bias"]


def withOneMore(weights):
    weights["model.25.conv.weight"] = weights["model.0.conv.weight"]


def ofAnotherShape(weights):
    weights["model.0.conv.weight"] = weights["model.0.conv.weight"][..., :3, :3]


def withoutBins(weights):
    del weights["model.24.dfl.conv.weight"]


@pytest.mark.parametrize("change", [withoutOne, withOneMore, ofAnotherShape, withoutBins])
@pytest.mark.parametrize("soon", [True, False])
def test_weightsOfAnotherNetworkAreRefusedByBoth(tmp_path, change, soon):
    _, weights = untrained("yolov5n")
    change(weights)
    path = tmp_path / "w.safetensors"
    saveWeights(path, {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in weights.items()}, CARD)
    with pytest.raises(InputError, match="does not fit"):
        loadDetector(path, "cpu", forOneCt=soon)


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16, torch.float32, torch.float64])
def test_allKindsOfNumbersAreRead(tmp_path, monkeypatch, kind):
    _, weights = untrained("yolov5n")
    state = {name: torch.from_numpy(array) for name, array in weights.items()}
    monkeypatch.setattr(torch.Tensor, "half", lambda tensor: tensor.to(kind))
    saveWeights(tmp_path / "w.safetensors", state, CARD)
    _, arrays = loadArrays(tmp_path / "w.safetensors")
    assert all(np.array_equal(arrays[name], tensor.to(kind).float().numpy()) and arrays[name].dtype == np.float32
               for name, tensor in state.items() if tensor.is_floating_point())
