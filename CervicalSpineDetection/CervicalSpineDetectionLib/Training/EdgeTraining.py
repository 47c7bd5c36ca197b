"""Trains the second look: from boxes on synthetic CTs to where the vertebrae's edges are, and how much a slice shows.

It learns from boxes that the detector found, from true ones moved at random, and from boxes beside a vertebra's end;
whose they are it is not told. The detector stays as it is.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from CervicalSpineDetectionLib.SliceDetector.EdgeCrops import (
    FINEST_MM,
    REACH_MM,
    Crops,
    bySize,
    cropsOf,
    nearBoxes,
    shapesFor,
)
from CervicalSpineDetectionLib.SliceDetector.EdgeLayers import PICTURES, STRIDES
from CervicalSpineDetectionLib.SliceDetector.EdgeModule import EdgeModule
from CervicalSpineDetectionLib.Spine.Arrays import Array
from CervicalSpineDetectionLib.Training.EdgeLesson import BODY_CODE, EdgeCt
from CervicalSpineDetectionLib.Training.Schedule import follow, setRate
from CervicalSpineDetectionLib.Truth.SliceBoxes import MINIMUM_AREA_MM2

MOST_CTS = 650  # that are kept, 10 MB each; later ones take the place of others
END_PART = 0.13  # of the crops show a slice at a vertebra's end, with the box of the nearest slice that shows more
END_SLICES = 3  # so far beyond
BODY_CHANCE = 0.35  # how often bodies are drawn, against whole vertebrae
FOUND_PART = 0.75  # of the boxes that the detector found are learned from as found, else the true ones in their place
FOUND_JITTER_MM = 0.3
JITTER_MM, JITTER_PARTS = (0.4, 0.9, 2.0), (0.4, 0.4, 0.2)  # of true boxes: deviations, and how often each
MOST_JITTER, LEAST_MOST_JITTER_MM = 0.15, 0.5  # of a box's size
OTHERS_JITTER_MM = 0.5
OTHERS_LEFT_OUT, OTHERS_SHOWN = 0.15, 0.6  # in so many crops only this part of the other boxes is shown
ZOOMS, MOST_SHIFT_MM = (0.95, 1.15), 1.5
COARSE_PART, COARSE_ZOOMS = 0.2, (1.0, 2.1)  # so many crops have pixels as those of a coarse CT
BLURRED_PART, NOISY_PART, MOST_NOISE = 0.35, 0.5, 40 / 1200  # noise in parts of the window
CONTRASTS, MOST_BRIGHTNESS = (0.8, 1.2), 60 / 1200
DENSE, DENSER_PART, DENSITIES = 350 / 1200, 0.3, (0.6, 1.3)  # bone brighter or darker than it was made
MOST_OFF_MM = 20.0  # of a box that was found; one that is further off is not learned from
GROUP = 16  # crops of one size
LEARNING_RATE, LATER_LEARNING_RATE = 3e-3, 8e-4  # from random weights, and from those that have learned
BATCH, WARM_UP_STEPS, WEIGHT_DECAY, MOST_GRADIENT = 64, 200, 1e-3, 5.0
AVERAGE_DECAY, AVERAGE_STEPS = 0.999, 50
EXACT_MM = 0.2  # below this the loss of an edge is square
USUAL_MM, SIZES_MM, SIZE_EXPONENT = 20.0, (6.0, 60.0), 0.7  # an edge of a small box counts more
PLACE_WEIGHT = 0.25  # of the loss that asks for the right place among those of an axis
MOST_PLACE_LOSS = 12.0
TELL_STEPS, FILL_SECONDS, SAVE_SECONDS = 200, 15.0, 60.0


@dataclass(frozen=True)
class Lessons:
    """Some crops and what is right.

    :param edges: shape (n, 4), mm as ``Crops.origins``. :param own: bool, shape (n, rows / 2, columns / 2).
    :param isWhole: shape (n,), whether ``own`` is known; of bodies it is not.
    :param hasEdges: shape (n,), whether ``edges`` are; beyond a vertebra's end they are not.
    """

    crops: Crops
    edges: Array
    own: Array
    isWhole: Array
    hasEdges: Array


@dataclass(frozen=True)
class Question:
    """A box of a CT, before its crop is cut.

    :param box: as it is given, shape (4,), mm. :param true: the same as it is.
    :param others: shape (m, 4), other boxes in the slice.
    :param isEnd: it lies beyond the vertebra's end. :param zoom: how much larger than usual the pixels are.
    """

    pupil: Pupil
    index: int
    code: int
    box: Array
    true: Array
    others: Array
    isEnd: bool
    zoom: float


class Pupil:
    """One CT to draw crops from."""

    def __init__(self, ct: EdgeCt) -> None:
        self._ct = ct
        isLarge = (ct.truth[:, 1] == BODY_CODE) | (ct.truth[:, 6] >= MINIMUM_AREA_MM2)
        self._rows = np.flatnonzero(isLarge)
        chances = np.where(ct.truth[self._rows, 1] == BODY_CODE, BODY_CHANCE, 1.0)
        self._chances = chances / max(chances.sum(), 1e-9)
        self._ends = _endsOf(ct)

    @property
    def count(self) -> int:
        """Boxes in it."""
        return len(self._rows)

    def question(self, random: np.random.Generator) -> Question:
        """A box at random."""
        truth = self._ct.truth
        isEnd = bool(self._ends) and random.random() < END_PART
        if isEnd:
            index, row = self._ends[random.integers(len(self._ends))]
        else:
            row = int(random.choice(self._rows, p=self._chances))
            index = int(truth[row, 0])
        code = int(truth[row, 1])
        beside = truth[self._rows]
        beside = beside[(beside[:, 0] == index) & ((beside[:, 1] == BODY_CODE) == (code == BODY_CODE))]
        isOther = (beside[:, 2:6] != truth[row, 2:6]).any(axis=1) & ((code == BODY_CODE) | (beside[:, 1] != code))
        others = beside[isOther, 2:6]
        others = others + random.normal(0, OTHERS_JITTER_MM, others.shape)
        if random.random() < OTHERS_LEFT_OUT:
            others = others[random.random(len(others)) < OTHERS_SHOWN]
        zoom = random.uniform(*(COARSE_ZOOMS if random.random() < COARSE_PART else ZOOMS))
        return Question(self, index, code, self._given(index, row, random), truth[row, 2:6].astype(float), others,
                        isEnd, zoom)

    def lesson(self, asked: Question, shape: Array, random: np.random.Generator) -> Lessons:
        """One crop. :param asked: of this CT. :param shape: rows and columns."""
        isBody = asked.code == BODY_CODE
        crops = cropsOf(self._ct.slices, np.array([asked.index]), asked.box[None], [asked.others], np.array([isBody]),
                        shape, asked.zoom, random.uniform(-MOST_SHIFT_MM, MOST_SHIFT_MM, 2))
        own = np.zeros([length // 2 for length in shape], bool) if isBody else self._own(asked, crops)
        return Lessons(crops, asked.true[None], own[None], np.array([not isBody]), np.array([not asked.isEnd]))

    def _given(self, index: int, row: int, random: np.random.Generator) -> Array:
        """A true box as the detector found it, or moved at random."""
        truth, found = self._ct.truth[row], self._ct.found
        true = truth[2:6].astype(float)
        same = found[(found[:, 0] == index) & (found[:, 1] == truth[1])]
        if truth[1] == BODY_CODE and len(same):
            same = same[np.abs(same[:, 2:6] - true).sum(axis=1).argmin()][None]
        if len(same) and np.abs(same[0, 2:6] - true).max() < MOST_OFF_MM and random.random() < FOUND_PART:
            box = same[0, 2:6] + random.normal(0, FOUND_JITTER_MM, 4) * random.random()
        else:
            most = np.maximum(MOST_JITTER * np.tile(true[2:] - true[:2], 2), LEAST_MOST_JITTER_MM)
            far = np.minimum(random.choice(JITTER_MM, 4, p=JITTER_PARTS), most) * self._ct.inexactness
            box = true + random.normal(0, 1, 4) * far
        return np.concatenate([box[:2], np.maximum(box[2:], box[:2] + 2)])

    def _own(self, asked: Question, crops: Crops) -> Array:
        """Which pixels of a crop, halved, are the vertebra's."""
        slices, labels = self._ct.slices, self._ct.labels[asked.index]
        size = crops.pictures.shape[:1:-1]
        places = [np.rint((crops.origins[0, axis] + (np.arange(length // 2) * 2 + 1) * crops.pixels[0]) /
                          slices.pixelSize).astype(int) for axis, length in enumerate(size)]
        inside = [(place >= 0) & (place < size) for place, size in zip(places, labels.shape[::-1], strict=True)]
        columns, rows = (place.clip(0, size - 1) for place, size in zip(places, labels.shape[::-1], strict=True))
        return np.asarray((labels[rows[:, None], columns] == asked.code) & inside[1][:, None] & inside[0])


def _endsOf(ct: EdgeCt) -> list[tuple[int, int]]:
    """(slice that shows little of a vertebra or nothing, row of the box to be given there)."""
    ends = []
    for code in np.unique(ct.truth[:, 1][ct.truth[:, 1] != BODY_CODE]):
        rows = np.flatnonzero((ct.truth[:, 1] == code) & (ct.truth[:, 6] >= MINIMUM_AREA_MM2))
        if not len(rows):
            continue
        slices = ct.truth[rows, 0].astype(int)
        first, last = slices.argmin(), slices.argmax()
        ends += [(index, int(rows[first])) for index in range(max(slices[first] - END_SLICES, 0), slices[first])]
        ends += [(index, int(rows[last])) for index in range(
            slices[last] + 1, min(slices[last] + END_SLICES + 1, len(ct.labels)))]
    return ends


def lessonsFrom(pupils: Sequence[Pupil], count: int, random: np.random.Generator) -> list[Lessons]:
    """Some crops, each of a CT at random, in groups of one size."""
    asked = [pupils[int(random.integers(len(pupils)))].question(random) for _ in range(count)]
    zooms = np.array([one.zoom for one in asked])
    shapes = shapesFor(np.array([one.box for one in asked]), FINEST_MM * zooms)
    groups = []
    for group in bySize(shapes, GROUP):
        shape = shapes[group].max(axis=0)
        parts = [asked[one].pupil.lesson(asked[one], shape, random) for one in group]
        crops = Crops(*(np.concatenate([getattr(part.crops, name) for part in parts])
                        for name in ("pictures", "boxes", "pixels", "origins")))
        groups.append(Lessons(crops, *(np.concatenate([getattr(part, name) for part in parts])
                                       for name in ("edges", "own", "isWhole", "hasEdges"))))
    return groups


def varied(pictures: torch.Tensor) -> torch.Tensor:
    """The slices of some crops blurred, noisy, and of other brightness and contrast. :param pictures: see ``Crops``."""
    slices, rest = pictures[:, :PICTURES].clone(), pictures[:, PICTURES:]
    count, shape = len(slices), slices.shape[2:]

    def between(low: float, high: float, many: int = count) -> torch.Tensor:
        return torch.empty(many, 1, 1, 1).uniform_(low, high)

    blurred = torch.rand(count) < BLURRED_PART
    if blurred.any():
        before = slices[blurred]
        kernel = torch.tensor([1.0, 2.0, 1.0]) / 4
        kernel = (kernel[:, None] * kernel).expand(PICTURES, 1, 3, 3)
        after = before
        for _ in range(1 if torch.rand(1) < 0.5 else 2):
            after = functional.conv2d(functional.pad(after, (1, 1, 1, 1), mode="replicate"), kernel, groups=PICTURES)
        slices[blurred] = before + between(0, 1, len(before)) * (after - before)
    noisy = torch.rand(count) < NOISY_PART
    if noisy.any():
        many = int(noisy.sum())
        if torch.rand(1) < 0.5:
            grain = torch.randn(many, PICTURES, *shape)
        else:
            grain = 1.5 * functional.interpolate(torch.randn(many, PICTURES, *(length // 2 for length in shape)),
                                                 scale_factor=2.0, mode="bilinear")
        slices[noisy] += between(0, MOST_NOISE, many) * grain
    slices = slices * between(*CONTRASTS) + between(-MOST_BRIGHTNESS, MOST_BRIGHTNESS)
    denser = (torch.rand(count, 1, 1, 1) < DENSER_PART) & (slices > DENSE)
    slices = torch.where(denser, DENSE + (slices - DENSE) * between(*DENSITIES), slices)
    return torch.cat([slices.clamp(0, 1), rest], dim=1)


def lossOf(model: EdgeModule, lessons: Lessons) -> tuple[torch.Tensor, torch.Tensor]:
    """:return: (loss; mean distance of edges from the true ones, mm)."""
    crops = lessons.crops
    near = [[torch.from_numpy(mask) for mask in masks] for masks in nearBoxes(crops)]
    pictures = varied(torch.from_numpy(crops.pictures)).contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        columns, rows, own = model(pictures, near)
    pixels = torch.from_numpy(crops.pixels).float()[:, None]
    given = torch.from_numpy(crops.boxes).float()
    true = (torch.from_numpy(lessons.edges - np.tile(crops.origins, 2)).float()) / pixels
    counts = ((true - given).abs() * pixels < REACH_MM - 0.5) & torch.from_numpy(lessons.hasEdges)[:, None]
    sizes = (true[:, 2:] - true[:, :2]).repeat(1, 2) * pixels
    placeLoss, found = torch.zeros(()), []
    for edge, logits in enumerate((columns[:, 0, 0], rows[:, 0, :, 0], columns[:, 1, 0], rows[:, 1, :, 0])):
        shares = _logShares(logits.float(), given[:, edge, None], pixels)
        places = _places(shares.shape[1])
        found.append((shares.exp() * places).sum(dim=1))
        # Between two places both are right, the nearer one more.
        place = (true[:, edge] / STRIDES[0] - 0.5).clamp(0, len(places) - 1.001)
        lower = place.long()
        part = place - lower
        both = shares.gather(1, torch.stack([lower, lower + 1], dim=1))
        own_ = -(both[:, 0] * (1 - part) + both[:, 1] * part).clamp(min=-MOST_PLACE_LOSS)
        placeLoss = placeLoss + (own_ * counts[:, edge]).sum() / counts[:, edge].sum().clamp(min=1)
    errors = (torch.stack(found, dim=1) - true) * pixels
    weights = (USUAL_MM / sizes.clamp(*SIZES_MM)) ** SIZE_EXPONENT * counts
    edgeLoss = (functional.smooth_l1_loss(errors, torch.zeros_like(errors), reduction="none", beta=EXACT_MM)
                * weights).sum() / counts.sum().clamp(min=1)
    isWhole = torch.from_numpy(lessons.isWhole).float()[:, None, None, None]
    ownLoss = functional.binary_cross_entropy_with_logits(
        own.float(), torch.from_numpy(lessons.own).float()[:, None], reduction="none")
    ownLoss = (ownLoss * isWhole).mean() / isWhole.mean().clamp(min=0.1)
    distance = (errors.detach().abs() * counts).sum() / counts.sum().clamp(min=1)
    return edgeLoss + PLACE_WEIGHT * placeLoss + ownLoss, distance


def _places(count: int) -> torch.Tensor:
    return STRIDES[0] * (torch.arange(count) + 0.5)


def _logShares(logits: torch.Tensor, edges: torch.Tensor, pixels: torch.Tensor) -> torch.Tensor:
    """Logarithms of the probabilities of an axis' places, those within reach of an edge."""
    near = (_places(logits.shape[1]) - edges).abs() * pixels <= REACH_MM
    return logits.masked_fill(~near, -30.0).log_softmax(dim=1)


def train(cts: Iterable[EdgeCt], news: Callable[[], Iterable[EdgeCt]], seconds: float,
          save: Callable[[EdgeModule, int], None], start: Mapping[str, Array] | None = None, seed: int = 0,
          steps: float = math.inf) -> EdgeModule:
    """Train for a time, which the learning rate falls over.

    :param cts: to begin with. :param news: gives those that came since it was called last.
    :param save: called now and then and at the end, with the averaged network and the crops it has seen.
    :param start: weights to go on from, see ``EdgeNetwork``; None for random ones.
    :param steps: the most there may be.
    :return: the averaged network.
    """
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    model = EdgeModule(start).requires_grad_(True)
    learningRate = LEARNING_RATE if start is None else LATER_LEARNING_RATE
    average = copy.deepcopy(model).eval().requires_grad_(False)
    optimizer = torch.optim.AdamW(model.parameters(), learningRate, weight_decay=WEIGHT_DECAY)
    pupils: list[Pupil] = []
    started = filled = saved = time.monotonic()
    _fill(pupils, cts, random)
    step, distances = 0, 0.0
    while (now := time.monotonic()) - started < seconds and step < steps:
        if now - filled > FILL_SECONDS:
            _fill(pupils, news(), random)
            filled = now
        setRate(optimizer, learningRate, step, (now - started) / seconds, WARM_UP_STEPS)
        optimizer.zero_grad(set_to_none=True)
        for lessons in lessonsFrom(pupils, BATCH, random):
            loss, distance = lossOf(model, lessons)
            part = len(lessons.edges) / BATCH
            (loss * part).backward()
            distances += float(distance) * part
        torch.nn.utils.clip_grad_norm_(model.parameters(), MOST_GRADIENT)
        optimizer.step()
        step += 1
        follow(average, model, min(AVERAGE_DECAY, step / (step + AVERAGE_STEPS)))
        if step % TELL_STEPS == 0:
            print(f"{now - started:.0f} s, step {step}, {len(pupils)} CTs, "
                  f"edges off by {distances / TELL_STEPS:.2f} mm", flush=True)
            distances = 0.0
        if now - saved > SAVE_SECONDS:
            save(average, step * BATCH)
            saved = now
    save(average, step * BATCH)
    return average


def _fill(pupils: list[Pupil], cts: Iterable[EdgeCt], random: np.random.Generator) -> None:
    for pupil in map(Pupil, cts):
        if not pupil.count:
            continue
        if len(pupils) < MOST_CTS:
            pupils.append(pupil)
        else:
            pupils[int(random.integers(MOST_CTS))] = pupil
