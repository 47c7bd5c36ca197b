"""The network in whole numbers of 8 bits: nearly the same boxes, and only where processor and weights allow it."""

import json
from contextlib import contextmanager

import numpy as np
import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from goldenResults import GOLDEN
from test_onnx_network import untrained

from CervicalSpineDetectionLib.CommandLine import Calibrate
from CervicalSpineDetectionLib.CommandLine.Main import main
from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Imaging.ReadImage import readImage
from CervicalSpineDetectionLib.Pipeline import detectVertebrae, slicesFor
from CervicalSpineDetectionLib.SliceDetector import IntegerNetwork, OnnxNetwork
from CervicalSpineDetectionLib.SliceDetector import YoloDetector as YoloDetectors
from CervicalSpineDetectionLib.SliceDetector.BoxSelection import SCORE_THRESHOLD
from CervicalSpineDetectionLib.SliceDetector.EdgeNetwork import EdgeNetwork
from CervicalSpineDetectionLib.SliceDetector.IntegerGraph import blocksOf
from CervicalSpineDetectionLib.SliceDetector.IntegerGrid import Grid
from CervicalSpineDetectionLib.SliceDetector.IntegerNetwork import RANGES, RANGES_OF
from CervicalSpineDetectionLib.SliceDetector.Weights import EDGES, findWeights, loadArrays, loadEdges, readCard
from CervicalSpineDetectionLib.SliceDetector.YoloDetector import STRIDE, loadDetector
from CervicalSpineDetectionLib.Training.IntegerRanges import integerRanges


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


LOOKS = dict(zip(EDGES, ("secondLook", "coronalLook"), strict=True))


@contextmanager
def changedCard(path):
    """The card of weights, written back as it was left."""
    file = path.with_suffix(".json")
    card = json.loads(file.read_text(encoding="utf-8"))
    yield card
    file.write_text(json.dumps(card), encoding="utf-8")


def changeCard(path, ranges):
    with changedCard(path) as card:
        card[RANGES] = ranges


def forgetRange(path, field, layer):
    with changedCard(path) as card:
        del card[field][RANGES][layer]


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
@pytest.mark.parametrize("architecture", ["yolov5n", "yolov5n-relu"])
def test_itComputesTheActivationsOfItsArchitecture(architecture):
    _, weights = untrained(architecture)
    pictures = np.random.default_rng(1).integers(0, 256, (3, 3, 96, 128)).astype(np.uint8)
    ranges = integerRanges(architecture, 13, weights, [pictures])

    found, expected = (network.predict(pictures) for network in (
        IntegerNetwork.IntegerNetwork(architecture, 13, weights, ranges),
        OnnxNetwork.OnnxNetwork(architecture, 13, weights)))

    # What differs from place to place; with the other activation it is off by a twentieth.
    own, other = (scores - scores.mean(axis=1, keepdims=True) for scores in (found[..., 4:], expected[..., 4:]))
    assert np.abs(own - other).mean() < 0.005 * np.abs(other).mean()
    assert np.abs(found[..., :4] - expected[..., :4]).max() < 0.5  # pixels


@needsExactProducts
def test_theVertebraeAreTheSame():
    image = readImage(GOLDEN / "straight.nrrd")
    found, exact = (detectVertebrae(image, loadDetector(device="cpu", precision=precision)).vertebrae
                    for precision in ("auto", "single"))
    assert [(one.level, one.uncertain) for one in found] == [(one.level, one.uncertain) for one in exact]
    assert max(np.linalg.norm(one.centre - other.centre) for one, other in zip(found, exact, strict=True)) < 0.5


