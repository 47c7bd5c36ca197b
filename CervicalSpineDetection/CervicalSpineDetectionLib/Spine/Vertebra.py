"""The result of a detection. All coordinates are LPS in mm (DICOM patient axes)."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

UNCERTAIN_CONFIDENCE = 0.5


@dataclass(frozen=True)
class Bounds:
    """Axis-aligned box in LPS mm.

    :param minimum: shape (3,), right-anterior-inferior corner.
    :param maximum: shape (3,), left-posterior-superior corner.
    """

    minimum: np.ndarray
    maximum: np.ndarray

    @property
    def centre(self) -> np.ndarray:
        return (self.minimum + self.maximum) / 2

    @property
    def size(self) -> np.ndarray:
        return self.maximum - self.minimum


@dataclass(frozen=True)
class OrientedBox:
    """Box turned with the spine's curve, in LPS mm.

    :param centre: shape (3,).
    :param size: shape (3,), full edge lengths along the three axes.
    :param axes: shape (3, 3), orthonormal and right-handed; rows point to the vertebra's left, posterior, superior.
    """

    centre: np.ndarray
    size: np.ndarray
    axes: np.ndarray


@dataclass(frozen=True)
class Vertebra:
    """One vertebra: body, arch and processes.

    :param level: "C1" ... "C7", "T1" ...
    :param confidence: probability that the level is right, 0 to 1.
    :param centre: shape (3,), centre of the vertebral body (C1: between the arches; C2: body below the dens).
    :param bounds: box of the whole vertebra.
    :param orientedBox: the same along the spine's curve.
    :param inferred: no box was detected; the position is interpolated from the neighbours.
    :param complete: False where the image edge cuts the vertebra.
    """

    level: str
    confidence: float
    centre: np.ndarray
    bounds: Bounds
    orientedBox: OrientedBox
    inferred: bool = False
    complete: bool = True

    @property
    def remark(self) -> str:
        """Why a person should look at this level, empty for a sure one."""
        return "; ".join(text for doubtful, text in (
            (self.inferred, "not seen, placed between its neighbours"),
            (not self.complete, "cut by the image edge"),
            (self.confidence < UNCERTAIN_CONFIDENCE, "level uncertain"),
        ) if doubtful)


@dataclass(frozen=True)
class DetectionResult:
    """What one run found.

    :param vertebrae: in cranio-caudal order, each level at most once.
    :param warnings: sentences for the user, e.g. that the HU offset was corrected.
    :param image: "size" (3), "spacing" (3) in mm, "origin" (3) and "direction" (9, row-major) in LPS.
    :param model: "name" and "sha256" of the weights.
    :param timings: seconds per step.
    """

    vertebrae: list[Vertebra]
    warnings: list[str] = field(default_factory=list)
    image: dict = field(default_factory=dict)
    model: dict = field(default_factory=dict)
    timings: dict = field(default_factory=dict)
