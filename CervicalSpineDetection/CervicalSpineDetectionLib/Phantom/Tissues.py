"""Tissue codes of the made anatomies, and the map that holds them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

AIR = 0
# 1 to 7 are C1 to C7 and 8 to 11 are T1 to T4: code = levelIndex + 1.
FIRST_VERTEBRA = 1
LAST_VERTEBRA = 11
DISC = 20
MUSCLE = 21
FAT = 22
SOFT_TISSUE = 23
SKIN = 24
AIRWAY = 25
SPINAL_CANAL = 26
VESSEL = 27
THYROID = 28
LUNG = 29
BONE = 30  # skull, mandible, hyoid, ribs, further vertebrae, shoulder girdle
TEETH = 31
BRAIN = 32
TABLE = 40


@dataclass(frozen=True)
class TissueMap:
    """One made anatomy.

    :param tissues: uint8 image of the codes above, identity direction (LPS axes), isotropic spacing near 1 mm.
    :param centres: level -> shape (3,) LPS mm, centre of the vertebral body (C1: between the arches; C2: body below
        the dens); only levels whose centre lies in the image.
    """

    tissues: sitk.Image
    centres: dict[str, np.ndarray]
