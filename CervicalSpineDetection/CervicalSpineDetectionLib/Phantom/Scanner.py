"""A CT scanner for tissue maps: HU painting, acquisition, artefacts, field of view."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
import torch
import torch.nn.functional as functional

from CervicalSpineDetectionLib.Phantom import Tissues
from CervicalSpineDetectionLib.Spine.Arrays import Array

AIR_HU = -1000.0
VOID_HU = -1024.0

# Mean HU ranges per tissue (Kalender, Computed Tomography, 3rd ed. 2011, ch. 1; muscle and fat as in clinical use).
SOFT_HU = {
    Tissues.DISC: (50, 140), Tissues.MUSCLE: (30, 80), Tissues.FAT: (-120, -60), Tissues.SOFT_TISSUE: (-40, 60),
    Tissues.SKIN: (-30, 60), Tissues.SPINAL_CANAL: (5, 50), Tissues.THYROID: (60, 160), Tissues.BRAIN: (20, 45),
    Tissues.LUNG: (-900, -700), Tissues.TABLE: (-700, 100), Tissues.AIRWAY: (AIR_HU, AIR_HU),
}
# Organs of the trunk, and how much of the vessels' contrast they take up.
ORGAN_HU = {Tissues.HEART: (30, 50, 0.8), Tissues.LIVER: (40, 65, 0.2), Tissues.KIDNEY: (25, 40, 0.5),
            Tissues.BOWEL: (0, 50, 0.05), Tissues.CAVITY: (-110, -80, 0.0)}


@dataclass(frozen=True)
class Protocol:
    """One acquisition.

    :param pixelSize: mm in the axial plane.
    :param sliceSpacing: mm along the table.
    :param sharpness: 0 (soft kernel) to 1 (sharp kernel with overshoot).
    :param noise: HU, standard deviation of the finished image.
    :param contrast: HU added to the vessels.
    :param streaks: HU, strength of the dental or implant streaks; 0 for none.
    :param shoulderNoise: HU, strength of the horizontal streaks where the shoulders take the light.
    """

    pixelSize: float
    sliceSpacing: float
    sharpness: float
    noise: float
    contrast: float
    streaks: float
    shoulderNoise: float


@dataclass(frozen=True)
class Stratum:
    """CTs of one kind by their resolution.

    :param pixelSize, sliceSpacing: lower and upper limit, mm.
    :param fine: noisier than coarse ones, which average more.
    """

    pixelSize: tuple[float, float]
    sliceSpacing: tuple[float, float]
    fine: bool


# "clinical": what a neck is examined with, "routine": as parts of other examinations, "coarse": the rest.
STRATA = {
    "clinical": Stratum((0.3, 0.7), (0.5, 1.5), True),
    "routine": Stratum((0.6, 1.0), (1.5, 3.0), True),
    "coarse": Stratum((1.0, 5.0), (1.0, 4.0), False),
}


def stratumOf(pixelSize: float, sliceSpacing: float) -> str:
    """Name of the first of ``STRATA`` that a CT is no coarser than. :param pixelSize, sliceSpacing: mm."""
    return next((name for name, stratum in STRATA.items()
                 if pixelSize <= stratum.pixelSize[1] and sliceSpacing <= stratum.sliceSpacing[1]), "coarse")


def randomProtocol(random: np.random.Generator, stratum: str | None = None) -> Protocol:
    """Scanners as they are met: fine neck CT to coarse planning CT.

    :param stratum: one of ``STRATA``, or None for a mixture.
    """
    if stratum is None:
        fine = random.random() < 0.4
        limits = Stratum((0.4, 1.2), (0.5, 2.0), True) if fine else Stratum((1.2, 5.0), (1.0, 4.0), False)
    else:
        limits = STRATA[stratum]
        fine = limits.fine
    return Protocol(
        pixelSize=random.uniform(*limits.pixelSize),
        sliceSpacing=random.uniform(*limits.sliceSpacing),
        sharpness=random.random(),
        noise=random.uniform(3, 60) if fine else random.uniform(1, 30),
        contrast=random.uniform(100, 350) if random.random() < 0.4 else 0.0,
        streaks=random.uniform(50, 500) if random.random() < 0.35 else 0.0,
        shoulderNoise=random.uniform(10, 120) if random.random() < 0.4 else 0.0,
    )


def paint(tissues: Array, spacing: float, protocol: Protocol, random: np.random.Generator) -> torch.Tensor:
    """HU for a tissue map.

    :param tissues: uint8, shape (x, y, z) along LPS.
    :param spacing: mm, isotropic.
    :return: float32 torch tensor of the same shape, HU.
    """
    codes = torch.from_numpy(tissues)
    table = torch.full((256,), AIR_HU)
    for code, (lower, upper) in SOFT_HU.items():
        table[code] = random.uniform(lower, upper)
    table[Tissues.VESSEL] = random.uniform(30, 60) + protocol.contrast
    table[Tissues.TEETH] = random.uniform(1200, 2800)
    spongy = random.uniform(80, 420)
    for code in (*range(Tissues.FIRST_VERTEBRA, Tissues.LAST_NAMED_VERTEBRA + 1), Tissues.BONE):
        table[code] = spongy + random.uniform(-60, 60)
    # A stream of its own: phantoms of necks stay as they were.
    ownStream = random.spawn(1)[0]
    for code in range(Tissues.LAST_NAMED_VERTEBRA + 1, Tissues.LAST_VERTEBRA + 1):
        table[code] = spongy + ownStream.uniform(-60, 60)
    for code, (least, most, share) in ORGAN_HU.items():
        table[code] = ownStream.uniform(least, most) + share * protocol.contrast
    hu = table[codes.long()]
    soft = (codes >= Tissues.DISC) & (codes < Tissues.BONE) & (codes != Tissues.AIRWAY)
    soft |= (codes >= Tissues.HEART) & (codes <= Tissues.CAVITY)
    bone = ((codes > 0) & (codes <= Tissues.LAST_VERTEBRA)) | (codes == Tissues.BONE)
    hu += soft * _texture(codes.shape, spacing, 6, random) * random.uniform(5, 45)
    hu += bone * _texture(codes.shape, spacing, 4, random) * random.uniform(10, 90)
    # Each bone has its own cortex: neighbours of another code count as outside.
    cortex = bone & _nearBorder(codes)
    hu = torch.where(cortex, torch.maximum(hu, hu + random.uniform(150, 900)), hu)
    return hu


def acquire(hu: torch.Tensor, spacing: float, protocol: Protocol, random: np.random.Generator) -> tuple[Array, Array]:
    """Image a painted volume: partial volume, kernel, noise, streaks.

    :param hu: torch tensor, shape (x, y, z) along LPS.
    :param spacing: mm, of ``hu``.
    :return: (int16 numpy array of shape (x, y, z), spacing of shape (3,) in mm); the outer faces of the two grids
        coincide.
    """
    target = [protocol.pixelSize, protocol.pixelSize, protocol.sliceSpacing]
    size = [max(4, round(n * spacing / t)) for n, t in zip(hu.shape, target, strict=True)]
    # A scanner's profile is about as wide as its voxel; area averaging gives that where voxels grow.
    image = functional.interpolate(hu[None, None], size=[min(n, m) for n, m in zip(size, hu.shape, strict=True)],
                                   mode="area")
    image = functional.interpolate(image, size=size, mode="trilinear", align_corners=False)[0, 0]
    blurred = _blur(image)
    # A sharp kernel overshoots at edges, a soft one blurs: unsharp mask from -0.7 to +0.7.
    image = image + (protocol.sharpness - 0.5) * 1.4 * (image - blurred)
    grain = _gaussian(image.shape, random)
    if protocol.sharpness < 0.5:
        grain = _blur(grain)
        grain = grain / grain.std()
    image = image + grain * protocol.noise
    if protocol.streaks:
        image = image + _dentalStreaks(image, protocol, random)
    if protocol.shoulderNoise:
        image = image + _shoulderStreaks(image, protocol, random)
    exact = np.array(hu.shape) * spacing / np.array(size)
    return image.clamp(VOID_HU, 3071).round().short().numpy(), exact


def maskedFieldOfView(shape: tuple[int, int, int], random: np.random.Generator) -> Array:
    """Where the released image has data, as in planning CTs cut to the treated region and in short scans.

    :param shape: (x, y, z).
    :return: bool, same shape; False is void.
    """
    inside = np.ones(shape, bool)
    if random.random() < 0.35:
        inside[:, :, : int(shape[2] * random.uniform(0, 0.45))] = False
    if random.random() < 0.35:
        inside[:, :, shape[2] - int(shape[2] * random.uniform(0, 0.35)) :] = False
    if random.random() < 0.3:
        inside[:, : int(shape[1] * random.uniform(0, 0.3))] = False
    if random.random() < 0.2:
        inside[:, shape[1] - int(shape[1] * random.uniform(0, 0.15)) :] = False
    if random.random() < 0.3:
        # A smooth irregular border.
        small = torch.from_numpy(random.normal(0, 1, (1, 1, 4, 5, 6))).float()
        field = functional.interpolate(small, size=shape, mode="trilinear", align_corners=True)[0, 0].numpy()
        centre = np.abs(np.linspace(-1, 1, shape[1]))[None, :, None] ** 2
        inside &= field < 2.2 - 1.5 * centre
    return inside


def imageFromArray(array: Array, spacing: Iterable[float], corner: Sequence[float] = (0.0, 0.0, 0.0)) -> sitk.Image:
    """sitk image of an array of shape (x, y, z); its outer corner lies at ``corner``, LPS mm."""
    image = sitk.GetImageFromArray(np.ascontiguousarray(array.T))
    image.SetSpacing([float(s) for s in spacing])
    image.SetOrigin([float(c + s / 2) for c, s in zip(corner, spacing, strict=True)])
    return image


def _texture(shape: Sequence[int], spacing: float, grain: float, random: np.random.Generator) -> torch.Tensor:
    """Smooth noise of unit deviation with structures of ``grain`` mm."""
    size = [max(2, int(n * spacing / grain)) for n in shape]
    noise = _gaussian(size, random)
    texture = functional.interpolate(noise[None, None], size=tuple(shape), mode="trilinear")[0, 0]
    return texture / texture.std()


def _gaussian(shape: Sequence[int], random: np.random.Generator) -> torch.Tensor:
    generator = torch.Generator().manual_seed(int(random.integers(2**62)))
    return torch.randn(tuple(shape), generator=generator)


def _nearBorder(codes: torch.Tensor) -> torch.Tensor:
    border = torch.zeros(codes.shape, dtype=torch.bool)
    for axis in range(3):
        differs = codes.narrow(axis, 1, codes.shape[axis] - 1) != codes.narrow(axis, 0, codes.shape[axis] - 1)
        border.narrow(axis, 0, codes.shape[axis] - 1).logical_or_(differs)
        border.narrow(axis, 1, codes.shape[axis] - 1).logical_or_(differs)
    return border


def _blur(image: torch.Tensor) -> torch.Tensor:
    return functional.avg_pool3d(image[None, None], 3, stride=1, padding=1, count_include_pad=False)[0, 0]


def _dentalStreaks(image: torch.Tensor, protocol: Protocol, random: np.random.Generator) -> torch.Tensor:
    """Rays from metal: bright and dark wedges in a few axial slices around one height."""
    height = random.uniform(0.35, 1.0) * image.shape[2]
    width = random.uniform(3, 12) / protocol.sliceSpacing
    envelope = torch.exp(-0.5 * ((torch.arange(image.shape[2]) - height) / width) ** 2)
    x = torch.arange(image.shape[0])[:, None] - image.shape[0] * random.uniform(0.1, 0.9)
    y = torch.arange(image.shape[1])[None] - image.shape[1] * random.uniform(0, 0.6)
    angle = torch.atan2(y.float(), x.float())
    rays = sum(torch.cos(angle * k + random.uniform(0, 6.3)) for k in random.integers(5, 60, 6)) / 2
    distance = torch.sqrt(x**2 + y**2) * protocol.pixelSize
    return (protocol.streaks * rays * torch.exp(-distance / 60))[:, :, None] * envelope


def _shoulderStreaks(image: torch.Tensor, protocol: Protocol, random: np.random.Generator) -> torch.Tensor:
    """Noise drawn out from left to right in the lower slices."""
    rows = _gaussian((1, image.shape[1], image.shape[2]), random)
    ramp = torch.linspace(1.5, -0.5, image.shape[2]).clamp(0, 1)
    return protocol.shoulderNoise * rows * ramp * (image > -800)
