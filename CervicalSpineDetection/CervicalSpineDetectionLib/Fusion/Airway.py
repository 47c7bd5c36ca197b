"""Is the airway in front of the spine? Where it is behind, front and back of the CT are exchanged."""

from __future__ import annotations

import numpy as np

from CervicalSpineDetectionLib.Fusion import Settings
from CervicalSpineDetectionLib.Imaging.SagittalVolume import SagittalVolume
from CervicalSpineDetectionLib.Spine.Arrays import Array


def airwayDoubt(volume: SagittalVolume, centres: Array) -> str:
    """Why front and back seem to be exchanged, empty where nothing speaks for it.

    :param centres: shape (n, 3), LPS mm, of the bodies.
    """
    # Where the picture ends soon in front of the bodies, that no air is seen there says nothing.
    centres = np.array([one for one in centres if _seenInFront(volume, one) > Settings.AIR_IN_FRONT_MM])
    if len(centres) < Settings.AIRWAY_BODIES:
        return ""
    if any(_nearestAir(volume, centre, -1) <= Settings.AIR_IN_FRONT_MM for centre in centres):
        return ""
    isBehind = any(_nearestAir(volume, centre, 1) < Settings.AIR_BEHIND_MM for centre in centres)
    return "the airway is behind the spine" if isBehind else ""


def _seenInFront(volume: SagittalVolume, centre: Array) -> float:
    """mm of image in front of a body's centre."""
    own, row, column = np.rint(volume.fromLps(centre[None])[0]).astype(int)
    if not (0 <= own < len(volume.inside) and 0 <= row < volume.inside.shape[1]):
        return 0.0
    return float(volume.inside[own, row, : max(column, 0)].sum() * volume.pixelSize)


def _nearestAir(volume: SagittalVolume, centre: Array, direction: int) -> float:
    """mm from a body's centre along the slices' columns, median of several lines; infinite where there is none.

    :param direction: -1 to the front, 1 to the back.
    """
    own, row, column = np.rint(volume.fromLps(centre[None])[0]).astype(int)
    beside = round(Settings.BESIDE_MM / volume.sliceSpacing)
    above = round(Settings.ABOVE_MM / volume.pixelSize)
    slices, rows, columns = volume.voxels.shape
    if not 0 <= column < columns:
        return np.inf
    found = []
    for one in {own - beside, own, own + beside} & set(range(slices)):
        for other in {row - above, row, row + above} & set(range(rows)):
            line = volume.voxels[one, other, column::direction]
            isAir = (line < Settings.AIR_HU) & volume.inside[one, other, column::direction]
            length = max(round(Settings.AIRWAY_MM / volume.pixelSize), 1)
            runs = np.convolve(isAir, np.ones(length), "valid") if len(isAir) >= length else np.zeros(1)
            begins = np.flatnonzero(runs > length - 0.5)
            found.append(begins[0] * volume.pixelSize if len(begins) else np.inf)
    return float(np.median(found)) if found else np.inf
