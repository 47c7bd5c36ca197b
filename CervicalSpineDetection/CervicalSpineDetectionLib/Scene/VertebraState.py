"""One vertebra as it stands in a scene: its box and point, what the detector said, what a person made of it.

States are immutable values. A correction makes new states of old ones, ``VertebraNodes.writeStates`` brings the nodes
in line with them, and undo writes former ones.

Node attributes, all with the prefix ``CervicalSpineDetection.``. As the vertebra was first placed, never changed by
corrections:

- ``DetectedLevel``: the detector's name; absent where a person inserted the vertebra.
- ``Confidence``: 0 to 1; ``Inferred``, ``Complete``: "true" or "false"; ``Doubt``: why the name is uncertain, or "".
- ``Centre``: LPS mm (3 numbers).
- ``Bounds``: axis-aligned box, "min max" in LPS mm (6 numbers).
- ``OrientedBox``: oriented box, "centre size axes" in LPS mm (3 + 3 + 9 numbers).
- ``Oriented``: "true" where the node first showed the oriented box, else the bounds.
- ``ModelName``, ``ModelSha256``: the weights, where the result names them.

What a person made of it:

- ``Edited``: "true" where name, box or point were changed by a person.
- ``Confirmed``: "true" where a person found all of it right.
- ``EditedBy``, ``EditedAt``: only where the editor's name was given; ISO 8601, UTC.

``OtherNaming`` lists those of the next most probable naming.

And ``Remark``: why the level is still to be looked at, empty for a sure one. (A markups node's own description can't
hold it: Slicer overwrites that with measurements.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike

from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Scene.Translation import tr as _
from CervicalSpineDetectionLib.Spine.Arrays import Array, Point
from CervicalSpineDetectionLib.Spine.Boxes import Bounds, OrientedBox
from CervicalSpineDetectionLib.Spine.Levels import LEVELS, Level
from CervicalSpineDetectionLib.Spine.Vertebra import Review, Vertebra

PREFIX = "CervicalSpineDetection."
# How many numbers an attribute holds.
NUMBERS = {"Bounds": 6, "Centre": 3, "Confidence": 1, "OrientedBox": 15}
# Slicer's files hold fewer digits than its memory.
TOLERANCE_MM = 1e-3
ROUNDING = 1e-9
# Of a box with edges of length 1 around the origin, shape (8, 3).
UNIT_CORNERS = np.stack(np.meshgrid(*[(-0.5, 0.5)] * 3, indexing="ij"), axis=-1).reshape(8, 3)


@dataclass(frozen=True)
class VertebraState:
    """One box node and its centre point.

    :param name: of the box's node; its first word is the level.
    :param box: 15 numbers, "centre size axes" as in the attribute ``OrientedBox``: LPS mm in the CT's frame.
    :param centre: LPS mm, None where the point is missing.
    :param attributes: of the box's node, full names.
    :param nodeId: of the box's node, None for one that is still to be made.
    :param pointLabel: of the centre point.
    :param pointId: of the centre point in its list.
    :param transformId: of the transform node the box is under.
    """

    name: str
    box: tuple[float, ...]
    centre: tuple[float, ...] | None
    attributes: dict[str, str]
    visible: bool = True
    locked: bool = False
    nodeId: str | None = None
    pointLabel: str | None = None
    pointId: str | None = field(default=None, compare=False)
    transformId: str | None = field(default=None, compare=False)

    def value(self, attribute: str) -> str | None:
        return self.attributes.get(PREFIX + attribute)

    def withValues(self, **values: str | None) -> VertebraState:
        """:param values: attributes without the prefix; None removes one."""
        attributes = {**self.attributes, **{PREFIX + name: value for name, value in values.items()}}
        return replace(self, attributes={name: value for name, value in attributes.items() if value is not None})

    def steadied(self, former: VertebraState | None) -> VertebraState:
        """With the former numbers where these differ by rounding only: Slicer recomputes a box under a transform each
        time it is looked at."""
        if former is None:
            return self
        box = former.box if np.allclose(self.box, former.box, rtol=0, atol=ROUNDING) else self.box
        centre = self.centre
        if centre and former.centre and np.allclose(centre, former.centre, rtol=0, atol=ROUNDING):
            centre = former.centre
        return replace(self, box=box, centre=centre)

    @property
    def level(self) -> str | None:
        """None where the name names no vertebra."""
        return levelOfName(self.name)

    @property
    def edited(self) -> bool:
        return self.value("Edited") == "true"

    @property
    def confirmed(self) -> bool:
        return self.value("Confirmed") == "true"

    @property
    def inserted(self) -> bool:
        """By a person: there was no detection."""
        return self.value("DetectedLevel") is None

    @property
    def settled(self) -> bool:
        """A person's word: a new detection goes around it."""
        return self.edited or self.confirmed or self.locked

    @property
    def levelSettled(self) -> bool:
        """A person set or confirmed it."""
        return self.confirmed or self.level != self.value("DetectedLevel")

    @property
    def levelIsOpen(self) -> bool:
        """It is as detected, and nobody said that it is right or is to stay."""
        return self.level is not None and not self.levelSettled and not self.locked

    @property
    def orientedBox(self) -> OrientedBox:
        return boxFromNumbers(self.box)

    @property
    def firstBox(self) -> OrientedBox:
        """The box first shown."""
        if self.value("Oriented") == "true":
            return boxFromNumbers(self._numbers("OrientedBox"))
        bounds = self._firstBounds()
        return OrientedBox(bounds.centre, bounds.size, np.eye(3))

    @property
    def vertebra(self) -> Vertebra:
        """In LPS mm. A changed box gives the oriented box and, as its hull, the bounds. A level that a person set or
        confirmed has confidence 1, and what a person placed or confirmed is no longer inferred."""
        centre = np.array(self.centre)
        moved = not _near(boxCorners(self.orientedBox), boxCorners(self.firstBox))
        placed = moved or not _near(centre, self._numbers("Centre"))
        return Vertebra(
            Level(self.level),
            confidence=1.0 if self.levelSettled else float(self._numbers("Confidence")[0]),
            centre=centre,
            bounds=hull(self.orientedBox) if moved else self._firstBounds(),
            orientedBox=self.orientedBox if moved else boxFromNumbers(self._numbers("OrientedBox")),
            inferred=self.value("Inferred") == "true" and not placed and not self.confirmed,
            complete=self.value("Complete") == "true",
            review=Review(self.confirmed, self.edited, self.inserted, self.locked),
            doubt="" if self.levelSettled else self.value("Doubt") or "",
        )

    @property
    def remark(self) -> str:
        return self.value("Remark") or ""

    def moved(self, box: OrientedBox, centre: Point) -> VertebraState:
        return replace(self, box=boxNumbers(box), centre=tuple(map(float, centre)))

    def named(self, level: str) -> VertebraState:
        return replace(self, name=level, pointLabel=level)

    def withPoint(self) -> VertebraState:
        """With its centre point, put where it was first in the box, if it is missing."""
        if self.centre is not None:
            return self
        centre = movedAlong(self._numbers("Centre"), self.firstBox, self.orientedBox)
        return replace(self, centre=tuple(map(float, centre)), pointLabel=self.name)

    def checked(self) -> VertebraState:
        """With remark and names that fit the rest."""
        if self.level is None or self.centre is None:
            return self
        remark = "" if self.confirmed else self.vertebra.remark
        asked = "?" in self.name.split()
        if asked != bool(remark) or asked != ("?" in (self.pointLabel or "").split()):
            label = f"{self.level} ?" if remark else self.level
            # A point named otherwise than its box is for the user to mend.
            pointLabel = label if levelOfName(self.pointLabel) in (self.level, None) else self.pointLabel
            return replace(self.withValues(Remark=remark), name=label, pointLabel=pointLabel)
        return self.withValues(Remark=remark)

    def reset(self) -> VertebraState:
        """As it was detected."""
        state = self.withValues(Edited=None, Confirmed=None, EditedBy=None, EditedAt=None)
        return state.named(self.value("DetectedLevel")).moved(self.firstBox, self._numbers("Centre")).checked()

    def _firstBounds(self) -> Bounds:
        return Bounds(*self._numbers("Bounds").reshape(2, 3))

    def _numbers(self, attribute: str) -> Array:
        """:raises InputError: the attribute is missing or damaged, as a scene from elsewhere may hold it."""
        try:
            numbers = np.array([float(number) for number in self.value(attribute).split()])
        except (AttributeError, ValueError):
            numbers = np.array([np.nan])
        if len(numbers) != NUMBERS[attribute] or not np.isfinite(numbers).all():
            raise InputError(_('The numbers of "{name}" in the scene are damaged: delete it and detect again.').format(
                name=self.name))
        return numbers


