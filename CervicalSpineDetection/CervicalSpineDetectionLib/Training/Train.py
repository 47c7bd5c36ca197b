"""Train the slice detector with ultralytics' own trainer and write its weights as safetensors."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from CervicalSpineDetectionLib import Terminal
from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.SliceDetector.Detector import BELOW_CLASS, CLASS_NAMES, ProgressCallback, classIndices
from CervicalSpineDetectionLib.SliceDetector.NetworkLayers import fileOf
from CervicalSpineDetectionLib.SliceDetector.Ultralytics import detectionModel, importUltralytics
from CervicalSpineDetectionLib.SliceDetector.Weights import loadWeights, saveWeights
from CervicalSpineDetectionLib.Training.Curves import writeCurves
from CervicalSpineDetectionLib.Training.Dataset import readDescription

FINISHED = "finished"  # a file of this name in the run's folder says so
# What would break the picture is off: a left-right flip would put the spine's back to the front, rotation would swell
# the boxes, mosaic would show four necks. Swapping the outer channels ("bgr") mirrors the patient.
AUGMENTATION = {
    "fliplr": 0.0, "flipud": 0.0, "degrees": 0.0, "mosaic": 0.0, "hsv_h": 0.0, "hsv_s": 0.0, "hsv_v": 0.35,
    "scale": 0.4, "translate": 0.1, "bgr": 0.5, "erasing": 0.0,
}


def train(datasets: Iterable[str | Path], output: str | Path, architecture: str = "yolov5n", epochs: int = 12,
          initial: str | Path | None = None, learningRate: float = 0.002, batch: int = 32, device: str = "cpu",
          name: str = "mine", patience: int = 0, progress: ProgressCallback | None = None) -> Path:
    """Train, or go on with a training that was broken off. ``curves.png`` shows its course.

    :param datasets: folders that ``cervical-spine dataset`` wrote, of one slice geometry.
    :param output: run folder; its ``last.pt`` is ultralytics' own checkpoint, read only to go on with this run.
    :param architecture: see ``NetworkLayers``; that of ``initial`` where it is given.
    :param initial: safetensors file to start from, or None for random weights.
    :param patience: stop after so many epochs without a better average precision on the held-out pictures, and give the
        weights of the best epoch; 0: go through all epochs and give those of the last.
    :param progress: called with (step, done, total) after each batch; counted over all epochs.
    :return: path of the safetensors file, rewritten after every epoch that counts.
    :raises InputError: data sets and initial weights don't fit together, or the run is finished.
    """
    importUltralytics()
    from ultralytics.models.yolo.detect import DetectionTrainer

    _silenceBars()

    output = Path(output).resolve()
    if (output / FINISHED).is_file():
        raise InputError(f"The run in {output} is finished; give another output folder, with --init "
                         f"{output / name}.safetensors to go on from its weights.")
    geometry, sources, heldOut = _combine([Path(folder).resolve() for folder in datasets], output)
    patience = patience if heldOut else 0
    target = output / f"{name}.safetensors"
    checkpoint = output / "weights" / "last.pt"
    state = None
    if initial:
        card, state = loadWeights(initial)
        architecture = card["architecture"]
        state = withAllClasses(state, card["classes"])
        _checkGeometry(card, geometry)
    started = time.time()

    class Trainer(DetectionTrainer):
        def get_model(self, cfg: Any = None, weights: Any = None,
                      verbose: bool = True) -> torch.nn.Module:
            model = detectionModel(architecture, len(CLASS_NAMES))
            if state:
                model.load_state_dict(state)
            if weights:  # going on with a run
                model.load(weights)
            return model

    def keepThreads(trainer: Any) -> None:
        torch.set_num_threads(_processors())

    def tellProgress(trainer: Any) -> None:
        trainer.batchesDone += 1
        loss = sum(float(part) for part in trainer.tloss.values())
        progress(f"Epoch {trainer.epoch + 1} of {trainer.epochs}, loss {loss:.2f}",
                 trainer.epoch * len(trainer.train_loader) + trainer.batchesDone,
                 trainer.epochs * len(trainer.train_loader))

    def writeWeights(trainer: Any) -> None:
        if patience and trainer.fitness < trainer.best_fitness:
            return
        card = modelCard(name, architecture, geometry, sources, {
            "epochs": trainer.epoch + 1, "minutes": round((time.time() - started) / 60, 1),
            "loss": {key: round(float(loss), 3) for key, loss in trainer.tloss.items()}})
        saveWeights(target, trainer.ema.ema.state_dict(), card)
        # Above the bar, where there is one.
        getattr(progress, "say", print)(f"epoch {trainer.epoch + 1}/{trainer.epochs}: {_courseText(trainer, heldOut)}")

    def drawCurves(trainer: Any) -> None:
        writeCurves(output / "curves.png", trainer.csv, heldOut)

    arguments = {
        "model": fileOf(architecture), "data": str(output / "data.yaml"),
        "imgsz": geometry["pictureSize"], "epochs": epochs, "batch": batch, "device": device, "workers": 1,
        "optimizer": "AdamW", "lr0": learningRate, "cos_lr": True, "warmup_epochs": 0.5,
        "project": str(output.parent), "name": output.name, "exist_ok": True, "plots": False, "val": patience > 0,
        "patience": patience, "cache": "ram", "amp": device != "cpu", "pretrained": False, **AUGMENTATION,
    }
    if checkpoint.is_file():
        arguments["resume"] = str(checkpoint)
    trainer = Trainer(overrides=arguments)
    trainer.add_callback("on_train_start", keepThreads)
    trainer.add_callback("on_model_save", writeWeights)
    trainer.add_callback("on_fit_epoch_end", drawCurves)
    if progress:
        trainer.add_callback("on_train_epoch_start", lambda trainer: setattr(trainer, "batchesDone", 0))
        trainer.add_callback("on_train_batch_end", tellProgress)
    trainer.train()
    (output / FINISHED).touch()
    return target


def _silenceBars() -> None:
    """ultralytics draws bars of its own while it looks through pictures, fills its cache and trains, whatever it is
    told: moves of the cursor, which a log or a filtered stream shows as noise. --verbose shows them.
    """
    from ultralytics.data import base, dataset
    from ultralytics.engine import trainer, validator

    for module in (base, dataset, trainer, validator):
        if not isinstance(module.TQDM, _SilentBar):
            vars(module)["TQDM"] = _SilentBar(module.TQDM)


class _SilentBar:
    """Makes bars that are not drawn."""

    def __init__(self, bar: Any):
        self._bar = bar

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        return self._bar(*arguments, **{**options, "disable": not Terminal.showLibraries})


def _courseText(trainer: Any, heldOut: bool) -> str:
    """e.g. "loss 2.31, mAP50 0.812, mAP50-95 0.471 on held-out pictures, all classes"; the mAP where it was measured:
    with early stopping after each epoch, else after the last.
    """
    text = f"loss {sum(float(part) for part in trainer.tloss.values()):.2f}"
    found = {name: (trainer.metrics or {}).get(f"metrics/{name}(B)") for name in ("mAP50", "mAP50-95")}
    isMeasured = trainer.args.val or trainer.epoch + 1 == trainer.epochs
    if heldOut and isMeasured and all(value is not None for value in found.values()):
        text += "".join(f", {name} {value:.3f}" for name, value in found.items()) + " on held-out pictures, all classes"
    return text


def modelCard(name: str, architecture: str, geometry: Mapping[str, Any], sources: Iterable[Mapping[str, str]],
              training: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of the model card that every training writes.

    :param geometry: fields of ``Dataset.SliceGeometry``.
    :param sources: of the training data, each a dict with its "name"; the same one may come more than once.
    :param training: how it went.
    """
    return {
        "schemaVersion": 1, "name": name, "architecture": architecture, "classes": list(CLASS_NAMES),
        "plane": "sagittal", "channels": "previous, own and next slice",
        "pixelSize": geometry["pixelSize"], "sliceSpacing": geometry["sliceSpacing"], "window": geometry["window"],
        "trainingData": list({source["name"]: source for source in sources}.values()), "training": training,
    }


