"""Train the slice detector on views drawn from a pool of slices that grows beside it: for a GPU with many cores.

``Train`` hands pictures on disk to ultralytics' own trainer, which on a GPU spends its time on reading them. Here
slices stay in the memory of the GPU, each view of them is new, and network and loss are ultralytics' own.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeAlias

import torch

from CervicalSpineDetectionLib.SliceDetector.Detector import CLASS_NAMES
from CervicalSpineDetectionLib.SliceDetector.Ultralytics import detectionModel
from CervicalSpineDetectionLib.SliceDetector.Weights import loadWeights, saveWeights
from CervicalSpineDetectionLib.Training.Dataset import SliceGeometry
from CervicalSpineDetectionLib.Training.DeviceViews import randomViews
from CervicalSpineDetectionLib.Training.Distillation import GoingOver, Teacher
from CervicalSpineDetectionLib.Training.Schedule import follow, mixedPrecision, setRate
from CervicalSpineDetectionLib.Training.SlicePool import LabelledSlices, SlicePool
from CervicalSpineDetectionLib.Training.Train import modelCard, withAllClasses
from CervicalSpineDetectionLib.Training.VolumeMakers import VolumeMakers, readSlices, sliceFiles

LOSS_WEIGHTS = {"box": 10.0, "cls": 0.5, "dfl": 2.0}  # ultralytics: 7.5, 0.5, 1.5
PARTS = "box, class and distribution"
WARM_UP_STEPS = 150
WEIGHT_DECAY = 5e-4
MOST_GRADIENT = 10.0
AVERAGE_DECAY, AVERAGE_STEPS = 0.998, 200  # of the averaged weights, and how soon it is reached
SAVE_SECONDS, FILL_SECONDS, TELL_STEPS = 45.0, 2.0, 200
REAL_SHARE = 0.35  # of the views
POOL_SHAPE = (384, 320)  # rows and columns of a slice at most: 307 mm by 256 mm of a synthetic CT
FIRST_MADE, FIRST_MADE_SECONDS = 45, 75.0  # CTs that training begins with, and how long it waits for them
GEOMETRY = SliceGeometry()  # that the weights are used with


# Of what a network says of some views: the views are among the targets, as "img".
Loss: TypeAlias = Callable[[Any, dict[str, torch.Tensor]], tuple[torch.Tensor, dict[str, torch.Tensor]]]


@dataclass(frozen=True)
class PoolPlan:
    """How to train.

    :param seconds: of training; the learning rate falls over them.
    :param steps: the most there may be.
    :param batch: views a step.
    :param sizes: of the views, pixels, multiples of 32, one drawn a step.
    """

    seconds: float
    batch: int = 512
    sizes: tuple[int, ...] = (256, 256, 256, 320)
    learningRate: float = 0.002
    steps: float = math.inf
    architecture: str = "yolov5n"


def poolOf(folder: str | Path | None, makers: VolumeMakers[LabelledSlices], capacity: int,
           device: torch.device) -> SlicePool:
    """A pool with the slices of real CTs, and some of the makers'.

    :param folder: of files that ``VolumeMakers.writeSlices`` wrote; None for synthetic CTs only.
    :param capacity: slices.
    """
    shares = {"real": REAL_SHARE if folder else 0.0, "made": 1 - REAL_SHARE if folder else 1.0}
    pool = SlicePool(capacity, POOL_SHAPE, device, shares)
    for path in sliceFiles(Path(folder)) if folder else ():
        pool.add(readSlices(path))
    print(f"{pool.ctCount} real CTs; waiting for made ones", flush=True)
    end = time.monotonic() + FIRST_MADE_SECONDS
    wanted = pool.ctCount + FIRST_MADE
    while pool.ctCount < wanted and (pool.count == 0 or time.monotonic() < end):
        for slices in makers.finished():
            pool.add(slices)
        time.sleep(FILL_SECONDS / 4)
    return pool


def trainOnPool(pool: SlicePool, plan: PoolPlan, target: Path, name: str, trainingData: Iterable[Mapping[str, str]],
                initial: str | Path | None = None, makers: VolumeMakers[LabelledSlices] | None = None,
                teacher: Teacher | None = None) -> Path:
    """Train for a time.

    :param pool: with some slices in it.
    :param target: safetensors file, rewritten now and then and at the end, with the averaged weights.
    :param name: of the weights.
    :param trainingData: the model card's: "name", "licence" and "source" of each source.
    :param initial: weights to start from, or None for random ones.
    :param makers: ``VolumeMakers`` that go on filling the pool, or None.
    :param teacher: whose word is learned; None: the boxes are.
    :return: ``target``.
    """
    network, average = _networks(plan, initial, pool.device)
    loss = teacher or _lossOf(network)
    goingOver = GoingOver.begin(network) if teacher else None
    optimizer = _optimizer(network, plan.learningRate)
    torch.backends.cudnn.benchmark = True  # few sizes, many steps
    target.parent.mkdir(parents=True, exist_ok=True)

    def save(step: int, seconds: float) -> None:
        training = {"views": step * plan.batch, "minutes": round(seconds / 60, 1)}
        saveWeights(target, average.state_dict(),
                    modelCard(name, plan.architecture, asdict(GEOMETRY), trainingData, training))

    started = saved = filled = time.monotonic()
    step, room, losses = 0, makers is not None, torch.zeros(3, device=pool.device)
    while (now := time.monotonic()) - started < plan.seconds and step < plan.steps:
        if goingOver:
            goingOver.goOn((now - started) / plan.seconds)
        if room and now - filled > FILL_SECONDS:
            room, filled = all([pool.add(slices) for slices in makers.finished()]), now
        setRate(optimizer, plan.learningRate, step, (now - started) / plan.seconds, WARM_UP_STEPS)
        size = plan.sizes[step % len(plan.sizes)]
        losses += _step(network, loss, optimizer, *randomViews(pool.draw(plan.batch), size))
        step += 1
        follow(average, network, AVERAGE_DECAY * (1 - math.exp(-step / AVERAGE_STEPS)))
        if step % TELL_STEPS == 0:
            means = [round(value / TELL_STEPS, 3) for value in losses.tolist()]
            print(f"{now - started:.0f} s, step {step}, {pool.ctCount} CTs, {pool.count} slices, "
                  f"{teacher.PARTS if teacher else PARTS} loss {means}", flush=True)
            losses.zero_()
        if now - saved > SAVE_SECONDS:
            save(step, now - started)
            saved = now
    save(step, time.monotonic() - started)
    return target


def _networks(plan: PoolPlan, initial: str | Path | None,
              device: torch.device) -> tuple[torch.nn.Module, torch.nn.Module]:
    """The network that learns, and the one that averages its weights."""
    network = detectionModel(plan.architecture, len(CLASS_NAMES))
    if initial:
        known, state = loadWeights(initial)
        network.load_state_dict(withAllClasses(state, known["classes"]))
    network = network.to(device, memory_format=torch.channels_last).train()
    average = copy.deepcopy(network).eval().requires_grad_(False)
    return network, average


def _lossOf(network: torch.nn.Module) -> Loss:
    from ultralytics.utils.loss import v8DetectionLoss

    network.args = SimpleNamespace(**LOSS_WEIGHTS)  # type: ignore[assignment]  # where ultralytics' loss looks
    return v8DetectionLoss(network)


def _optimizer(network: torch.nn.Module, rate: float) -> torch.optim.Optimizer:
    decayed = [weights for weights in network.parameters() if weights.requires_grad and weights.ndim > 1]
    others = [weights for weights in network.parameters() if weights.requires_grad and weights.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": WEIGHT_DECAY}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.99), fused=decayed[0].is_cuda)


def _step(network: torch.nn.Module, loss: Loss, optimizer: torch.optim.Optimizer, pictures: torch.Tensor,
          targets: dict[str, torch.Tensor]) -> torch.Tensor:
    pictures = pictures.to(memory_format=torch.channels_last)
    with mixedPrecision(pictures.device):
        predictions = network(pictures)
    predictions = {name: part.float() if torch.is_tensor(part) else part for name, part in predictions.items()}
    total, parts = loss(predictions, {**targets, "img": pictures})
    optimizer.zero_grad(set_to_none=True)
    (total.sum() / len(pictures)).backward()
    torch.nn.utils.clip_grad_norm_(network.parameters(), MOST_GRADIENT)
    optimizer.step()
    return torch.stack(list(parts.values())).detach()