def stateOf(vertebra: Vertebra, oriented: bool = True, detected: bool = True,
            model: Mapping[str, str] | None = None) -> VertebraState:
    """State of a vertebra that is to be added to a scene.

    :param oriented: show the oriented box, else the bounds.
    :param detected: False where a person inserts it. What its review tells is taken over, too.
    :param model: "name" and "sha256" of the weights.
    """
    model = model or {}
    review = vertebra.review or Review()
    detected = detected and not review.inserted
    box = vertebra.orientedBox
    shown = box if oriented else OrientedBox(vertebra.bounds.centre, vertebra.bounds.size, np.eye(3))
    state = VertebraState(vertebra.level, (), None, {}, pointLabel=vertebra.level).withValues(
        DetectedLevel=vertebra.level if detected else None,
        Confidence=repr(float(vertebra.confidence)),
        Inferred=_text(vertebra.inferred),
        Doubt=vertebra.doubt,
        Complete=_text(vertebra.complete),
        Centre=_numbersText(vertebra.centre),
        Bounds=_numbersText(vertebra.bounds.minimum, vertebra.bounds.maximum),
        OrientedBox=_numbersText(boxNumbers(box)),
        Oriented=_text(oriented),
        Edited="true" if review.edited or not detected else None,
        Confirmed="true" if review.confirmed else None,
        ModelName=model.get("name"),
        ModelSha256=model.get("sha256"),
    )
    return replace(state, locked=review.locked).moved(shown, vertebra.centre).checked()


