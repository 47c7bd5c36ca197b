"""How each level looks and is coded in a scene."""

import colorsys

from CervicalSpineDetectionLib.Detection.Anatomy import LEVELS

# SNOMED CT codes as in the terminology "Segmentation category and type - Total Segmentator" that Slicer ships.
SNOMED_CODES = {
    "C1": "14806007", "C2": "39976000", "C3": "113205007", "C4": "5329002", "C5": "36978003", "C6": "36054005",
    "C7": "87391001", "T1": "64864005", "T2": "53733008", "T3": "1626008", "T4": "73071006",
}


def colorOf(level):
    """(red, green, blue), 0 to 1. Neighbouring levels are far apart in hue."""
    index = LEVELS.index(level)
    return colorsys.hsv_to_rgb((0.08 + index * 0.382) % 1.0, 0.75, 1.0)


def terminologyOf(level):
    """Slicer terminology entry of a level."""
    return (
        "Segmentation category and type - Total Segmentator~SCT^123037004^Anatomical Structure"
        f"~SCT^{SNOMED_CODES[level]}^{level} vertebra~^^~Anatomic codes - DICOM master list~^^~^^"
    )
