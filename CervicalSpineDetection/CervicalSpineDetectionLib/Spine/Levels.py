"""Vertebral levels in cranio-caudal order."""

CERVICAL_LEVELS = ("C1", "C2", "C3", "C4", "C5", "C6", "C7")
THORACIC_LEVELS = ("T1", "T2", "T3", "T4")
LEVELS = CERVICAL_LEVELS + THORACIC_LEVELS  # those that have a name of their own in results
LOWER_LEVELS = (*(f"T{number}" for number in range(5, 13)), *(f"L{number}" for number in range(1, 6)))
# In label maps the code of a level is its place here, from 1, as in VerSe: 1 to 7 C1 to C7, 8 to 19 T1 to T12,
# 20 to 24 L1 to L5.
SPINE_LEVELS = LEVELS + LOWER_LEVELS


def levelIndex(level):
    """Position of a level in cranio-caudal order.

    :param level: name such as "C3".
    :return: 0 for C1 ... 10 for T4.
    :raises ValueError: the name is not in ``LEVELS``.
    """
    return LEVELS.index(level)
