"""Metal in a painted neck: a plate before some cervical bodies, held by screws."""

from __future__ import annotations

import numpy as np
import torch

from CervicalSpineDetectionLib.Spine.Arrays import Array

METAL_HU = (2500.0, 3071.0)  # titanium is beyond the scale of most scanners
PLATE_MM = 2.5
PLATE_HALF_WIDTH_MM = 8
SCREW_OFFSET_MM = 5
SCREW_LENGTH_MM = 14
CERVICAL_CODES = range(3, 8)  # C3 to C7


def addPlate(hu: torch.Tensor, tissues: Array, spacing: float, random: np.random.Generator) -> list[int]:
    """Screw a plate to two or three neighbouring cervical bodies, where they are in the map.

    :param hu: float32 torch tensor or array, shape (x, y, z) along LPS; changed in place.
    :param tissues: tissue codes, same shape.
    :param spacing: mm, isotropic.
    :return: codes of the vertebrae that bear it.
    """
    metal = random.uniform(*METAL_HU)
    first = int(random.integers(CERVICAL_CODES[0], CERVICAL_CODES[-1]))
    codes = [code for code in range(first, min(first + int(random.integers(2, 4)), CERVICAL_CODES[-1] + 1))
             if (tissues == code).any()]
    if not codes:
        return []
    index = np.argwhere(np.isin(tissues, codes))
    middle = np.median(index[:, 0])
    near = index[np.abs(index[:, 0] - middle) <= PLATE_HALF_WIDTH_MM / spacing]
    # The foremost bone at each column and height, and a plate on it.
    columns, which = np.unique(near[:, [0, 2]], axis=0, return_inverse=True)
    front = np.full(len(columns), tissues.shape[1])
    np.minimum.at(front, which.ravel(), near[:, 1])
    for step in range(round(PLATE_MM / spacing)):
        hu[columns[:, 0], np.maximum(front - 1 - step, 0), columns[:, 1]] = metal
    for code in codes:
        own = near[tissues[tuple(near.T)] == code]
        height = round(np.median(own[own[:, 1] <= np.quantile(own[:, 1], 0.3)][:, 2]))
        for side in (-1, 1):
            x = round(middle + side * SCREW_OFFSET_MM / spacing)
            rows = own[(np.abs(own[:, 0] - x) <= 1) & (own[:, 2] == height), 1]
            if len(rows):
                hu[x : x + round(3 / spacing), rows.min() : rows.min() + round(SCREW_LENGTH_MM / spacing),
                   height : height + round(3 / spacing)] = metal
    return codes
