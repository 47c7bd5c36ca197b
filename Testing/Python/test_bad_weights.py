"""Everything that can be wrong with weights and their card, and what the user is told."""

import pytest
from commandFixtures import CARD, assertRefused, ct, cut, earlier, flipped, folder, text

from CervicalSpineDetectionLib.SliceDetector.Weights import saveWeights

__all__ = ["ct", "earlier", "folder"]


def weights(path, change=lambda path: None, tensors=None, **card):
    import torch

    saveWeights(path, tensors or {"layer": torch.ones(3)}, {**CARD, **card})
    change(path)
    return path


def nanTensor():
    import torch

    return {"layer": torch.tensor([1.0, float("nan")])}


WEIGHTS = {
    "not there": (lambda f: f / "none.safetensors", "No weights called"),
    "a pickle": (lambda f: text(f / "weights.pt", "cposix\nsystem\n"), "give a .safetensors file"),
    "name too long": (lambda f: f / ("n" * 300 + ".safetensors"), "No weights called"),
    "cut short": (lambda f: weights(f / "w.safetensors", lambda p: cut(p, 0.5)), "SHA-256 differs"),
    "edited": (lambda f: weights(f / "w.safetensors", flipped), "SHA-256 differs"),
    "without card": (lambda f: weights(f / "w.safetensors", lambda p: p.with_suffix(".json").unlink()),
                     "model card w.json is missing"),
    "card of other classes": (lambda f: weights(f / "w.safetensors", classes=["cat", "dog"]), "other classes"),
    "card of another plane": (lambda f: weights(f / "w.safetensors", plane="axial"), "another plane"),
    "card that names a file as network": (lambda f: weights(f / "w.safetensors", architecture="../evil"),
                                          "lacks a usable architecture"),
    "card without window": (lambda f: weights(f / "w.safetensors", window=None), "lacks a usable window"),
    "card of nested brackets": (
        lambda f: weights(f / "w.safetensors", lambda p: text(p.with_suffix(".json"), "[" * 100_000)), "can't be read"),
    "other tensors": (lambda f: weights(f / "w.safetensors"), "does not fit the network"),
    "numbers that are not finite": (lambda f: weights(f / "w.safetensors", tensors=nanTensor()), "not finite"),
}


@pytest.mark.shows("Hostile", "weights",
                   "safetensors with a card of the same SHA-256; card fields of the right kind, network by name "
                   "only, numbers finite, at most 500 MB")
@pytest.mark.parametrize("wrong", WEIGHTS)
def test_badWeightsAreRefusedWithTheCauseAndAWayOut(folder, earlier, ct, capfd, wrong):
    make, words = WEIGHTS[wrong]

    assertRefused([ct, "--output", earlier, "--device", "cpu", "--weights", make(folder)], words, earlier, capfd)
