"""How a vertebral level is coloured and coded in a scene."""

from CervicalSpineDetectionLib.Spine.Levels import COLOURS, SNOMED_CODES, levelIndex

# The published Slicer terminology that lists single vertebrae; the codes stand by themselves where it isn't loaded.
TERMINOLOGY = "Segmentation category and type - Total Segmentator"
REGIONS = "Anatomic codes - DICOM master list"


def levelColour(level: str) -> tuple[float, ...]:
    """RGB, 0 to 1, of a level such as "C3"."""
    return tuple(component / 255 for component in COLOURS[levelIndex(level)])


def terminologyEntry(level: str) -> str:
    """Slicer's serialised terminology entry: context~category~type~modifier~region context~region~modifier."""
    vertebra = f"SCT^{SNOMED_CODES[levelIndex(level)]}^{level} vertebra"
    return f"{TERMINOLOGY}~SCT^123037004^Anatomical Structure~{vertebra}~^^~{REGIONS}~^^~^^"
