"""Where labelled training CTs come from: phantoms, and posed bone surfaces."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import SimpleITK as sitk

from CervicalSpineDetectionLib.Phantom.Anatomy import makeAnatomy
from CervicalSpineDetectionLib.Training.BoneSurfaces import tissueMapFromSurfaces, withAirway
from CervicalSpineDetectionLib.Training.Dataset import madeVolume

PIVOT_LEVELS = ("C3", "C4", "C5", "C6", "C7", "T1")
# An anatomy takes longer to make than to pose and image: each serves for some volumes.
VOLUMES_PER_ANATOMY = 3


class PhantomSource:
    """Random parametric anatomies, each posed and imaged anew."""

    prefix = "phantom"
    description = {"name": "parametric phantom", "licence": "Apache-2.0", "source": "cervical-spine phantom"}

    def volume(self, seed):
        """:return: (CT, labels), see ``Dataset.madeVolume``; and the random generator for what follows."""
        random = np.random.default_rng([2, seed])
        anatomy = _anatomy(seed // VOLUMES_PER_ANATOMY)
        return (*_posed(anatomy, sitk.GetArrayFromImage(anatomy.tissues).T, random), random)


class SurfaceSource:
    """One real anatomy from its bone surfaces.

    :param folder: see ``BoneSurfaces.tissueMapFromSurfaces``.
    """

    prefix = "surface"
    description = {
        "name": "BodyParts3D, (c) The Database Center for Life Science", "licence": "CC BY-SA 2.1 JP",
        "source": "https://lifesciencedb.jp/bp3d",
    }

    def __init__(self, folder):
        self._folder = str(folder)

    def volume(self, seed):
        """:return: (CT, labels), see ``Dataset.madeVolume``; and the random generator for what follows."""
        random = np.random.default_rng([1, seed])
        anatomy = _surfaces(self._folder)
        return (*_posed(anatomy, withAirway(anatomy, random), random), random)


def _posed(anatomy, tissues, random):
    spacing = anatomy.tissues.GetSpacing()[0]
    level = random.choice([level for level in PIVOT_LEVELS if level in anatomy.centres])
    pivot = (anatomy.centres[level] - anatomy.tissues.GetOrigin()) / spacing
    if random.random() < 0.5:  # mirrored left to right
        tissues = tissues[::-1]
        pivot = [len(tissues) - 1 - pivot[0], *pivot[1:]]
    return madeVolume(tissues, spacing, np.array(pivot), random)


@lru_cache(maxsize=1)
def _anatomy(seed):
    return makeAnatomy(np.random.default_rng([3, seed]))


@lru_cache(maxsize=1)
def _surfaces(folder):
    return tissueMapFromSurfaces(folder)
