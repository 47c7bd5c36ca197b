"""Weights on disk: a safetensors state dict and a JSON model card beside it. No pickle is ever loaded."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

from CervicalSpineDetectionLib.Errors import InputError

DEFAULT_WEIGHTS = "cervical-yolov5n"
CARD_FIELDS = ("name", "architecture", "classes", "plane", "pixelSize", "sliceSpacing", "window", "sha256")


def weightsFolder():
    """Where the shipped weights lie: in the installed package, or at the root of a checkout."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "ModelWeights"
    return installed if installed.is_dir() else package.parents[1] / "model_weights"


def findWeights(weights=None):
    """Path of a safetensors file.

    :param weights: path, name of shipped weights, or None for the default.
    :raises InputError: there is no such file.
    """
    given = str(weights or DEFAULT_WEIGHTS)
    for path in (Path(given), weightsFolder() / f"{given}.safetensors"):
        if path.suffix == ".safetensors" and path.is_file():
            return path
    shipped = ", ".join(sorted(path.stem for path in weightsFolder().glob("*.safetensors"))) or "none"
    raise InputError(f"No weights called {given}: give a .safetensors file or one of the shipped names ({shipped}).")


def readCard(path):
    """Model card of a safetensors file: the JSON file of the same name beside it.

    :raises InputError: card missing, unreadable or without a needed field.
    """
    cardPath = Path(path).with_suffix(".json")
    try:
        card = json.loads(cardPath.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"The model card {cardPath.name} is missing beside the weights; copy both files.") from None
    except (OSError, ValueError) as error:
        raise InputError(f"The model card {cardPath.name} can't be read ({error}); copy it again.") from None
    missing = [field for field in CARD_FIELDS if field not in card]
    if missing:
        raise InputError(f"The model card {cardPath.name} lacks {', '.join(missing)}; it is not for this program.")
    return card


def loadWeights(path):
    """Read weights after checking them against their card.

    :param path: safetensors file.
    :return: (card, state dict of float32 tensors).
    :raises InputError: the file is damaged or not the one the card describes.
    """
    from safetensors.torch import load

    card = readCard(path)
    data = Path(path).read_bytes()
    if hashlib.sha256(data).hexdigest() != card["sha256"]:
        name = Path(path).name
        raise InputError(f"{name} is not the file its model card describes (SHA-256 differs); copy both again.")
    tensors = load(data)
    return card, {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}


def saveWeights(path, stateDict, card):
    """Write weights as half precision and their card, each file whole or not at all.

    :param path: safetensors file; the card goes beside it.
    :param stateDict: name -> tensor.
    :param card: fields of the model card without "sha256".
    """
    from safetensors.torch import save

    data = save({
        name: (tensor.half() if tensor.is_floating_point() else tensor).contiguous().cpu()
        for name, tensor in stateDict.items()
    })
    text = json.dumps({**card, "sha256": hashlib.sha256(data).hexdigest()}, indent=1, ensure_ascii=False) + "\n"
    for target, content in ((Path(path), data), (Path(path).with_suffix(".json"), text.encode())):
        temporary = target.with_name(target.name + ".part")
        temporary.write_bytes(content)
        os.replace(temporary, target)
