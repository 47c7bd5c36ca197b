"""Where vertebrae end at their sides, told from coronal slices; sagittal ones tell it to half their distance only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from CervicalSpineDetectionLib.Fusion import Settings
from CervicalSpineDetectionLib.Fusion.Solid import Solid
from CervicalSpineDetectionLib.Imaging.CoronalSlices import CORONAL
from CervicalSpineDetectionLib.Imaging.SagittalVolume import SagittalVolume
from CervicalSpineDetectionLib.SliceDetector.SecondLook import AskedBoxes, Sharpener
from CervicalSpineDetectionLib.Spine.Arrays import Array
from CervicalSpineDetectionLib.Spine.Levels import Level


@dataclass(frozen=True)
class CoronalLook:
    """:param grid: of the slices, see ``CoronalSlices.coronalGrid``. :param sharpen: of boxes in them."""

    grid: SagittalVolume
    sharpen: Sharpener


@dataclass(frozen=True)
class SlabBoxes:
    """Boxes of one vertebra in coronal slices, as it is known from sagittal ones.

    :param indices: shape (n,), of the slices, rising.
    :param boxes: shape (n, 4), mm, see ``AskedBoxes``.
    """

    indices: Array
    boxes: Array

    @property
    def isWide(self) -> Array:
        """Which of them reach nearly as far to a side as any, shape (n,), bool."""
        outward = self.boxes[:, [0, 2]] * [-1, 1]
        return np.asarray((outward >= outward.max(axis=0) - Settings.NEARLY_WIDEST_MM).any(axis=1))


def sidesSeen(solids: Mapping[Level, Solid], look: CoronalLook) -> dict[Level, Array]:
    """Where vertebrae end at their sides.

    :param solids: what they fill.
    :return: level -> shape (2,), LPS x of the right and the left side, mm; without those that are too small to tell.
    """
    slabs = {level: slabBoxes(solid, look.grid) for level, solid in solids.items()}
    slabs = {level: own for level, own in slabs.items() if len(own.indices)}
    if not slabs:
        return {}
    wide = np.concatenate([own.isWide for own in slabs.values()])
    counts = [int(own.isWide.sum()) for own in slabs.values()]
    answer = look.sharpen(AskedBoxes(
        np.concatenate([own.indices for own in slabs.values()]), np.concatenate([own.boxes for own in slabs.values()]),
        np.zeros(len(wide), bool), np.flatnonzero(wide)))
    found = {}
    for level, last, count in zip(slabs, np.cumsum(counts), counts, strict=True):
        own = answer.part(slice(last - count, last))
        shown = own.boxes[own.areas >= Settings.LEAST_SHOWN_MM2]
        if len(shown):
            # Columns run to the right.
            right, left = (np.sort(edges)[: Settings.SIDE_SLICES].mean() - Settings.BEYOND_SIDE_SLICES_MM
                           for edges in (-shown[:, 2], shown[:, 0]))
            corners = look.grid.offsetToLps(np.array([[0, 0, -right], [0, 0, left]]))
            found[level] = CORONAL.toCt(corners)[:, 0]
    return found


def slabBoxes(solid: Solid, grid: SagittalVolume) -> SlabBoxes:
    """The boxes of a vertebra in coronal slices. :param solid: what it fills. :param grid: of the slices."""
    offsets = grid.fromLps(CORONAL.fromCt(solid.points)) * grid.spacing
    slices = np.rint(offsets[:, 0] / grid.sliceSpacing).astype(int)
    indices, counts = np.unique(slices, return_counts=True)
    indices = indices[counts >= Settings.LEAST_SLAB_POINTS]
    parts = [offsets[slices == index][:, [2, 1]] for index in indices]
    boxes = np.array([[*part.min(axis=0), *part.max(axis=0)] for part in parts]).reshape(-1, 4)
    return SlabBoxes(indices, boxes + np.array([-1, -1, 1, 1]) * solid.cell[[0, 1, 0, 1]] / 2)
