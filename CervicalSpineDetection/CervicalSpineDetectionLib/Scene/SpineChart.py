"""What a small chart along the spine shows: how sure each level is, and how far it stands from the next."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from CervicalSpineDetectionLib.Fusion.Settings import FURTHEST_NEIGHBOUR, NEAREST_NEIGHBOUR, NEAREST_TO_RING
from CervicalSpineDetectionLib.Scene.VertebraState import VertebraState
from CervicalSpineDetectionLib.Spine.Levels import Level
from CervicalSpineDetectionLib.Spine.Morphometry import expectedDistances


@dataclass(frozen=True)
class ChartLevel:
    """One vertebra of the chart.

    :param confidence: 0 to 1; None where a person inserted it.
    :param doubtful: to be looked at.
    :param distance: mm to the next one's center, None for the last.
    :param unusual: this distance is not what the person's other vertebrae let expect.
    """

    level: Level
    confidence: float | None
    doubtful: bool
    distance: float | None = None
    unusual: bool = False


def chartOf(states: list[VertebraState]) -> list[ChartLevel]:
    """:param states: in cranio-caudal order; those without level or center, and levels assigned twice, are left out."""
    whole = [state for state in states if state.level and state.centre]
    whole = [state for index, state in enumerate(whole) if index == 0 or state.level != whole[index - 1].level]
    levels = [Level(state.level) for state in whole]
    centres = np.array([state.centre for state in whole], float).reshape(-1, 3)
    distances = np.linalg.norm(np.diff(centres, axis=0), axis=1)
    expected = expectedDistances([level.order for level in levels], distances) if len(distances) else distances
    chart = []
    for index, (state, level) in enumerate(zip(whole, levels, strict=True)):
        isLast = index == len(distances)
        nearest = NEAREST_TO_RING if level == Level.C1 else NEAREST_NEIGHBOUR
        chart.append(ChartLevel(
            level, None if state.inserted else float(state.vertebra.confidence), bool(state.remark),
            None if isLast else float(distances[index]),
            not isLast and not nearest * expected[index] < distances[index] < FURTHEST_NEIGHBOUR * expected[index]))
    return chart
