"""Train the slice detector with ultralytics' own trainer and write its weights as safetensors."""

from __future__ import annotations

import json
import time
from pathlib import Path

import torch

from CervicalSpineDetectionLib.Detection.Detector import CLASS_NAMES
from CervicalSpineDetectionLib.Detection.Ultralytics import detectionModel, importUltralytics
from CervicalSpineDetectionLib.Detection.Weights import loadWeights, readCard, saveWeights
from CervicalSpineDetectionLib.Errors import InputError

# What would break the picture is off: a left-right flip would put the spine's back to the front, rotation would swell
# the boxes, mosaic would show four necks. Swapping the outer channels ("bgr") mirrors the patient.
AUGMENTATION = {
    "fliplr": 0.0, "flipud": 0.0, "degrees": 0.0, "mosaic": 0.0, "hsv_h": 0.0, "hsv_s": 0.0, "hsv_v": 0.35,
    "scale": 0.25, "translate": 0.12, "bgr": 0.5, "erasing": 0.0,
}


def train(datasets, output, architecture="yolov5n", epochs=12, initial=None, learningRate=0.002, batch=32,
          device="cpu", name="cervical-yolov5n"):
    """Train, or go on with a training that was broken off.

    :param datasets: folders that ``cervical-spine dataset`` wrote, of one slice geometry.
    :param output: run folder; its ``last.pt`` is ultralytics' own checkpoint, read only to go on with this run.
    :param architecture: "yolov5n" or "yolov5s".
    :param initial: safetensors file to start from, or None for random weights.
    :return: path of the safetensors file, rewritten after every epoch.
    :raises InputError: the data sets don't fit together, or the run is finished.
    """
    importUltralytics()
    from ultralytics.models.yolo.detect import DetectionTrainer

    output = Path(output).resolve()
    geometry, sources = _combine([Path(folder).resolve() for folder in datasets], output)
    target = output / f"{name}.safetensors"
    checkpoint = output / "weights" / "last.pt"
    state = loadWeights(initial)[1] if initial else None
    started = time.time()

    class Trainer(DetectionTrainer):
        def get_model(self, cfg=None, weights=None, verbose=True):
            model = detectionModel(architecture, len(CLASS_NAMES))
            if state:
                model.load_state_dict(state)
            if weights:  # going on with a run
                model.load(weights)
            return model

    def keepThreads(trainer):
        torch.set_num_threads(_processors())

    def writeWeights(trainer):
        card = {
            "schemaVersion": 1, "name": name, "architecture": architecture, "classes": list(CLASS_NAMES),
            "plane": "sagittal", "channels": "previous, own and next slice",
            "pixelSize": geometry["pixelSize"], "sliceSpacing": geometry["sliceSpacing"],
            "window": geometry["window"], "trainingData": sources,
            "training": {"epochs": trainer.epoch + 1, "minutes": round((time.time() - started) / 60, 1),
                         "loss": {key: round(float(loss), 3) for key, loss in trainer.tloss.items()}},
        }
        saveWeights(target, trainer.ema.ema.state_dict(), card)
        print(f"epoch {trainer.epoch + 1}/{trainer.epochs}  {card['training']}", flush=True)

    arguments = {
        "model": f"{architecture}.yaml", "data": str(output / "data.yaml"), "imgsz": geometry["pictureSize"],
        "epochs": epochs, "batch": batch, "device": device, "workers": 1, "optimizer": "AdamW", "lr0": learningRate,
        "cos_lr": True, "warmup_epochs": 0.5, "project": str(output.parent), "name": output.name, "exist_ok": True,
        "plots": False, "val": False, "cache": "ram", "amp": device != "cpu", "pretrained": False, **AUGMENTATION,
    }
    if checkpoint.is_file():
        if target.is_file() and readCard(target)["training"]["epochs"] >= epochs:
            raise InputError(f"The run in {output} is finished; give another output folder, "
                             f"with --initial {target} to go on from its weights.")
        arguments["resume"] = str(checkpoint)
    trainer = Trainer(overrides=arguments)
    trainer.add_callback("on_train_start", keepThreads)
    trainer.add_callback("on_model_save", writeWeights)
    trainer.train()
    return target


def _combine(folders, output):
    """One ``data.yaml`` over all folders. :return: (geometry, sources)."""
    descriptions = [json.loads((folder / "dataset.json").read_text(encoding="utf-8")) for folder in folders]
    if any(description["geometry"] != descriptions[0]["geometry"] for description in descriptions):
        raise InputError("The data sets were cut with different slice geometries; train on those of one geometry.")
    output.mkdir(parents=True, exist_ok=True)
    data = {split: [str(folder / "images" / split) for folder in folders] for split in ("train", "val")}
    text = json.dumps({**data, "names": dict(enumerate(CLASS_NAMES))})  # JSON is YAML
    (output / "data.yaml").write_text(text, encoding="utf-8")
    sources = [source for description in descriptions for source in description.get("sources", [])]
    return descriptions[0]["geometry"], list({source["name"]: source for source in sources}.values())


def _processors():
    import os

    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
