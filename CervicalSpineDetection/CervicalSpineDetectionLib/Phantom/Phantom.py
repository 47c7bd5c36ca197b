"""A random CT with exact ground truth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from CervicalSpineDetectionLib.Phantom import Scanner, Tissues
from CervicalSpineDetectionLib.Phantom.Anatomy import REGIONS, makeAnatomy
from CervicalSpineDetectionLib.Phantom.Warp import randomPosture, warpLabels
from CervicalSpineDetectionLib.SliceDetector.Detector import ProgressCallback
from CervicalSpineDetectionLib.Spine.Levels import CERVICAL_LEVELS
from CervicalSpineDetectionLib.Spine.Vertebra import Vertebra
from CervicalSpineDetectionLib.Truth.Vertebrae import vertebraeOf

FIELD_MM = (190, 240, 320)
WHOLE_FIELD_MM = (190, 240, 720)
STEPS = 4  # that ``makePhantom`` tells of
FOREIGN_REGIONS = ("chest", "abdomen", "pelvis")


@dataclass(frozen=True)
class Phantom:
    """A synthetic CT and its truth, all in one physical frame (LPS mm).

    :param ct: int16 HU image; any spacing and orientation.
    :param labels: uint8 image on the grid of ``ct``; codes as in ``Levels.SPINE_LEVELS``.
    :param fineLabels: the same on the fine grid of the made anatomy, along the patient axes, cut at the field of view;
        on a coarse grid a box's edge is off by up to half a voxel.
    :param vertebrae: C1 to T4, from the fine label map, cut at the field of view; confidence 1.
    """

    ct: sitk.Image
    labels: sitk.Image
    fineLabels: sitk.Image
    vertebrae: list[Vertebra]


def makePhantom(seed: int, region: str = "neck", progress: ProgressCallback | None = None,
                stratum: str | None = None) -> Phantom:
    """A random anatomy, posture, protocol, field of view and orientation.

    :param seed: the same number gives the same phantom.
    :param region: one of ``Anatomy.REGIONS``; "chest", "abdomen" and "pelvis" show no cervical vertebra.
    :param progress: called with (step, done, total).
    :param stratum: one of ``Scanner.STRATA``, its resolution; None for a mixture.
    :return: Phantom.
    """
    tell = progress or (lambda step, done, total: None)
    tell("Anatomy", 0, STEPS)
    random = np.random.default_rng(seed)
    anatomy = makeAnatomy(random, region=region)
    spacing = anatomy.tissues.GetSpacing()[0]
    tissues = sitk.GetArrayFromImage(anatomy.tissues).T
    pivot = (anatomy.centres[REGIONS[region]] - anatomy.tissues.GetOrigin()) / spacing
    field = WHOLE_FIELD_MM if region == "whole" else FIELD_MM
    shape = int(field[0] / spacing), int(field[1] / spacing), int(field[2] / spacing)
    tell("Posture", 1, STEPS)
    posed = warpLabels(tissues, spacing, pivot, randomPosture(random), shape, random)
    if region in FOREIGN_REGIONS:
        # The field of view begins below the neck.
        cervical = np.flatnonzero(((posed > 0) & (posed <= len(CERVICAL_LEVELS))).any(axis=(0, 1)))
        posed = np.ascontiguousarray(posed[:, :, : cervical[0] if len(cervical) else None])
    tell("Scanner", 2, STEPS)
    protocol = Scanner.randomProtocol(random, stratum)
    voxels, exact = Scanner.acquire(Scanner.paint(posed, spacing, protocol, random), spacing, protocol, random)
    inside = Scanner.maskedFieldOfView(voxels.shape, random)
    voxels[~inside] = Scanner.VOID_HU
    ct = Scanner.imageFromArray(voxels, exact)
    fine = Scanner.imageFromArray(np.where(posed <= Tissues.LAST_VERTEBRA, posed, 0), [spacing] * 3)
    whole = fine
    fine = fine * sitk.Resample(Scanner.imageFromArray(inside.astype(np.uint8), exact), fine, sitk.Transform(),
                                sitk.sitkNearestNeighbor)
    tell("Labels", 3, STEPS)
    ct = _turned(ct, random)
    labels = sitk.Resample(fine, ct, sitk.Transform(), sitk.sitkNearestNeighbor)
    phantom = Phantom(ct, labels, fine, vertebraeOf(fine, whole))
    tell("Phantom", STEPS, STEPS)
    return phantom


def _turned(ct: sitk.Image, random: np.random.Generator) -> sitk.Image:
    """The CT as scanners store it: axes permuted and flipped, one in four oblique; world positions unchanged."""
    if random.random() < 0.25:
        turn = sitk.Euler3DTransform()
        turn.SetRotation(*random.normal(0, 0.12, 3))
        direction = np.array(turn.GetMatrix()).reshape(3, 3)
        size, spacing = np.array(ct.GetSize()), np.array(ct.GetSpacing())
        middle = np.array(ct.TransformContinuousIndexToPhysicalPoint(((size - 1) / 2).tolist()))
        origin = middle - direction @ ((size - 1) / 2 * spacing)
        ct = sitk.Resample(ct, ct.GetSize(), sitk.Transform(), sitk.sitkLinear, origin.tolist(), ct.GetSpacing(),
                           direction.ravel().tolist(), Scanner.VOID_HU)
    if random.random() < 0.4:
        ct = sitk.PermuteAxes(ct, [int(axis) for axis in random.permutation(3)])
        ct = sitk.Flip(ct, [bool(flip) for flip in random.random(3) < 0.5])
    return ct
