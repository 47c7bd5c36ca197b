"""The network in whole numbers of 8 bits: nearly the same boxes, and only where processor and weights allow it."""

import json

import numpy as np
import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from goldenResults import GOLDEN

from CervicalSpineDetectionLib.CommandLine import Calibrate
from CervicalSpineDetectionLib.CommandLine.Main import main
from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Imaging.ReadImage import readImage
from CervicalSpineDetectionLib.Pipeline import detectVertebrae, slicesFor
from CervicalSpineDetectionLib.SliceDetector import IntegerNetwork, OnnxNetwork
from CervicalSpineDetectionLib.SliceDetector.IntegerGraph import Grid, blocksOf
from CervicalSpineDetectionLib.SliceDetector.Weights import findWeights, loadArrays, readCard
from CervicalSpineDetectionLib.SliceDetector.YoloDetector import STRIDE, loadDetector


@pytest.fixture(autouse=True)
def processorThatCan(monkeypatch):
    monkeypatch.setattr(OnnxNetwork, "_mayHaveCard", lambda: False)
    monkeypatch.setattr(IntegerNetwork, "multipliesExactly", lambda: True)


@pytest.fixture
def copied(tmp_path):
    """Path of a copy of the shipped weights."""
    for suffix in (".safetensors", ".json"):
        (tmp_path / f"mine{suffix}").write_bytes(findWeights().with_suffix(suffix).read_bytes())
    return tmp_path / "mine.safetensors"


def changeCard(path, ranges):
    card = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    path.with_suffix(".json").write_text(json.dumps({**card, "integerRanges": ranges}), encoding="utf-8")


def kindOf(**wanted):
    return loadDetector(**{"device": "cpu", **wanted}).network.precision


@pytest.fixture(scope="module")
def networks():
    card, weights = loadArrays(findWeights())
    kind = card["architecture"], len(card["classes"]), weights
    return IntegerNetwork.IntegerNetwork(*kind, card["integerRanges"]), OnnxNetwork.OnnxNetwork(*kind)


needsExactProducts = pytest.mark.skipif(not IntegerNetwork.multipliesExactly(),
                                        reason="this processor adds up products of 8 bits in 16")


@needsExactProducts
def test_itSeesWhatTheOtherSees(networks):
    slices = slicesFor(readImage(GOLDEN / "straight.nrrd"), loadDetector(device="cpu", precision="single"))[1]
    rows, columns = (size // STRIDE * STRIDE for size in slices.shape[2:])
    pictures = slices[len(slices) // 2 - 2 : len(slices) // 2 + 2, :, :rows, :columns]

    found, expected = (network.predict(np.ascontiguousarray(pictures)) for network in networks)

    assert found.dtype == expected.dtype
    for own, others in zip(found, expected, strict=True):
        clear = others[others[:, 4:].max(axis=1) > 0.5]
        assert len(clear) > 20
        # The box whose middle is nearest.
        nearest = np.linalg.norm(own[:, None, :2] - clear[:, :2], axis=2).argmin(axis=0)
        assert np.median(np.abs(own[nearest, :4] - clear[:, :4])) < 0.6  # pixels
        assert np.median(np.abs(own[nearest, 4:] - clear[:, 4:])) < 0.02


@needsExactProducts
def test_theVertebraeAreTheSame():
    image = readImage(GOLDEN / "straight.nrrd")
    found, exact = (detectVertebrae(image, loadDetector(device="cpu", precision=precision)).vertebrae
                    for precision in ("auto", "single"))
    assert [(one.level, one.uncertain) for one in found] == [(one.level, one.uncertain) for one in exact]
    assert max(np.linalg.norm(one.centre - other.centre) for one, other in zip(found, exact, strict=True)) < 0.5


def test_whereNothingIsSeenThereAreNoBoxes(networks):
    assert networks[0].predict(np.zeros((2, 3, 64, 96), np.uint8)).shape == (2, 0, 17)


def test_blocksAreTwoRowsOfFourPixels():
    pictures = np.random.default_rng(1).integers(0, 256, (2, 3, 4, 8), np.uint8)
    blocks = blocksOf(pictures).reshape(2, 2, 3, 3, 2, 4)  # picture, row, column; channel, row and column in the block
    assert np.array_equal(blocks[1, 1, 1, 2], pictures[1, 2, 2:4, 2:6])
    assert not blocks[:, :, 0, ..., :2].any() and not blocks[:, :, -1, ..., 2:].any()


@pytest.mark.parametrize(("low", "high"), [(-6, 20), (0, 3), (-0.3, 0), (2, 5), (0, 0)])
def test_gridsHoldAllNumbersAndZero(low, high):
    grid = Grid.over(low, high)
    assert 0 <= grid.zero <= 255
    assert grid.low <= low + grid.step / 2 and grid.high >= high - grid.step / 2


@pytest.mark.parametrize("soon", [True, False])
def test_itIsTakenForOneCtAndForMany(soon):
    assert kindOf(forOneCt=soon) == kindOf(device="auto", forOneCt=soon) == "int8"
    assert kindOf(precision="single", forOneCt=soon) == "single"


def test_itIsNotTakenWhereTheProcessorLosesDigits(monkeypatch):
    monkeypatch.setattr(IntegerNetwork, "multipliesExactly", lambda: False)
    assert kindOf(forOneCt=True) == "single" and kindOf() != "int8"


@pytest.mark.parametrize("ranges", [
    None, {}, "wide", {"model.0": 3}, {"model.0": [1]}, {"model.0": [2, 1]}, {"model.0": ["a", "b"]},
    {"model.0": [float("-inf"), 1]}])
def test_itIsNotTakenWhereTheCardHasNoUsableRanges(copied, ranges):
    changeCard(copied, ranges)
    assert kindOf(weights=copied, forOneCt=True) == "single"


def test_rangesOfAnotherNetworkAreRefused(copied):
    changeCard(copied, {"model.0": [-1, 1]})
    with pytest.raises(InputError, match="does not fit"):
        kindOf(weights=copied)


def test_calibrateMeasuresTheRanges(copied, monkeypatch, capsys):
    monkeypatch.setattr(Calibrate, "INTEGER_SEEDS", [9500])
    before = copied.read_bytes()
    changeCard(copied, None)

    assert main(["calibrate", "--weights", str(copied), "--integers"]) == 0

    card, shipped = readCard(copied), readCard(findWeights())
    assert copied.read_bytes() == before and card["sha256"] == shipped["sha256"]
    assert card["integerRanges"].keys() == shipped["integerRanges"].keys()
    # One phantom of the twelve.
    assert all(low >= lowest and high <= highest for (low, high), (lowest, highest) in zip(
        card["integerRanges"].values(), shipped["integerRanges"].values(), strict=True))
    assert "Phantom 9500" in capsys.readouterr().out
    assert kindOf(weights=copied) == "int8"


def test_calibrateSaysWhichPackageIsMissing(copied, monkeypatch):
    monkeypatch.setattr(OnnxNetwork, "canRun", lambda *_: False)
    with pytest.raises(InputError, match="onnx and onnxruntime"):
        Calibrate.run(Calibrate.argparse.Namespace(integers=True, weights=str(copied)))
