"""Slices that seem to be missing where a CT was stacked from them, told from the picture alone."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from CervicalSpineDetectionLib.Imaging.SagittalVolume import VOID_HU
from CervicalSpineDetectionLib.Spine.Arrays import Array

# Fat, muscle and the edges of bone and air, whose change from slice to slice is looked at.
HU_RANGE = (-300, 300)
PIXELS = 128  # along the sides of a slice, about as many are looked at
LEAST_PIXELS = 60  # of body in both slices
REACH, FEWEST_BESIDE = 3, 2  # slices to both sides that a change is compared with
# In the OpenKBP patients whose number leaves 5 when divided by 7 (37 CTs), the greatest change from one slice to the
# next was at most 1.5 times the greatest of those beside it; where 10 % of the slices were cut out, 1.6 times and more
# in 33 of 34.
ABRUPT = 1.55
# Theirs are 2 to 3 mm thick; much thicker ones differ so much from each other that a gap between them can't be told.
THICKEST_MM = 4.0


def abruptChange(image: sitk.Image, low: float = -np.inf, high: float = np.inf) -> int | None:
    """Where the body changes as it does where slices are missing.

    :param image: sitk image in HU, whose third axis is that of its slices.
    :param low, high: continuous indices of slices between which it is looked for.
    :return: index of the slice before the change, None where there is none, or the slices are too thick to tell.
    """
    if image.GetSpacing()[2] > THICKEST_MM:
        return None
    voxels = sitk.GetArrayViewFromImage(image)
    # And those that the changes there are compared with.
    first, last = (int(np.clip(end, 0, len(voxels))) for end in (low - REACH, high + REACH + 2))
    changes = _changes(voxels[first:last])
    found = [(change / max(before + after), first + k) for k, change in enumerate(changes)
             if np.isfinite(change) and low < first + k + 0.5 < high
             for before, after in [(_known(changes[max(k - REACH, 0) : k]), _known(changes[k + 1 : k + 1 + REACH]))]
             if min(len(before), len(after)) >= FEWEST_BESIDE and max(before + after) > 0]
    ratio, k = max(found, default=(0.0, 0))
    return k if ratio > ABRUPT else None


def _changes(voxels: Array) -> Array:
    """Mean change of the body from each slice to the next, HU, shape (slices - 1,); NaN where too little is in view."""
    step = [max(size // PIXELS, 1) for size in voxels.shape[1:]]
    changes = np.full(max(len(voxels) - 1, 0), np.nan)
    before = None
    for k, stored in enumerate(voxels):
        own = np.ascontiguousarray(stored[:: step[0], :: step[1]])
        # Of clipped whole numbers of 16 bits, which most are, the differences have as many.
        values = np.clip(own if own.dtype == np.int16 else own.astype(np.float32), *HU_RANGE)
        now = values, own > VOID_HU, values > HU_RANGE[0]
        if before is not None:
            body = before[1] & now[1] & (before[2] | now[2])
            count = np.count_nonzero(body)
            if count >= LEAST_PIXELS:
                change = np.abs(values - before[0])
                change *= body
                changes[k - 1] = change.sum() / count
        before = now
    return changes


def _known(changes: Array) -> list[float]:
    return [float(change) for change in changes if np.isfinite(change)]
