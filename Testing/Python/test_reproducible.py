"""Same CT, weights and device: the same result, bit for bit; and the result says what made it."""

import json
import re

import jsonschema
import numpy as np
import pytest
import torch
from goldenResults import GOLDEN

from CervicalSpineDetectionLib import __version__
from CervicalSpineDetectionLib.Imaging.ReadImage import readImage
from CervicalSpineDetectionLib.Pipeline import detectVertebrae
from CervicalSpineDetectionLib.Results.ResultJson import SCHEMA_FILE, toJson
from CervicalSpineDetectionLib.SliceDetector import IntegerNetwork
from CervicalSpineDetectionLib.SliceDetector.Precision import choosePrecision
from CervicalSpineDetectionLib.SliceDetector.Weights import findWeights, readCard
from CervicalSpineDetectionLib.SliceDetector.YoloDetector import loadDetector

CT = GOLDEN / "straight.nrrd"


def numbersOf(result):
    """All numbers of the vertebrae, bit for bit."""
    return [
        (v.level, float(v.confidence).hex(), v.inferred, v.complete,
         *(np.asarray(part, float).tobytes() for part in (
             v.centre, v.bounds.minimum, v.bounds.maximum, v.orientedBox.centre, v.orientedBox.size,
             v.orientedBox.axes)))
        for v in result.vertebrae
    ]


@pytest.fixture(scope="module")
def results():
    """Of a detector, of the same one again, and of another one with other batches."""
    image = readImage(CT)
    detector = loadDetector(device="cpu")
    return [detectVertebrae(image, detector), detectVertebrae(image, detector),
            detectVertebrae(image, loadDetector(device="cpu", batchSize=7))]


def test_secondRunGivesTheSameBits(results):
    assert len(results[0].vertebrae) == 7
    assert numbersOf(results[1]) == numbersOf(results[0])


def test_batchSizeChangesNothingThatMatters(results):
    for one, other in zip(results[0].vertebrae, results[2].vertebrae, strict=True):
        assert one.level == other.level
        assert np.abs(one.centre - other.centre).max() < 0.05


def test_resultNamesSoftwareAndWeights(results):
    document = toJson(results[0])
    card = readCard(findWeights())

    assert document["software"] == {"name": "CervicalSpineDetection", "version": __version__}
    assert document["model"]["name"] == card["name"] and document["model"]["sha256"] == card["sha256"]
    assert re.fullmatch("[0-9a-f]{64}", document["model"]["sha256"])


def test_resultNamesItsParameters(results):
    model, card = toJson(results[0])["model"], readCard(findWeights())

    exact = IntegerNetwork.canRun("cpu", "auto", card)
    fastest = IntegerNetwork.IntegerNetwork.precision if exact else choosePrecision("auto", torch.device("cpu"))
    assert (model["device"], model["precision"]) == ("cpu", fastest)
    assert all(model[name] == card[name] for name in ("pixelSize", "sliceSpacing", "window"))
    jsonschema.validate(toJson(results[0]), json.loads(SCHEMA_FILE.read_text(encoding="utf-8")))


def test_cpuAndGraphicsCardAgree():
    if not torch.cuda.is_available():
        pytest.skip("needs an NVIDIA GPU")
    assertAgreement(loadDetector(device="cuda"))


def test_precisionsAgree():
    assertAgreement(loadDetector(device="cpu", precision="bfloat16"))


def assertAgreement(detector):
    """Half precision moves edges by a fraction of a pixel; to the sides a vertebra may end a slice, 2 mm, sooner."""
    exact, found = (detectVertebrae(readImage(CT), one).vertebrae
                    for one in (loadDetector(device="cpu", precision="single"), detector))
    assert [v.level for v in found] == [v.level for v in exact]
    for one, other in zip(exact, found, strict=True):
        assert np.abs(one.centre - other.centre).max() < 0.5
        assert (np.abs(one.bounds.minimum - other.bounds.minimum) < [2.1, 1, 1]).all()
        assert (np.abs(one.bounds.maximum - other.bounds.maximum) < [2.1, 1, 1]).all()
        assert abs(one.confidence - other.confidence) < 0.05