def withAllClasses(state: Mapping[str, torch.Tensor], classes: Sequence[str]) -> dict[str, torch.Tensor]:
    """Weights for all classes, from weights that may lack the class of vertebrae below the levels.

    The rows of the class head are moved to their places; those of the missing class start as the last level's.

    :param state: state dict of tensors.
    :param classes: names, in the weights' order.
    :return: state dict.
    :raises InputError: other classes.
    """
    try:
        places = classIndices(classes)
    except ValueError as error:
        raise InputError(f"The weights to start from have {error}; use weights of this program.") from None
    sources = [places.index(kind) if kind in places else places.index(BELOW_CLASS - 1)
               for kind in range(len(CLASS_NAMES))]
    head = re.compile(r"\.cv3\.\d+\.2\.(weight|bias)$")
    return {name: tensor[sources].clone() if head.search(name) else tensor for name, tensor in state.items()}


def _combine(folders: Sequence[Path], output: Path) -> tuple[dict[str, Any], list[dict[str, str]], bool]:
    """One ``data.yaml`` over all folders. :return: (geometry, sources, whether pictures are held out)."""
    descriptions = [readDescription(folder) for folder in folders]
    for folder, description in zip(folders, descriptions, strict=True):
        if tuple(description.get("classes", CLASS_NAMES)) != CLASS_NAMES:
            raise InputError(f"The data set {folder} was made for other classes; make it anew.")
    if any(description["geometry"] != descriptions[0]["geometry"] for description in descriptions):
        raise InputError("The data sets were cut with different slice geometries; train on those of one geometry.")
    output.mkdir(parents=True, exist_ok=True)
    data = {split: [str(folder / "images" / split) for folder in folders] for split in ("train", "val")}
    heldOut = any(path for folder in data["val"] for path in Path(folder).glob("*.png"))
    if not heldOut:  # ultralytics looks at some after the last epoch
        data["val"] = data["train"]
    text = json.dumps({**data, "names": dict(enumerate(CLASS_NAMES))})  # JSON is YAML
    (output / "data.yaml").write_text(text, encoding="utf-8")
    sources = [source for description in descriptions for source in description.get("sources", [])]
    return descriptions[0]["geometry"], sources, heldOut


def _checkGeometry(card: Mapping[str, Any], geometry: Mapping[str, Any]) -> None:
    """:raises InputError: weights learned at another scale, or of pictures that looked otherwise."""
    for name in ("pixelSize", "sliceSpacing", "window"):
        if list(np.ravel(card[name])) != list(np.ravel(geometry[name])):
            raise InputError(f"The weights {card['name']} were trained with another {name} ({card[name]}) than that of "
                             f"the data set ({geometry[name]}); make the data set with them (--weights).")


def _processors() -> int:
    import os

    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
