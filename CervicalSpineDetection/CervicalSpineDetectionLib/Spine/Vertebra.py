"""The result of a detection. All coordinates are LPS in mm (DICOM patient axes)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from CervicalSpineDetectionLib.Spine.Arrays import Array
from CervicalSpineDetectionLib.Spine.Boxes import Bounds, OrientedBox
from CervicalSpineDetectionLib.Spine.Levels import Level


@dataclass(frozen=True)
class Review:
    """What a person made of a vertebra.

    :param confirmed: found all of it right.
    :param edited: changed level, box or centre.
    :param inserted: placed it by hand; no detector saw it.
    :param locked: keeps it from any change.
    """

    confirmed: bool = False
    edited: bool = False
    inserted: bool = False
    locked: bool = False

    @property
    def settled(self) -> bool:
        """A person's word on where and what it is."""
        return self.confirmed or self.edited or self.inserted


@dataclass(frozen=True)
class Vertebra:
    """One vertebra: body, arch and processes.

    :param level: ``Level`` or its name, "C1" ... "C7", "T1" ...
    :param confidence: probability that the level is right, 0 to 1.
    :param centre: shape (3,), centre of the vertebral body (C1: between the arches; C2: body below the dens).
    :param bounds: box of the whole vertebra.
    :param orientedBox: the same along the spine's curve.
    :param inferred: no box was detected; the position is interpolated from the neighbours.
    :param complete: False where the image edge cuts the vertebra.
    :param review: None where no person saw it.
    :param doubt: why the name or the place is uncertain, empty where they are sure.
    """

    level: Level
    confidence: float
    centre: Array
    bounds: Bounds
    orientedBox: OrientedBox
    inferred: bool = False
    complete: bool = True
    review: Review | None = None
    doubt: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "level", Level(self.level))

    @property
    def uncertain(self) -> bool:
        """The name is not to be relied on."""
        return self.inferred or bool(self.doubt)

    @property
    def remark(self) -> str:
        """Why a person should look at this level, empty for a sure one."""
        return "; ".join(text for doubtful, text in (
            (self.inferred, "interpolated (not detected)"),
            (not self.complete, "partly outside the field of view"),
            (bool(self.doubt), self.doubt),
        ) if doubtful)


# The likeliest other naming is told of from this probability on.
MENTIONED_PROBABILITY = 0.01


@dataclass(frozen=True)
class NameBasis:
    """What the names of a result rest on.

    :param anchors: the landmarks that were recognised: "C1", "C2", "first ribs"; without any all names may be shifted.
    :param shift: the likeliest other naming: all names moved by so many levels, negative towards the head.
    :param shiftProbability: of that naming, 0 to 1.
    """

    anchors: tuple[str, ...] = ()
    shift: int = 0
    shiftProbability: float = 0.0


@dataclass(frozen=True)
class DetectionResult:
    """What one run found.

    :param vertebrae: in cranio-caudal order, each level at most once.
    :param warnings: sentences for the user, e.g. that the HU offset was corrected.
    :param image: "size" (3), "spacing" (3) in mm, "origin" (3) and "direction" (9, row-major) in LPS.
    :param model: "name" and "sha256" of the weights.
    :param timings: seconds per step.
    :param basis: what the names rest on; None in results that do not say.
    """

    vertebrae: list[Vertebra]
    warnings: list[str] = field(default_factory=list)
    image: dict[str, Any] = field(default_factory=dict)
    model: dict[str, Any] = field(default_factory=dict)
    timings: dict[str, float] = field(default_factory=dict)
    basis: NameBasis | None = None