def levelOfName(name: str | None) -> str | None:
    """Level that a name's first word gives, None where it is none."""
    words = (name or "").split()
    return words[0] if words and words[0] in LEVELS else None


def boxNumbers(box: OrientedBox) -> tuple[float, ...]:
    return tuple(float(number) for array in (box.centre, box.size, box.axes) for number in np.ravel(array))


def boxFromNumbers(numbers: ArrayLike) -> OrientedBox:
    numbers = np.array(numbers)
    return OrientedBox(numbers[:3], numbers[3:6], numbers[6:].reshape(3, 3))


def boxCorners(box: OrientedBox) -> Array:
    """:return: shape (8, 3), LPS mm."""
    return box.centre + (UNIT_CORNERS * box.size) @ box.axes


def hull(*boxes: OrientedBox) -> Bounds:
    corners = np.concatenate([boxCorners(box) for box in boxes])
    return Bounds(corners.min(axis=0), corners.max(axis=0))


def movedAlong(point: Point, before: OrientedBox, after: OrientedBox) -> Array:
    """A point that keeps its place within a box that is moved and turned. Shape (3,), LPS mm."""
    return after.centre + (before.axes @ (np.array(point) - before.centre)) @ after.axes


def _near(points: Array, others: Array) -> bool:
    return bool((np.abs(points - others) <= TOLERANCE_MM).all())


def _text(flag: bool) -> str:
    return "true" if flag else "false"


def _numbersText(*arrays: Array | Sequence[float]) -> str:
    return " ".join(repr(float(number)) for array in arrays for number in np.ravel(array))
