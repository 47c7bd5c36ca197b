"""Vertebral levels: names, order, numbers, colours and codes, for files and scenes alike."""

from __future__ import annotations

from enum import Enum


class Level(str, Enum):
    """A level by its name, in cranio-caudal order. It is a string too: ``Level.C3 == "C3"``.

    :raises ValueError: ``Level(name)`` of what is no level.
    """

    C1 = "C1"
    C2 = "C2"
    C3 = "C3"
    C4 = "C4"
    C5 = "C5"
    C6 = "C6"
    C7 = "C7"
    T1 = "T1"
    T2 = "T2"
    T3 = "T3"
    T4 = "T4"
    T5 = "T5"
    T6 = "T6"
    T7 = "T7"
    T8 = "T8"
    T9 = "T9"
    T10 = "T10"
    T11 = "T11"
    T12 = "T12"
    L1 = "L1"
    L2 = "L2"
    L3 = "L3"
    L4 = "L4"
    L5 = "L5"

    # In texts and notebooks it reads as its name does.
    __str__ = str.__str__
    __repr__ = str.__repr__

    @property
    def order(self) -> int:
        """0 for C1 ... 10 for T4 ...; down to T4 also the level's class in the network."""
        return _ORDER[self]

    @property
    def code(self) -> int:
        """Number in label maps, as in VerSe: 1 to 7 C1 to C7, 8 to 19 T1 to T12, 20 to 24 L1 to L5."""
        return self.order + 1

    @property
    def totalSegmentatorCode(self) -> int:
        """Number in the label maps of TotalSegmentator's task "total" (version 2): C1 50 ... L5 27."""
        return 50 - self.order

    @property
    def colour(self) -> tuple[int, int, int]:
        """RGB, 0 to 255, of a level down to T4."""
        return COLOURS[self.order]

    @property
    def snomedCode(self) -> str:
        """SNOMED CT code of a level down to T4."""
        return SNOMED_CODES[self.order]

    @property
    def meaning(self) -> str:
        """As DICOM and Slicer's terminologies call it, e.g. "C3 vertebra"."""
        return f"{self} vertebra"


SPINE_LEVELS = tuple(Level)
CERVICAL_LEVELS = SPINE_LEVELS[:7]
LEVELS = SPINE_LEVELS[:11]  # C1 to T4, those that have a name of their own in results
LOWER_LEVELS = SPINE_LEVELS[11:]
_ORDER = {level: order for order, level in enumerate(SPINE_LEVELS)}

# RGB, found by search (measured in test_levels.py), bright enough for CT. Neighbours differ by 16 or more of CIE L*, so
# in grey print too, and by 29 or more of CIE Lab's distance for normal vision and for eyes without the cones for red,
# green or blue (Machado et al. 2009, IEEE TVCG 15(6):1291-1298).
COLOURS = (
    (238, 164, 35), (61, 145, 204), (255, 235, 16), (207, 79, 118), (112, 194, 255), (231, 80, 34), (0, 255, 146),
    (163, 122, 245), (182, 229, 86), (52, 174, 95), (255, 168, 211),
)

# SNOMED CT, from DICOM PS3.16 CID 7603 Vertebra, "C1 vertebra" ... "T4 vertebra".
SNOMED_CODES = (
    "14806007", "39976000", "113205007", "5329002", "36978003", "36054005", "87391001",
    "64864005", "53733008", "1626008", "73071006",
)


def levelOfCode(code: int) -> Level:
    """The level of a number in label maps.

    :raises IndexError: no level has this number.
    """
    if code < 1:
        raise IndexError(f"no level has the number {code}")
    return SPINE_LEVELS[code - 1]


def levelIndex(level: str) -> int:
    """Position of a level in cranio-caudal order.

    :param level: name such as "C3".
    :return: 0 for C1 ... 10 for T4.
    :raises ValueError: the name is not in ``LEVELS``.
    """
    return LEVELS.index(level)
