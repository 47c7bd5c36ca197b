"""How a vertebral level is coloured and coded, in files and scenes alike."""

from CervicalSpineDetectionLib.Spine.Levels import LEVELS, levelIndex

# RGB. C1 to C7: Okabe and Ito's colours for all kinds of colour vision (jfly.uni-koeln.de/color, 2008), ordered so that
# neighbours differ most, blue made lighter to be seen on CT. T1 to T4: Paul Tol's "light" scheme (SRON/EPS/TN/09-002).
COLOURS = (
    (230, 159, 0), (86, 180, 233), (240, 228, 66), (64, 132, 214), (0, 178, 128), (204, 121, 167), (232, 104, 32),
    (153, 221, 255), (187, 204, 51), (255, 170, 187), (68, 187, 153),
)

# SNOMED CT, from DICOM PS3.16 CID 7603 Vertebra, "C1 vertebra" ... "T4 vertebra".
SNOMED_CODES = (
    "14806007", "39976000", "113205007", "5329002", "36978003", "36054005", "87391001",
    "64864005", "53733008", "1626008", "73071006",
)


def levelLabel(level):
    """Number of a level in label maps: 1 for C1 ... 7 for C7, 8 for T1 ... 11 for T4."""
    return levelIndex(level) + 1


def levelOfLabel(label):
    """The level of a number in label maps."""
    return LEVELS[label - 1]
