"""Tissue codes of the made anatomies, and the map that holds them."""

from __future__ import annotations

from dataclasses import dataclass

import SimpleITK as sitk

from CervicalSpineDetectionLib.Spine.Arrays import Array

AIR = 0
# 1 to 24 are C1 to L5: place in ``Levels.SPINE_LEVELS`` + 1.
FIRST_VERTEBRA = 1
LAST_NAMED_VERTEBRA = 11  # T4
LAST_VERTEBRA = 24
DISC = 31
MUSCLE = 32
FAT = 33
SOFT_TISSUE = 34
SKIN = 35
AIRWAY = 36
SPINAL_CANAL = 37
VESSEL = 38
THYROID = 39
LUNG = 40
BONE = 41  # skull, mandible, hyoid, ribs, shoulder girdle, pelvis
TEETH = 42
BRAIN = 43
HEART = 44
LIVER = 45  # and spleen
KIDNEY = 46
BOWEL = 47  # and stomach, bladder
CAVITY = 48  # abdominal cavity, until bowel and fat are laid into it
TABLE = 50


@dataclass(frozen=True)
class TissueMap:
    """One made anatomy.

    :param tissues: uint8 image of the codes above, identity direction (LPS axes), isotropic spacing near 1 mm.
    :param centres: level -> shape (3,) LPS mm, centre of the vertebral body (C1: between the arches; C2: body below
        the dens); only levels whose centre lies in the image.
    """

    tissues: sitk.Image
    centres: dict[str, Array]
