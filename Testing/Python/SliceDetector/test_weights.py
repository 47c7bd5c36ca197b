import json

import pytest
import torch

from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.SliceDetector import Weights
from CervicalSpineDetectionLib.SliceDetector.Detector import CLASS_NAMES
from CervicalSpineDetectionLib.SliceDetector.TorchNetwork import chooseDevice
from CervicalSpineDetectionLib.SliceDetector.Ultralytics import detectionModel
from CervicalSpineDetectionLib.SliceDetector.YoloDetector import loadDetector

CARD = {"name": "test", "architecture": "yolov5n", "classes": list(CLASS_NAMES), "plane": "sagittal", "pixelSize": 1.0,
        "sliceSpacing": 2.0, "window": [-200, 1000]}


@pytest.fixture(scope="module")
def state():
    torch.manual_seed(0)
    return detectionModel("yolov5n", len(CLASS_NAMES)).state_dict()


@pytest.fixture
def path(tmp_path, state):
    Weights.saveWeights(tmp_path / "test.safetensors", state, CARD)
    return tmp_path / "test.safetensors"


def test_weightsSurviveAsHalfPrecision(path, state):
    card, loaded = Weights.loadWeights(path)
    assert card["name"] == "test" and set(loaded) == set(state)
    assert all(torch.equal(loaded[k], v.half().float() if v.is_floating_point() else v) for k, v in state.items())


def test_editedWeightsAreRefused(path):
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(InputError, match="SHA-256"):
        loadDetector(str(path), "cpu")


def test_weightsWithoutCardAreRefused(path):
    path.with_suffix(".json").unlink()
    with pytest.raises(InputError, match="card"):
        loadDetector(str(path), "cpu")


def test_weightsForOtherClassesAreRefused(path, state):
    Weights.saveWeights(path, state, {**CARD, "classes": ["cat", "dog"]})
    with pytest.raises(InputError, match="other classes"):
        loadDetector(str(path), "cpu")


def test_weightsOfAnotherNetworkAreRefused(path, state):
    Weights.saveWeights(path, state, {**CARD, "architecture": "yolov5s"})
    with pytest.raises(InputError, match="does not fit"):
        loadDetector(str(path), "cpu")


def test_aCardThatIsNoJsonIsRefused(path):
    path.with_suffix(".json").write_text("{")
    with pytest.raises(InputError, match="can't be read"):
        Weights.readCard(path)


def test_unknownWeightsNameTheShippedOnes(tmp_path, monkeypatch):
    monkeypatch.setattr(Weights, "weightsFolder", lambda: tmp_path)
    (tmp_path / "shipped.safetensors").touch()
    with pytest.raises(InputError, match="shipped"):
        Weights.findWeights("nothing")


def test_aPickleIsNeverTakenForWeights(tmp_path):
    (tmp_path / "weights.pt").write_bytes(b"cposix\nsystem\n")
    with pytest.raises(InputError, match="safetensors"):
        loadDetector(str(tmp_path / "weights.pt"), "cpu")


def test_theShippedWeightsFitTheirCard():
    path = Weights.findWeights()
    card, state = Weights.loadWeights(path)
    assert card["trainingData"] and all(source["licence"] for source in card["trainingData"])
    detectionModel(card["architecture"], len(card["classes"])).load_state_dict(state)
    assert json.loads(path.with_suffix(".json").read_text()) == card


def test_aMissingDeviceIsRefused():
    if torch.cuda.is_available():
        pytest.skip("this computer has CUDA")
    with pytest.raises(InputError, match="not available"):
        chooseDevice("cuda")
    assert chooseDevice("auto").type in ("mps", "cpu")