@needsExactProducts
@pytest.mark.parametrize("field", EDGES)
def test_theSecondLookFindsTheSameEdges(field):
    card = readCard(findWeights())
    _, weights = loadEdges(findWeights(), card, field)
    exact, whole = EdgeNetwork(weights), EdgeNetwork(weights, card[field][RANGES])
    detector, pairs = loadDetector(device="cpu", precision="single"), []

    class Both(EdgeNetwork):
        def sharpened(self, slices, asked):
            pairs.append((exact.sharpened(slices, asked), whole.sharpened(slices, asked)))
            return pairs[-1][0]

    for name in EDGES:
        setattr(detector, LOOKS[name], Both(weights) if name == field else None)
    detector.secondLook = detector.secondLook or exact
    detectVertebrae(readImage(GOLDEN / "straight.nrrd"), detector)

    (one, other), = pairs
    off = np.abs(one.boxes - other.boxes)
    assert 0 < np.median(off) < 0.08 and np.quantile(off, 0.95) < 0.25 and off.max() < 1.0  # mm
    assert (one.own == other.own).mean() > 0.995


def test_theSecondLookNeedsRangesOfAllItsLayers(copied):
    forgetRange(copied, "edges", "fine")
    assert loadDetector(copied, "cpu", precision="single").secondLook
    with pytest.raises(InputError, match="cervical-edges"):
        loadDetector(copied, "cpu")


@pytest.mark.parametrize(("changes", "isWhole"), [
    ({}, True), ({RANGES_OF: "of other weights"}, False), ({RANGES: None}, False), ({RANGES: {"fine": [2, 1]}}, False)])
def test_theSecondLookIsInSinglePrecisionWhereItsRangesAreNotOfItsWeights(copied, monkeypatch, changes, isWhole):
    with changedCard(copied) as card:
        card["edges"].update(changes)
    given = []
    monkeypatch.setattr(YoloDetectors, "EdgeNetwork", lambda weights, ranges: given.append(ranges))
    loadDetector(copied, "cpu")
    assert [ranges is not None for ranges in given] == [isWhole, True]
    loadDetector(copied, "cpu", precision="single")
    assert given[2:] == [None, None]


@needsExactProducts
def test_aPictureIsSeenTheSameBesideOthers(networks):
    slices = slicesFor(readImage(GOLDEN / "straight.nrrd"), loadDetector(device="cpu", precision="single"))[1]
    rows, columns = (size // STRIDE * STRIDE for size in slices.shape[2:])
    pictures = np.ascontiguousarray(slices[::4, :, :rows, :columns])

    together = networks[0].predict(pictures)

    for picture, beside in zip(pictures, together, strict=True):
        alone, seen = (one[one[:, 4:].max(axis=1) > SCORE_THRESHOLD] for one in (
            networks[0].predict(picture[None])[0], beside))
        assert np.array_equal(alone, seen) and (len(seen) == 0 or (seen[:, 2:4] > 1).all())
    assert sum((one[:, 4:].max(axis=1) > SCORE_THRESHOLD).any() for one in together) > 5


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
    forgetRange(copied, "coronalEdges", "own")

    assert main(["calibrate", "--weights", str(copied), "--integers"]) == 0

    card, shipped = readCard(copied), readCard(findWeights())
    assert copied.read_bytes() == before and card["sha256"] == shipped["sha256"]
    # One phantom of the twelve.
    for own, ofAll in ((card, shipped), *((card[field], shipped[field]) for field in EDGES)):
        assert own[RANGES].keys() == ofAll[RANGES].keys() and own.get(RANGES_OF) == ofAll.get(RANGES_OF)
        assert all(low >= lowest and high <= highest for (low, high), (lowest, highest) in zip(
            own[RANGES].values(), ofAll[RANGES].values(), strict=True))
    assert "Phantom 9500" in capsys.readouterr().out
    assert kindOf(weights=copied) == "int8"


def test_calibrateSaysWhichPackageIsMissing(copied, monkeypatch):
    monkeypatch.setattr(OnnxNetwork, "isThere", lambda: False)
    with pytest.raises(InputError, match="onnx and onnxruntime"):
        Calibrate.run(Calibrate.argparse.Namespace(integers=True, weights=str(copied)))
