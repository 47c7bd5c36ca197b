"""A network that learns what weights say of views, not boxes."""

import copy

import pytest
import torch
from test_pool_training import CPU, ladder

from CervicalSpineDetectionLib.CommandLine import Pretrain
from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.SliceDetector.Detector import CLASS_NAMES
from CervicalSpineDetectionLib.SliceDetector.Ultralytics import detectionModel
from CervicalSpineDetectionLib.SliceDetector.Weights import findWeights, loadWeights, saveWeights
from CervicalSpineDetectionLib.Training import PoolTraining, Schedule
from CervicalSpineDetectionLib.Training.DeviceViews import randomViews
from CervicalSpineDetectionLib.Training.Distillation import GOING_OVER_PART, GoingOver, Teacher
from CervicalSpineDetectionLib.Training.SlicePool import SlicePool


@pytest.fixture(autouse=True)
def singlePrecision(monkeypatch):
    """On every processor alike."""
    monkeypatch.setattr(Schedule, "fastestPrecision", lambda device: "single")


@pytest.fixture(scope="module")
def teacher():
    return Teacher(findWeights(), CPU)


@pytest.fixture(scope="module")
def views():
    torch.manual_seed(0)
    pool = SlicePool(10, (300, 200), CPU, {"real": 0.0, "made": 1.0})
    pool.add(ladder())
    return randomViews(pool.draw(4), 96)[0]


def network(architecture="yolov5n"):
    model = detectionModel(architecture, len(CLASS_NAMES))
    model.load_state_dict(loadWeights(findWeights())[1])
    # As it computes when it is used.
    model.eval().model[-1].training = True
    return model


def test_whoSaysTheSameHasNothingToLearn(teacher, views):
    _, parts = teacher(teacher._network(views), {"img": views})

    assert set(parts) == {"class", "box", "features"}
    assert all(abs(float(part)) < 1e-3 for part in parts.values())


def test_otherClassesBoxesAndFeaturesAreToBeLearned(teacher, views):
    same = teacher._network(views)
    for changed, part in (("scores", "class"), ("boxes", "box")):
        other = {**same, changed: same[changed] + torch.randn_like(same[changed])}
        parts = teacher(other, {"img": views})[1]
        assert float(parts.pop(part)) > 0.1 and all(abs(float(left)) < 1e-3 for left in parts.values())
    parts = teacher({**same, "feats": [2 * one for one in same["feats"]]}, {"img": views})[1]
    assert float(parts["features"]) > 0.1 and abs(float(parts["class"])) < 1e-3


def test_stepsLeadToWhatTheTeacherSays(teacher, views):
    student = network("yolov5n-relu").train()
    optimizer = PoolTraining._optimizer(student, 0.001)
    losses = [PoolTraining._step(student, teacher, optimizer, views, {}) for _ in range(12)]
    assert float(losses[-1].sum()) < 0.5 * float(losses[0].sum())


def test_activationsGoOverFromSiluToRelu():
    given = torch.linspace(-5, 5, 11)
    activation = GoingOver()
    assert torch.equal(activation(given), torch.nn.functional.silu(given))
    activation.goOn(1.0)
    assert torch.equal(activation(given), torch.relu(given))


def test_theyHaveGoneOverWhenTheirPartOfTheTrainingIsOver(views):
    student, silu, relu = network("yolov5n-relu"), network(), network("yolov5n-relu")
    activation = GoingOver.begin(student)
    with torch.no_grad():
        assert torch.equal(student(views)["scores"], silu(views)["scores"])
        activation.goOn(0.5 * GOING_OVER_PART)
        assert not torch.equal(student(views)["scores"], relu(views)["scores"])
        activation.goOn(GOING_OVER_PART)
        assert torch.equal(student(views)["scores"], relu(views)["scores"])


def test_aNetworkThatKeepsItsActivationsDoesNotGoOver():
    student = detectionModel("yolov5n", len(CLASS_NAMES))
    GoingOver.begin(student)
    assert not any(isinstance(module, GoingOver) for module in student.modules())


def test_theWeightsSayWhichActivationsTheyAreFor(teacher, tmp_path):
    pool = SlicePool(10, (300, 200), CPU, {"real": 0.0, "made": 1.0})
    pool.add(ladder())
    target = tmp_path / "fast.safetensors"
    plan = PoolTraining.PoolPlan(600.0, batch=2, sizes=(96,), steps=2, architecture="yolov5n-relu")

    PoolTraining.trainOnPool(pool, plan, target, "fast", [], findWeights(), teacher=copy.deepcopy(teacher))

    card, state = loadWeights(target)
    assert card["architecture"] == "yolov5n-relu"
    detectionModel(card["architecture"], len(CLASS_NAMES)).load_state_dict(state)


def test_weightsOfOtherClassesDoNotTeach(tmp_path):
    path = tmp_path / "few.safetensors"
    card, _ = loadWeights(findWeights())
    saveWeights(path, detectionModel("yolov5n", 3).state_dict(), {**card, "classes": ["C1", "C2", "body"]})
    with pytest.raises(InputError, match="other classes"):
        Teacher(path, CPU)


def test_trainingGoesOnWithTheActivationsOfItsFirstWeights(tmp_path):
    path = tmp_path / "fast.safetensors"
    card, _ = loadWeights(findWeights())
    saveWeights(path, network("yolov5n-relu").state_dict(), {**card, "architecture": "yolov5n-relu"})

    assert Pretrain.architectureOf(path) == "yolov5n-relu"
    assert Pretrain.architectureOf(findWeights()) == Pretrain.architectureOf(None) == "yolov5n"
