"""``cervical-spine train --init``: early stopping, comparison before installation, progress, curves."""

import json
from argparse import Namespace

import numpy as np
import pytest
import torch
from PIL import Image

from CervicalSpineDetectionLib.CommandLine import TrainDetector
from CervicalSpineDetectionLib.CommandLine.Main import main
from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.SliceDetector.Detector import CLASS_NAMES
from CervicalSpineDetectionLib.SliceDetector.Ultralytics import detectionModel
from CervicalSpineDetectionLib.SliceDetector.Weights import findWeights, installWeights, loadWeights, saveWeights
from CervicalSpineDetectionLib.Training import Comparison, Train
from CervicalSpineDetectionLib.Training.Comparison import compareWeights
from CervicalSpineDetectionLib.Training.Dataset import SliceGeometry, writeDescription

SIZE = 32
CARD = {"name": "first", "architecture": "yolov5n", "classes": list(CLASS_NAMES), "plane": "sagittal",
        "pixelSize": 0.8, "sliceSpacing": 2.0, "window": [-200.0, 1000.0]}


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Where weights are installed."""
    monkeypatch.setenv("CERVICAL_SPINE_WEIGHTS", str(tmp_path / "installed"))
    return tmp_path / "installed"


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Weights that know nothing."""
    path = tmp_path_factory.mktemp("weights") / "first.safetensors"
    saveWeights(path, detectionModel("yolov5n", len(CLASS_NAMES)).state_dict(), CARD)
    return path


def writePictures(folder, **splits):
    """So many pictures of bright blocks in each split."""
    random = np.random.default_rng(0)
    for split in ("train", "val"):
        for kind in ("images", "labels"):
            (folder / kind / split).mkdir(parents=True)
        for number in range(splits.get(split, 0)):
            picture = random.integers(0, 40, (SIZE, SIZE, 3)).astype(np.uint8)
            picture[10:20, 8:24] = 200
            Image.fromarray(picture).save(folder / "images" / split / f"{number}.png")
            (folder / "labels" / split / f"{number}.txt").write_text("2 0.5 0.46875 0.5 0.3125")
    writeDescription(folder, SliceGeometry(pictureSize=SIZE), {"sources": []})


def trainOn(folder, *options):
    return main(["train", "--from", str(folder / "set"), "--output", str(folder / "run"), "--batch", "4",
                 "--name", "mine", *map(str, options)])


def figures(value):
    return {"mAP50": value, "mAP50-95": value, "pictures": 4, "perClass": {"C3": {"AP50-95": value}}}


@pytest.fixture
def trained(tmp_path, monkeypatch):
    """The training itself is left out; what is compared can be chosen."""
    (tmp_path / "set").mkdir()
    writePictures(tmp_path / "set")
    given = {}

    def train(*arguments):
        given["arguments"] = arguments
        saveWeights(tmp_path / "mine.safetensors", detectionModel("yolov5n", len(CLASS_NAMES)).state_dict(),
                    {**CARD, "name": "mine"})
        return tmp_path / "mine.safetensors"

    monkeypatch.setattr(Train, "train", train)
    monkeypatch.setattr(Comparison, "compareWeights", lambda *_: [figures(0.5), figures(given["new"])])
    (tmp_path / "run").mkdir()
    return given


def test_trainingGoesOnFromWeightsAndStopsWhereItGetsNoBetter(tmp_path, home, weights, capsys, monkeypatch):
    (tmp_path / "set").mkdir()
    writePictures(tmp_path / "set", train=4, val=1)
    monkeypatch.setattr(Train, "_processors", lambda: 1)
    progress = []
    monkeypatch.setattr(TrainDetector, "ProgressDisplay", lambda unit: lambda *step: progress.append(step))
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    from ultralytics.models.yolo.detect import DetectionTrainer

    fitness = iter([0.5, 0.4, 0.3])

    def validate(trainer):
        value = next(fitness)
        trainer.best_fitness = max(trainer.best_fitness or 0, value)
        return {"metrics/mAP50(B)": value}, value

    monkeypatch.setattr(DetectionTrainer, "validate", validate)
    assert trainOn(tmp_path, "--init", weights, "--epochs", 9, "--patience", 1, "--batch", 2) == 0

    printed = capsys.readouterr().out
    # The second epoch was worse: the training ends, and the weights are those of the first.
    assert "epoch 1/9: loss" in printed and "epoch 2/9" not in printed and next(fitness) == 0.3
    assert [step[1:] for step in progress] == [(1, 18), (2, 18), (3, 18), (4, 18)]
    assert "Caching" not in printed and "\x1b" not in printed
    assert progress[0][0].startswith("Epoch 1 of 9, loss") and progress[3][0].startswith("Epoch 2 of 9")
    card, state = loadWeights(tmp_path / "run" / "mine.safetensors")
    assert card["training"]["epochs"] == 1
    before = loadWeights(weights)[1]
    key = next(key for key in state if key.endswith("conv.weight"))
    # Near where it began, and random weights are not.
    np.testing.assert_allclose(state[key], before[key], atol=5e-3)
    assert np.std(before[key].numpy()) > 0.01
    assert Image.open(tmp_path / "run" / "curves.png").size == (990, 396)
    assert "before    after" in printed and not home.exists()
    assert set(json.loads((tmp_path / "run" / "comparison.json").read_text())) == {"old", "new"}
    assert trainOn(tmp_path, "--init", weights) == 2 and "finished" in capsys.readouterr().err


