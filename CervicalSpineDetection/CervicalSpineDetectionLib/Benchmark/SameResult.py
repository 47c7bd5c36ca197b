"""How far two results of the same CT are apart."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from CervicalSpineDetectionLib.Spine.Vertebra import DetectionResult, Vertebra

# Half precision and TF32 keep 10 binary digits; boxes are means of many slices of 1 mm pixels. On processors bfloat16,
# with 7 digits, moves them by 0.12 mm at most.
CENTRE_MM = 0.5
BOX_MM = 1.0
CONFIDENCE = 0.05


@dataclass(frozen=True)
class Apart:
    """:param levels: of the first and of the second result, where they differ, else empty.
    :param centre: mm, most that a centre moved. :param box: mm, most that an edge of a box moved.
    :param confidence: most that one changed.
    """

    levels: tuple[str, ...]
    centre: float
    box: float
    confidence: float

    @property
    def same(self) -> bool:
        """Within the tolerances above."""
        return (not self.levels and self.centre <= CENTRE_MM and self.box <= BOX_MM and self.confidence <= CONFIDENCE)

    def __str__(self) -> str:
        if self.levels:
            return f"other levels: {self.levels[0]} and {self.levels[1]}"
        return (f"centres within {self.centre:.2f} mm, boxes within {self.box:.2f} mm, confidences within "
                f"{self.confidence:.3f}")


def apart(one: DetectionResult, other: DetectionResult) -> Apart:
    """How far two results of the same CT are apart."""
    levels = tuple(" ".join(vertebra.level for vertebra in result.vertebrae) or "none" for result in (one, other))
    if levels[0] != levels[1]:
        return Apart(levels, np.inf, np.inf, np.inf)
    pairs = list(zip(one.vertebrae, other.vertebrae, strict=True))
    return Apart((), _most(pairs, lambda vertebra: vertebra.centre),
                 _most(pairs, lambda vertebra: np.concatenate([vertebra.bounds.minimum, vertebra.bounds.maximum])),
                 _most(pairs, lambda vertebra: vertebra.confidence))


def _most(pairs: Iterable[tuple[Vertebra, Vertebra]], value: Callable[[Vertebra], ArrayLike]) -> float:
    return max((float(np.abs(np.subtract(value(one), value(other))).max()) for one, other in pairs), default=0.0)
