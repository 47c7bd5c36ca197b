"""How large a person's vertebrae are, and whether a person can be like that: else the CT's spacing is misstated.

The depth, width and distance of vertebrae vary from person to person by 6 % (one standard deviation), and nearly
together, so that one axis with a wrong spacing is told from a small person. What is within that variation, factors of
about 0.8 to 1.25, can't be told.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from CervicalSpineDetectionLib.Spine.Levels import CERVICAL_LEVELS, Level
from CervicalSpineDetectionLib.Spine.Morphometry import DEPTH_MM, WIDTH_MM, usualDistance
from CervicalSpineDetectionLib.Spine.Vertebra import Vertebra

# Medians, relative to ``Morphometry``, of what is found in the OpenKBP patients whose number leaves 5 when divided by 7
# (36 CTs): boxes along the vertebrae's own axes are less deep than drawn ones along the patient's. As they leave out
# the tips of the transverse processes, the width is taken from those along the patient's.
USUAL_WIDTH, USUAL_DEPTH, USUAL_HEIGHT = 1.0, 0.86, 0.975
FEWEST = 3  # of each size
# Three standard deviations of the same patients: of the size as a whole, and of height above depth. A bent neck seems
# deeper, and phantoms are: of depth above height, 3.6. Sides are seen less well: of width against both, five.
SMALLEST, LARGEST = 0.83, 1.2
LEAST_HEIGHT_TO_DEPTH, MOST_HEIGHT_TO_DEPTH = 0.79, 1.2
LEAST_WIDTH_TO_BOTH, MOST_WIDTH_TO_BOTH = 0.7, 1.42


@dataclass(frozen=True)
class Proportions:
    """Sizes relative to those of a usual adult.

    :param width: from left to right. :param depth: from front to back.
    :param height: of a body with its disc, as the distance of the bodies from each other.
    """

    width: float
    depth: float
    height: float

    @property
    def doubt(self) -> str:
        """What is to be said of the CT's spacing, empty where people are like that."""
        width, depth, height = (f"{100 * size:.0f} %" for size in (self.width, self.depth, self.height))
        toDepth, toBoth = self.height / self.depth, self.width / np.sqrt(self.height * self.depth)
        if not (LEAST_HEIGHT_TO_DEPTH <= toDepth <= MOST_HEIGHT_TO_DEPTH
                and LEAST_WIDTH_TO_BOTH <= toBoth <= MOST_WIDTH_TO_BOTH):
            return (f"The vertebrae measure {height} of the usual in height, {depth} in depth and {width} in width: "
                    "check the voxel spacing of each axis, unless the patient's vertebrae are deformed.")
        size = float(np.median([self.width, self.depth, self.height]))
        if SMALLEST <= size <= LARGEST:
            return ""
        unless = "a child or very small" if size < 1 else "very large"
        return (f"The vertebrae measure {100 * size:.0f} % of an adult's usual size: check the voxel spacing, unless "
                f"the patient is {unless}.")


def proportionsOf(vertebrae: Sequence[Vertebra]) -> Proportions | None:
    """Medians over the cervical vertebrae that were seen.

    :param vertebrae: in cranio-caudal order.
    :return: Proportions; None where too few vertebrae tell.
    """
    seen = [vertebra for vertebra in vertebrae if vertebra.level in CERVICAL_LEVELS and not vertebra.inferred]
    bodies = [vertebra for vertebra in seen if vertebra.level != Level.C1]
    whole = [vertebra for vertebra in seen if vertebra.complete]
    heights = [np.linalg.norm(lower.centre - upper.centre) / usualDistance(upper.level.order, lower.level.order)
               for upper, lower in zip(bodies, bodies[1:], strict=False)]
    if min(len(whole), len(heights)) < FEWEST:
        return None
    orders = [vertebra.level.order for vertebra in whole]
    width = np.median(np.array([vertebra.bounds.size[0] for vertebra in whole]) / WIDTH_MM[orders])
    depth = np.median(np.array([vertebra.orientedBox.size[1] for vertebra in whole]) / DEPTH_MM[orders])
    return Proportions(float(width / USUAL_WIDTH), float(depth / USUAL_DEPTH), float(np.median(heights) / USUAL_HEIGHT))