@pytest.mark.parametrize("epoch, val, heldOut, measured", [
    (0, False, True, False), (8, False, True, True), (0, True, True, True), (8, False, False, False),
])
def test_theMapIsPrintedWhereItWasMeasured(epoch, val, heldOut, measured):
    trainer = Namespace(tloss={"box_loss": 1.0, "cls_loss": 0.5}, args=Namespace(val=val), epoch=epoch, epochs=9,
                        metrics={"metrics/mAP50(B)": 0.81, "metrics/mAP50-95(B)": 0.47})

    text = Train._courseText(trainer, heldOut)

    assert text == "loss 1.50" + (", mAP50 0.810, mAP50-95 0.470 on held-out pictures, all classes" if measured else "")


def test_withoutHeldOutPatientsNothingIsClaimed(tmp_path, home, weights, trained, capsys, monkeypatch):
    monkeypatch.setattr(Comparison, "compareWeights", compareWeights)
    assert trainOn(tmp_path, "--init", weights, "--install") == 0

    assert "not installed" in capsys.readouterr().out and not home.exists()
    _, _, heldOut = Train._combine([tmp_path / "set"], tmp_path / "run")
    assert heldOut is False


def test_betterWeightsAreInstalledAndFoundByName(tmp_path, home, weights, trained, capsys):
    trained["new"] = 0.6
    assert trainOn(tmp_path, "--init", weights, "--install") == 0

    assert findWeights("mine") == home / "mine.safetensors"
    assert loadWeights(home / "mine.safetensors")[0]["name"] == "mine"
    assert "--weights mine" in capsys.readouterr().out


def test_fewHeldOutPatientsAreSaidToSayLittle(tmp_path, home, weights, trained, capsys):
    trained["new"] = 0.6
    writeDescription(tmp_path / "set", SliceGeometry(), {"sources": [], "patients": {"train": 2, "val": 1}})
    trainOn(tmp_path, "--init", weights)

    assert "1 held-out patient says little" in capsys.readouterr().out


@pytest.mark.parametrize("value", [0.5, 0.4])
def test_weightsThatAreNotBetterAreNotInstalled(tmp_path, home, weights, trained, capsys, value):
    trained["new"] = value
    assert trainOn(tmp_path, "--init", weights, "--install") == 0

    assert not home.exists() and "keep the old ones" in capsys.readouterr().out


def test_namesOfWeightsAreTakenWherePathsAre(tmp_path, home, weights, trained):
    trained["new"] = 0.6
    installWeights(weights, "own")
    trainOn(tmp_path, "--init", "own")
    _, _, _, _, initial, rate, _, _, name, patience, _ = trained["arguments"]

    assert (initial, name) == (home / "own.safetensors", "mine")
    assert (rate, patience) == (TrainDetector.FINE_LEARNING_RATE, TrainDetector.FINE_PATIENCE)


@pytest.mark.parametrize("name", ["cervical-yolov5n", "own", "../own", ""])
def test_noOtherWeightsAreOverwritten(home, weights, name):
    installWeights(weights, "own")
    before = {path: path.read_bytes() for path in home.iterdir()}

    with pytest.raises(InputError):
        installWeights(weights, name)
    assert {path: path.read_bytes() for path in home.iterdir()} == before


@pytest.mark.parametrize(("options", "sentence"), [
    (["--install"], "--init"), (["--init", "none"], "No weights called none"),
    (["--init", "cervical-yolov5n", "--install", "--name", "cervical-yolov5n"], "already"),
])
def test_whatCannotBeIsToldBeforeTheTraining(tmp_path, home, trained, capsys, options, sentence):
    assert trainOn(tmp_path, *options) == 2

    assert "arguments" not in trained and sentence in capsys.readouterr().err


def test_weightsOfAnotherScaleAreRefused(tmp_path, home, capsys):
    (tmp_path / "set").mkdir()
    writePictures(tmp_path / "set", train=2)
    path = tmp_path / "other.safetensors"
    saveWeights(path, detectionModel("yolov5n", len(CLASS_NAMES)).state_dict(), {**CARD, "pixelSize": 1.5})

    assert trainOn(tmp_path, "--init", path) == 2
    assert "pixelSize" in capsys.readouterr().err


def test_weightsWithoutTheClassBelowAreWidened():
    """Each class keeps its row of the head, "below" starts as T4, and the rest of the network is the same."""
    old = [name for name in CLASS_NAMES if name != "below"]
    state = detectionModel("yolov5n", len(old)).state_dict()
    heads = [name for name in state if ".cv3." in name and name.endswith((".2.weight", ".2.bias"))]
    for name in heads:
        rows = torch.arange(len(old), dtype=torch.float32)
        state[name] = rows.reshape(-1, *[1] * (state[name].dim() - 1)).expand(state[name].shape).clone()
    widened = Train.withAllClasses(state, old)
    assert len(heads) == 6
    for name, tensor in widened.items():
        if name in heads:
            first = tensor.reshape(len(CLASS_NAMES), -1)[:, 0].tolist()
            assert first == [*range(11), old.index("T4"), old.index("body")]
        else:
            assert torch.equal(tensor, state[name])
    detectionModel("yolov5n", len(CLASS_NAMES)).load_state_dict(widened)
    again = Train.withAllClasses(widened, CLASS_NAMES)
    assert all(torch.equal(widened[name], tensor) for name, tensor in again.items())


def test_aDataSetOfOtherClassesIsRefused(tmp_path):
    (tmp_path / "set").mkdir()
    writePictures(tmp_path / "set", train=1)
    path = tmp_path / "set" / "dataset.json"
    description = json.loads(path.read_text())
    path.write_text(json.dumps({**description, "classes": [name for name in CLASS_NAMES if name != "below"]}))
    with pytest.raises(InputError, match="other classes"):
        Train.train([tmp_path / "set"], tmp_path / "run", epochs=1)
