"""Weights on disk: a safetensors state dict and a JSON model card beside it. No pickle is ever loaded."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from CervicalSpineDetectionLib.AtomicFiles import atomicFile
from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.SliceDetector.NetworkLayers import ARCHITECTURES
from CervicalSpineDetectionLib.SliceDetector.TensorFile import checkTensorFile
from CervicalSpineDetectionLib.Spine.Arrays import Array

DEFAULT_WEIGHTS = "cervical-yolov5n"
# Of the weights for second looks, which can't be chosen for themselves.
EDGES_FOLDER = "edges"
# Fields of a card that name them: those for sagittal and for coronal slices.
EDGES = ("edges", "coronalEdges")
# Field of a model card -> whether its value can be used. Millimetres; the window in HU.
CARD_FIELDS = {
    "name": lambda value: isinstance(value, str),
    # No path: a yaml file of ultralytics says which code is run.
    "architecture": lambda value: value in ARCHITECTURES,
    "classes": lambda value: isinstance(value, list) and all(isinstance(name, str) for name in value),
    "plane": lambda value: isinstance(value, str),
    "pixelSize": lambda value: 0.2 <= value <= 5,
    "sliceSpacing": lambda value: 0.2 <= value <= 10,
    "window": lambda value: len(value) == 2 and -2000 <= value[0] < value[1] <= 10_000,
    "sha256": lambda value: isinstance(value, str),
}
MAXIMUM_CARD_BYTES = 1_000_000
# yolov5x as single precision has 390 MB.
MAXIMUM_WEIGHTS_BYTES = 500_000_000


def weightsFolder() -> Path:
    """Where the shipped weights lie: in the installed package, or at the root of a checkout."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "ModelWeights"
    return installed if installed.is_dir() else package.parents[1] / "model_weights"


def userWeightsFolder() -> Path:
    """Where weights of one's own are installed: ``$CERVICAL_SPINE_WEIGHTS``, or a folder in the home folder."""
    # Not Path.home, which raises where the user has none, as in containers.
    return Path(os.environ.get("CERVICAL_SPINE_WEIGHTS") or os.path.expanduser("~/.cervical-spine/weights"))


