"""Where labelled training CTs come from: phantoms, and posed bone surfaces."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Protocol, TypeAlias

import numpy as np
import SimpleITK as sitk

from CervicalSpineDetectionLib.Phantom.Anatomy import makeAnatomy
from CervicalSpineDetectionLib.Phantom.Tissues import TissueMap
from CervicalSpineDetectionLib.Spine.Arrays import Array
from CervicalSpineDetectionLib.Spine.Levels import LEVELS
from CervicalSpineDetectionLib.Training.BoneSurfaces import tissueMapFromSurfaces, withTrunk
from CervicalSpineDetectionLib.Training.Dataset import madeVolume

# An anatomy takes longer to make than to pose and image: each serves for some volumes.
VOLUMES_PER_ANATOMY = 3
NECK_SHARES = {"neck": 0.8, "cervicothoracic": 0.2}
# Two of three phantoms show some of the neck.
REGION_SHARES = {"neck": 0.4, "cervicothoracic": 0.25, "chest": 0.15, "abdomen": 0.1, "pelvis": 0.1}
TRUNK_BENDING = 0.5
NAMED_PART = 0.5  # of the parts of the bone surfaces show C1 to T4 in their middle
SURFACE_PART_MM = 380
PIVOT_MARGIN_MM = 50  # from the ends of the anatomy


MadeVolume: TypeAlias = tuple[sitk.Image, sitk.Image, dict[int, float], np.random.Generator]


class VolumeSource(Protocol):
    """Gives labelled CTs without end.

    :param prefix: of file names.
    :param description: for model cards: "name", "licence" and "source".
    """

    prefix: str
    description: dict[str, str]

    def volume(self, seed: int, stratum: str | None = None) -> MadeVolume:
        """What ``Dataset.madeVolume`` gives, and the random generator for what follows."""


class PhantomSource:
    """Random parametric anatomies, each posed and imaged anew.

    :param regions: of ``Anatomy.REGIONS`` -> how often.
    """

    prefix = "phantom"
    description = {"name": "parametric phantom", "licence": "Apache-2.0", "source": "cervical-spine phantom"}

    def __init__(self, regions: Mapping[str, float] = REGION_SHARES) -> None:
        self._regions = tuple(regions.items())

    def volume(self, seed: int, stratum: str | None = None) -> MadeVolume:
        """What ``Dataset.madeVolume`` gives, and the random generator for what follows."""
        random = np.random.default_rng([2, seed])
        anatomy = _anatomy(seed // VOLUMES_PER_ANATOMY, self._regions)
        return (*_posed(anatomy, sitk.GetArrayFromImage(anatomy.tissues).T, random, stratum), random)


class SurfaceSource:
    """One real spine from its bone surfaces, in parts with a made trunk about them.

    :param folder: see ``BoneSurfaces.tissueMapFromSurfaces``.
    """

    prefix = "surface"
    description = {
        "name": "BodyParts3D, (c) The Database Center for Life Science", "licence": "CC BY-SA 2.1 JP",
        "source": "https://lifesciencedb.jp/bp3d",
    }

    def __init__(self, folder: str | Path) -> None:
        self._folder = str(folder)

    def volume(self, seed: int, stratum: str | None = None) -> MadeVolume:
        """What ``Dataset.madeVolume`` gives, and the random generator for what follows."""
        random = np.random.default_rng([1, seed])
        anatomy = _dressed(self._folder, seed // VOLUMES_PER_ANATOMY)
        return (*_posed(anatomy, sitk.GetArrayFromImage(anatomy.tissues).T, random, stratum), random)


def _posed(anatomy: TissueMap, tissues: Array, random: np.random.Generator,
           stratum: str | None) -> tuple[sitk.Image, sitk.Image, dict[int, float]]:
    spacing = anatomy.tissues.GetSpacing()[0]
    places = {level: (centre - anatomy.tissues.GetOrigin()) / spacing for level, centre in anatomy.centres.items()}
    high = tissues.shape[2] - PIVOT_MARGIN_MM / spacing
    inner = [level for level, place in places.items() if PIVOT_MARGIN_MM / spacing < place[2] < high]
    level = random.choice(inner or list(places))
    pivot = places[level]
    if random.random() < 0.5:  # mirrored left to right
        tissues = tissues[::-1]
        pivot = [len(tissues) - 1 - pivot[0], *pivot[1:]]
    bending = 1.0 if level in LEVELS else TRUNK_BENDING
    return madeVolume(tissues, spacing, np.array(pivot), random, bending=bending, stratum=stratum)


@lru_cache(maxsize=1)
def _anatomy(seed: int, regions: tuple[tuple[str, float], ...]) -> TissueMap:
    random = np.random.default_rng([3, seed])
    names, shares = zip(*regions, strict=True)
    return makeAnatomy(random, region=random.choice(names, p=shares))


@lru_cache(maxsize=1)
def _dressed(folder: str, seed: int) -> TissueMap:
    random = np.random.default_rng([4, seed])
    anatomy = _surfaces(folder)
    names = list(anatomy.centres)
    shown = LEVELS if random.random() < NAMED_PART else names
    middle = anatomy.centres[random.choice([level for level in names if level in shown])]
    return withTrunk(anatomy, random, middle[2], SURFACE_PART_MM)


@lru_cache(maxsize=1)
def _surfaces(folder: str) -> TissueMap:
    return tissueMapFromSurfaces(folder)
