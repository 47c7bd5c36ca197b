"""Is the airway in front of the spine? Where it is behind, front and back of the CT are exchanged."""

from __future__ import annotations

import numpy as np

from CervicalSpineDetectionLib.Imaging.SagittalVolume import SagittalVolume
from CervicalSpineDetectionLib.Spine.Arrays import Array

AIR_HU, AIR_MM = -300.0, 3.0  # at least so much of it on the line: no gas in a disc
FEWEST_BODIES = 3
BESIDE_MM, ABOVE_MM = 4.0, 4.0  # of the middle of a body, lines are looked along as well
# In 88 CTs of the neck (development set, OpenKBP) the nearest air in front of any body's centre was at most 26 mm away;
# with front and back exchanged it was 35 mm and more in front and 2 to 40 mm behind in the development CTs, but for two
# whose masked surroundings look like air.
FRONT_MM, BACK_MM = 32.0, 48.0


def airwayDoubt(volume: SagittalVolume, centres: Array) -> str:
    """Why front and back seem to be exchanged, empty where nothing speaks for it.

    :param centres: shape (n, 3), LPS mm, of the bodies.
    """
    if len(centres) < FEWEST_BODIES:
        return ""
    front, back = (min(_nearestAir(volume, centre, direction) for centre in centres) for direction in (-1, 1))
    return "the airway is behind the spine" if front > FRONT_MM and back < BACK_MM else ""


def _nearestAir(volume: SagittalVolume, centre: Array, direction: int) -> float:
    """mm from a body's centre along the slices' columns, median of several lines; infinite where there is none.

    :param direction: -1 to the front, 1 to the back.
    """
    own, row, column = np.rint(volume.fromLps(centre[None])[0]).astype(int)
    beside = round(BESIDE_MM / volume.sliceSpacing)
    above = round(ABOVE_MM / volume.pixelSize)
    slices, rows, columns = volume.voxels.shape
    if not 0 <= column < columns:
        return np.inf
    found = []
    for one in {own - beside, own, own + beside} & set(range(slices)):
        for other in {row - above, row, row + above} & set(range(rows)):
            line = volume.voxels[one, other, column::direction]
            isAir = (line < AIR_HU) & volume.inside[one, other, column::direction]
            length = max(round(AIR_MM / volume.pixelSize), 1)
            runs = np.convolve(isAir, np.ones(length), "valid") if len(isAir) >= length else np.zeros(1)
            begins = np.flatnonzero(runs > length - 0.5)
            found.append(begins[0] * volume.pixelSize if len(begins) else np.inf)
    return float(np.median(found)) if found else np.inf