def checkInstallName(name: str) -> None:
    """:raises InputError: weights can't be installed under this name."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,60}", name):
        raise InputError(f'"{name}" is no name for weights; use letters, digits, ".", "_" and "-".')
    for folder in (weightsFolder(), userWeightsFolder()):
        if (folder / f"{name}.safetensors").is_file():
            raise InputError(f"There are weights called {name} already (in {folder}); choose another name.")


def installWeights(path: str | Path, name: str) -> Path:
    """Copy weights to where they are found by name, beside the shipped ones.

    :param path: safetensors file with its card.
    :param name: they are found by.
    :return: Path of the copy.
    :raises InputError: the name can't be used, or the weights are damaged.
    """
    checkInstallName(name)
    card, state = loadWeights(path)
    target = userWeightsFolder() / f"{name}.safetensors"
    target.parent.mkdir(parents=True, exist_ok=True)
    saveWeights(target, state, {**{key: value for key, value in card.items() if key != "sha256"}, "name": name})
    return target


def findWeights(weights: str | Path | None = None) -> Path:
    """Path of a safetensors file.

    :param weights: path, name of shipped or installed weights, or None for the default.
    :raises InputError: there is no such file.
    """
    given = str(weights or DEFAULT_WEIGHTS)
    folders = (weightsFolder(), userWeightsFolder())
    for path in (Path(given), *(folder / f"{given}.safetensors" for folder in folders)):
        # os.path, because Path.is_file raises where the name is too long.
        if path.suffix == ".safetensors" and os.path.isfile(path):
            return path
    names = sorted({path.stem for folder in folders for path in folder.glob("*.safetensors")})
    raise InputError(f"No weights called {given}: give a .safetensors file or one of the names "
                     f"({', '.join(names) or 'none'}).")


def readCard(path: str | Path) -> dict[str, Any]:
    """Model card of a safetensors file: the JSON file of the same name beside it.

    :raises InputError: card missing, unreadable or without a needed field.
    """
    cardPath = Path(path).with_suffix(".json")
    try:
        card: dict[str, Any] = json.loads(_read(cardPath, MAXIMUM_CARD_BYTES))
    except FileNotFoundError:
        raise InputError(f"The model card {cardPath.name} is missing beside the weights; copy both files.") from None
    # RecursionError: brackets nested ten thousand deep.
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"The model card {cardPath.name} can't be read ({error}); copy it again.") from None
    wrong = list(CARD_FIELDS) if not isinstance(card, dict) else [
        field for field, isUsable in CARD_FIELDS.items() if field not in card or not _holds(isUsable, card[field])
    ]
    if wrong:
        raise InputError(f"The model card {cardPath.name} lacks a usable {', '.join(wrong)}; "
                         "it is not for this program.")
    return card


def _holds(isUsable: Callable[[Any], bool], value: Any) -> bool:
    try:
        return isUsable(value)
    except (TypeError, KeyError):
        return False


def _read(path: Path, maximum: int) -> bytes:
    """Bytes of a file. :raises ValueError: it has more than the maximum."""
    if path.stat().st_size > maximum:
        raise ValueError(f"larger than {maximum / 1e6:.0f} MB")
    return path.read_bytes()


def loadArrays(path: str | Path) -> tuple[dict[str, Any], dict[str, Array]]:
    """Read weights after checking them against their card.

    :param path: safetensors file.
    :return: (card, name -> array: float32, or whole numbers).
    :raises InputError: the file is damaged or not the one the card describes.
    """
    card = readCard(path)
    return card, _checkedArrays(Path(path), card["sha256"])


def loadEdges(path: str | Path, card: Mapping[str, Any], field: str) -> tuple[str, dict[str, Array]]:
    """The weights for the second look at boxes that a card names, checked against it.

    :param path: of the detector's weights, in whose ``EDGES_FOLDER`` they lie, or in that of the shipped ones.
    :param field: one of ``EDGES``.
    :return: (file name, name -> array).
    :raises InputError: the card's field can't be used; the file is damaged or not the one the card describes.
    """
    named = card[field]
    if not isinstance(named, dict) or not all(isinstance(named.get(key), str) for key in ("name", "sha256")) or (
            not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,60}", named["name"])):
        raise InputError(f"The model card {Path(path).with_suffix('.json').name} lacks a usable {field}; it is not for "
                         "this program.")
    files = [folder / EDGES_FOLDER / f"{named['name']}.safetensors" for folder in (Path(path).parent, weightsFolder())]
    file = next((file for file in files if file.is_file()), files[-1])
    return file.name, _checkedArrays(file, named["sha256"])


def _checkedArrays(path: Path, sha256: str) -> dict[str, Array]:
    """:return: name -> array: float32, or whole numbers. :raises InputError: see ``loadArrays``."""
    from safetensors import SafetensorError

    name = path.name
    try:
        data = _read(path, MAXIMUM_WEIGHTS_BYTES)
    except (OSError, ValueError) as error:
        raise InputError(f"The weights {name} can't be read ({error}); copy them again.") from None
    if hashlib.sha256(data).hexdigest() != sha256:
        raise InputError(f"{name} is not the file its model card describes (SHA-256 differs); copy both again.")
    try:
        checkTensorFile(data)
        arrays = _arraysIn(data)
    except (SafetensorError, ValueError):
        raise InputError(f"{name} is no safetensors file; use weights that this program trained.") from None
    # Such networks would find nothing, or a vertebra everywhere, and not say why.
    if not all(np.isfinite(array).all() for array in arrays.values()):
        raise InputError(f"{name} holds numbers that are not finite; train or copy the weights again.")
    if any(array.ndim > 1 and array.size and not array.any() for array in arrays.values()):
        raise InputError(f"{name} holds layers of zeros, which see nothing; train or copy the weights again.")
    return arrays


def _arraysIn(data: bytes) -> dict[str, Array]:
    try:
        from safetensors.numpy import load

        arrays = load(data)
    except KeyError:
        # bfloat16, which numpy does not know.
        from safetensors.torch import load as loadTensors

        arrays = {name: (tensor.float() if tensor.is_floating_point() else tensor).numpy()
                  for name, tensor in loadTensors(data).items()}
    return {name: array.astype(np.float32 if np.issubdtype(array.dtype, np.floating) else array.dtype)
            for name, array in arrays.items()}


def loadWeights(path: str | Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The same as torch's tensors.

    :return: (card, state dict of float32 tensors).
    :raises InputError: see ``loadArrays``.
    """
    card, arrays = loadArrays(path)
    return card, tensorsOf(arrays)


def tensorsOf(arrays: Mapping[str, Array]) -> dict[str, Any]:
    """The same numbers as torch's tensors."""
    import torch

    return {name: torch.from_numpy(array) for name, array in arrays.items()}


def addToCard(path: str | Path, fields: Mapping[str, Any]) -> None:
    """Write fields into the model card of a safetensors file, the weights as they are.

    :raises InputError: see ``readCard``.
    """
    text = json.dumps({**readCard(path), **fields}, indent=1, ensure_ascii=False) + "\n"
    with atomicFile(Path(path).with_suffix(".json")) as temporary:
        temporary.write_bytes(text.encode())


def saveWeights(path: str | Path, stateDict: Mapping[str, Any], card: Mapping[str, Any]) -> None:
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
        with atomicFile(target) as temporary:
            temporary.write_bytes(content)
