"""Slices and boxes of many CTs in the memory of the training device, to draw random views from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

MOST_BOXES = 48  # in one slice: fourteen vertebrae with their bodies, and room
NO_CLASS = -1
EMPTY_PART = 0.1  # of the views show slices without a vertebra
KINDS = ("real", "made")


@dataclass(frozen=True)
class LabelledSlices:
    """Sagittal slices of one CT, in order, with their boxes.

    :param pictures: uint8, shape (slices, rows, columns).
    :param boxes: float32, shape (n, 6): slice, class, firstColumn, firstRow, lastColumn, lastRow in pixel edges.
    :param pixelSize: mm.
    :param kind: one of ``KINDS``.
    """

    pictures: np.ndarray
    boxes: np.ndarray
    pixelSize: float
    kind: str


@dataclass(frozen=True)
class DrawnSlices:
    """Some slices of a pool; tensors on its device.

    :param pictures: uint8, shape (n, 3, rows, columns): previous, own and next slice; outside the slice 0.
    :param boxes: float32, shape (n, boxes, 5): class (``NO_CLASS`` where there is no more) and pixel edges.
    :param sizes: float32, shape (n, 2): rows and columns that the slice has of the picture.
    :param pixelSizes: float32, shape (n,), mm.
    """

    pictures: torch.Tensor
    boxes: torch.Tensor
    sizes: torch.Tensor
    pixelSizes: torch.Tensor


class SlicePool:
    """Room for a number of slices, filled CT by CT while training draws from it.

    :param capacity: slices.
    :param shape: rows and columns of the largest slice; of larger ones the part about the boxes is kept.
    :param shares: part of the views that each of ``KINDS`` gets.
    """

    def __init__(self, capacity: int, shape: tuple[int, int], device: torch.device, shares: dict[str, float]) -> None:
        self.device = device
        self.shares = shares
        self._shape = shape
        self._pictures = torch.zeros((capacity, *shape), dtype=torch.uint8, device=device)
        self._boxes = torch.full((capacity, MOST_BOXES, 5), float(NO_CLASS), device=device)
        self._sizes = torch.zeros((capacity, 2), device=device)
        self._pixelSizes = torch.ones(capacity, device=device)
        self._first = torch.zeros(capacity, dtype=torch.long, device=device)  # of the CT that a slice belongs to
        self._last = torch.zeros(capacity, dtype=torch.long, device=device)
        self._weights: dict[str, list[tuple[int, np.ndarray]]] = {kind: [] for kind in KINDS}
        self._cumulative: torch.Tensor | None = None
        self.count = 0

    @property
    def ctCount(self) -> int:
        """CTs in the pool."""
        return sum(len(weights) for weights in self._weights.values())

    def add(self, slices: LabelledSlices) -> bool:
        """Take the slices of one CT in. :return: False where there is no room left for them."""
        slices = cutToShape(slices, self._shape)
        number, rows, columns = slices.pictures.shape
        first, last = self.count, self.count + number
        if last > len(self._pictures):
            return False
        self._pictures[first:last, :rows, :columns] = torch.from_numpy(slices.pictures).to(self.device)
        self._boxes[first:last] = torch.from_numpy(_perSlice(slices)).to(self.device)
        self._sizes[first:last] = torch.tensor([rows, columns], dtype=torch.float32, device=self.device)
        self._pixelSizes[first:last] = slices.pixelSize
        self._first[first:last], self._last[first:last] = first, last - 1
        self._weights[slices.kind].append((first, _sliceWeights(slices)))
        self.count, self._cumulative = last, None
        return True

    def draw(self, count: int) -> DrawnSlices:
        """Random slices: each kind in its share, each CT of a kind alike, in it those that show much more often."""
        if self._cumulative is None:
            self._cumulative = self._probabilities().cumsum(0)
        chosen = torch.searchsorted(self._cumulative, torch.rand(count, device=self.device) * self._cumulative[-1])
        chosen = chosen.clamp(max=self.count - 1)
        neighbours = torch.stack([torch.maximum(chosen - 1, self._first[chosen]), chosen,
                                  torch.minimum(chosen + 1, self._last[chosen])], dim=1)
        return DrawnSlices(self._pictures[neighbours], self._boxes[chosen], self._sizes[chosen],
                           self._pixelSizes[chosen])

    def _probabilities(self) -> torch.Tensor:
        weights = np.zeros(self.count)
        for kind, parts in self._weights.items():
            for first, part in parts:
                weights[first : first + len(part)] = part * self.shares[kind] / len(parts)
        return torch.from_numpy(weights).to(self.device, torch.float32)


def cutToShape(slices: LabelledSlices, shape: tuple[int, int]) -> LabelledSlices:
    """The part of slices about their boxes that fits into a shape (rows, columns)."""
    first = [0, 0]
    for axis, (size, room) in enumerate(zip(slices.pictures.shape[1:], shape, strict=True)):
        if size > room:
            edges = slices.boxes[:, [3 - axis, 5 - axis]] if len(slices.boxes) else np.array([[0.0, size]])
            first[axis] = int(np.clip((edges[:, 0].min() + edges[:, 1].max() - room) / 2, 0, size - room))
    (row, column), (rows, columns) = first, shape
    boxes = slices.boxes - np.array([0, 0, column, row, column, row], np.float32)
    pictures = np.ascontiguousarray(slices.pictures[:, row : row + rows, column : column + columns])
    limits = np.array([pictures.shape[2], pictures.shape[1]] * 2, np.float32)
    boxes[:, 2:] = boxes[:, 2:].clip(0, limits)
    return LabelledSlices(pictures, boxes, slices.pixelSize, slices.kind)


def _perSlice(slices: LabelledSlices) -> np.ndarray:
    """float32, shape (slices, MOST_BOXES, 5)."""
    result = np.full((len(slices.pictures), MOST_BOXES, 5), NO_CLASS, np.float32)
    for index in range(len(result)):
        own = slices.boxes[slices.boxes[:, 0] == index][:MOST_BOXES]
        result[index, : len(own)] = own[:, 1:]
    return result


def _sliceWeights(slices: LabelledSlices) -> np.ndarray:
    """Probability of each slice of a CT; those with much vertebra in them are the more telling ones."""
    areas = np.zeros(len(slices.pictures))
    sizes = slices.boxes[:, 4:] - slices.boxes[:, 2:4]
    np.add.at(areas, slices.boxes[:, 0].astype(int), sizes.prod(axis=1))
    full, empty = np.sqrt(areas), (areas == 0).astype(float)
    parts = [(full, 1 - EMPTY_PART if empty.any() else 1.0), (empty, EMPTY_PART if full.any() else 1.0)]
    return sum(share * part / part.sum() for part, share in parts if part.any())
