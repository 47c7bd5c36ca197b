"""Vertebral levels in cranio-caudal order."""

CERVICAL_LEVELS = ("C1", "C2", "C3", "C4", "C5", "C6", "C7")
THORACIC_LEVELS = ("T1", "T2", "T3", "T4")
LEVELS = CERVICAL_LEVELS + THORACIC_LEVELS


def levelIndex(level):
    """Position of a level in cranio-caudal order.

    :param level: name such as "C3".
    :return: 0 for C1 ... 10 for T4.
    :raises ValueError: the name is not in ``LEVELS``.
    """
    return LEVELS.index(level)
