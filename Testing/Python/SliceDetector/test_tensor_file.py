"""Weights from anyone: what their header says is checked before a library computes with it."""

import json

import numpy as np
import pytest
import torch
from test_weights import CARD

from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.SliceDetector import BoxSelection
from CervicalSpineDetectionLib.SliceDetector.Detector import CLASS_NAMES
from CervicalSpineDetectionLib.SliceDetector.TensorFile import checkTensorFile
from CervicalSpineDetectionLib.SliceDetector.Weights import findWeights, loadWeights, saveWeights


def tensorFile(numbers=bytes(8), **tensor):
    header = {"layer": {"dtype": "F16", "shape": [2, 2], "data_offsets": [0, 8], **tensor}}
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + numbers


def test_theShippedWeightsAreATensorFile():
    checkTensorFile(findWeights().read_bytes())
    checkTensorFile(tensorFile())


@pytest.mark.shows("Hostile", "weights of strange numbers, shapes or zeros",
                   "refused before anything computes with them")
@pytest.mark.parametrize("data", [
    tensorFile(dtype="F8_E4M3", shape=[8]), tensorFile(dtype="F8_E5M2", shape=[8]), tensorFile(dtype="F4", shape=[16]),
    tensorFile(dtype="F8_E8M0", shape=[8]), tensorFile(dtype="BOOL", shape=[8]), tensorFile(dtype=[], shape=[4]),
    tensorFile(shape=[2**63, 2]), tensorFile(shape=[2**32, 2**32]), tensorFile(shape=[-2, -2]), tensorFile(shape=[4.0]),
    tensorFile(shape=[True] * 3), tensorFile(shape=[1] * 64 + [4]), tensorFile(shape="22"), tensorFile(shape=[3]),
    tensorFile(data_offsets=[8, 0]), tensorFile(data_offsets=[0, 2**70]), tensorFile(data_offsets=[0]),
    tensorFile(data_offsets=None), b"", bytes(8), (2**62).to_bytes(8, "little") + b"{}", tensorFile(numbers=b""),
    (100_000).to_bytes(8, "little") + b"[" * 100_000, (2).to_bytes(8, "little") + b"[]",
], ids=range(24))
def test_headersThatPromiseOtherThanWeightsAreRefused(data):
    with pytest.raises(ValueError):
        checkTensorFile(data)


@pytest.mark.shows("Hostile", "weights of strange numbers, shapes or zeros")
def test_weightsOfZerosAreRefused(tmp_path):
    saveWeights(tmp_path / "w.safetensors", {"seen": torch.ones(2, 2), "layer": torch.zeros(3, 3, 1, 1)}, CARD)
    with pytest.raises(InputError, match="layers of zeros"):
        loadWeights(tmp_path / "w.safetensors")


@pytest.mark.shows("Hostile", "weights that see a vertebra everywhere", "at most 100 boxes a picture")
def test_aNetworkThatSeesAVertebraEverywhereGivesABoundedNumber():
    places = np.stack(np.meshgrid(np.arange(60), np.arange(60)), -1).reshape(-1, 2) * 10.0
    scores = np.random.default_rng(1).uniform(0.2, 0.9, (len(places), len(CLASS_NAMES)))

    found = BoxSelection.bestBoxes(places, np.full_like(places, 8.0), scores)

    assert len(found.boxes) == len(found.bodyBoxes) == BoxSelection.MAXIMUM_BOXES
    # The best of them.
    assert found.scores.max(axis=1).min() >= np.sort(scores[:, :len(found.scores[0])].max(axis=1))[-100]
