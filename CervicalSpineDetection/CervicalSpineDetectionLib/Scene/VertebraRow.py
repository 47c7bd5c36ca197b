"""One vertebra of a scene as a table shows it."""

from __future__ import annotations

from dataclasses import dataclass

from CervicalSpineDetectionLib.Scene.BoxNode import UNKNOWN_COLOUR
from CervicalSpineDetectionLib.Scene.Levels import levelColour
from CervicalSpineDetectionLib.Scene.VertebraState import VertebraState


@dataclass(frozen=True)
class Row:
    """One vertebra in a table.

    :param nodeId: of the box's node.
    :param level: "C3"; the node's name where that names no vertebra.
    :param confidence: the detector's, 0 to 1; 1 where a person set or confirmed the level, None where a person inserted
        the vertebra.
    :param remark: why it is to be looked at, empty for a sure one.
    :param inserted: by a person.
    :param inferred: placed between its neighbours, not seen and not yet placed by a person.
    :param size: left-right, posterior-anterior, inferior-superior, mm.
    :param colour: RGB, 0 to 1.
    """

    nodeId: str
    level: str
    confidence: float | None
    remark: str
    visible: bool
    confirmed: bool
    locked: bool
    edited: bool
    inserted: bool
    inferred: bool
    size: tuple[float, ...]
    colour: tuple[float, ...]


def rowOf(state: VertebraState) -> Row:
    whole = state.level is not None and state.centre is not None
    vertebra = state.vertebra if whole else None
    return Row(
        nodeId=state.nodeId,
        level=state.level or state.name,
        confidence=None if state.inserted else vertebra.confidence if whole else 0.0,
        remark=state.remark,
        visible=state.visible,
        confirmed=state.confirmed,
        locked=state.locked,
        edited=state.edited,
        inserted=state.inserted,
        inferred=vertebra.inferred if whole else False,
        size=tuple(float(length) for length in state.orientedBox.size),
        colour=levelColour(state.level) if state.level else UNKNOWN_COLOUR,
    )
