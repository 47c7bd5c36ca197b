"""Articulated bone surfaces (STL, mm, LPS) -> tissue map: one real anatomy as a source for training volumes.

Written for the BodyParts3D surfaces (DBCLS, CC BY-SA 2.1 JP), most of which are not watertight: points are strewn
densely over the triangles and the shell is closed and filled in the voxel grid.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import ArrayLike

from CervicalSpineDetectionLib.Phantom import SoftTissue, Tissues
from CervicalSpineDetectionLib.Phantom.Flesh import FLESH, mixFlesh
from CervicalSpineDetectionLib.Phantom.Morphometry import MEAN_SIZES, AtlasSize, Degeneration, Individual
from CervicalSpineDetectionLib.Phantom.Shapes import Canvas, Frame, rotation, smoothTube
from CervicalSpineDetectionLib.Phantom.Spine import Spine
from CervicalSpineDetectionLib.Phantom.Tissues import TissueMap
from CervicalSpineDetectionLib.Phantom.Torso import Torso
from CervicalSpineDetectionLib.Phantom.TorsoBones import fillBones
from CervicalSpineDetectionLib.Phantom.TorsoOrgans import fillOrgans
from CervicalSpineDetectionLib.Spine.Arrays import Array
from CervicalSpineDetectionLib.Spine.Levels import LEVELS, SPINE_LEVELS, Level
from CervicalSpineDetectionLib.Truth.Vertebrae import vertebraCentres

POINTS_PER_SQUARE_MM = 6
STL_TRIANGLE = np.dtype([("normal", "<f4", 3), ("vertices", "<f4", (3, 3)), ("attribute", "<u2")])
# Around the vertebrae: right, anterior, inferior; left, posterior, superior.
MARGIN_MM = np.array([[60, 120, 60], [60, 70, 110]])
NUMBERS = ("First", "Second", "Third", "Fourth", "Fifth", "Sixth", "Seventh", "Eighth", "Ninth", "Tenth", "Eleventh",
           "Twelfth")
SKULL_BASE_MM = 14  # above the middle of C1
FIRST_MADE_RIB = 4  # the surfaces have three
MUSCLE_NAMES = (
    "trapezius", "longissimus", "levator", "omohyoid", "scalenus", "semispinalis", "splenius", "sternocleido",
    "sternohyoid", "sternothyroid", "subscap",
)


def readTriangles(path: str | Path) -> Array:
    """Triangles of a binary STL file, float32 of shape (n, 3, 3)."""
    data = Path(path).read_bytes()
    return np.frombuffer(data, STL_TRIANGLE, offset=84)["vertices"]


def tissueMapFromSurfaces(folder: str | Path, spacing: float = 1.0) -> TissueMap:
    """Voxelise a folder of bone and muscle surfaces around the vertebrae C1 to L5.

    :param folder: holds ``C1.stl`` ... ``T4.stl``, ``Fifth_thoracic_vertebra.stl`` ...,
        ``Intervertebral_disk_*.stl``, muscles and other bones.
    :param spacing: mm.
    :return: TissueMap.
    """
    paths = sorted(Path(folder).glob("*.stl"))
    surfaces = [(tissueOf(path.stem), readTriangles(path)) for path in paths]
    spine = np.concatenate([t.reshape(-1, 3) for code, t in surfaces if code <= Tissues.LAST_VERTEBRA])
    lower = spine.min(0) - MARGIN_MM[0]
    size = np.ceil((spine.max(0) + MARGIN_MM[1] - lower) / spacing).astype(int)
    tissues = np.zeros(size, np.uint8)
    # Painted from muscle to vertebra, so that the more exact surface wins where two meet.
    for code, triangles in sorted(surfaces, key=lambda surface: -_paintRank(surface[0])):
        _paint(tissues, triangles, lower, spacing, code)
    _fillBody(tissues, spacing)
    image = _imageOf(tissues, spacing, lower + spacing / 2)
    centres = vertebraCentres(image)
    if LEVELS[0] in centres:
        base = image.TransformPhysicalPointToIndex((centres[LEVELS[0]] + [0, 0, SKULL_BASE_MM]).tolist())[2]
        _fillSkull(tissues, base)
        image = _imageOf(tissues, spacing, lower + spacing / 2)
    return Tissues.TissueMap(image, centres)


def _fillSkull(tissues: Array, first: int) -> None:
    """Brain for what bone encloses in the axial planes from index ``first`` on."""
    for plane in range(first, tissues.shape[2]):
        body = np.ascontiguousarray(tissues[:, :, plane] > 0).astype(np.uint8)
        filled = sitk.GetArrayFromImage(sitk.BinaryFillhole(sitk.GetImageFromArray(body), True, 1))
        tissues[:, :, plane][(filled > 0) & (body == 0)] = Tissues.BRAIN


def _imageOf(tissues: Array, spacing: float, origin: ArrayLike) -> sitk.Image:
    """sitk image of an array of shape (x, y, z); ``origin`` is the centre of its first voxel, LPS mm."""
    image = sitk.GetImageFromArray(np.ascontiguousarray(tissues.T))
    image.SetSpacing([spacing] * 3)
    image.SetOrigin(np.asarray(origin, float).tolist())
    return image


def tissueOf(name: str) -> int:
    """Tissue code of a surface by its file name."""
    number, _, kind = name.partition("_")
    if number in NUMBERS and kind in ("thoracic_vertebra", "lumbar_vertebra"):
        name = f"{kind[0].upper()}{NUMBERS.index(number) + 1}"
    if name in SPINE_LEVELS:
        return Tissues.FIRST_VERTEBRA + SPINE_LEVELS.index(name)
    if name.startswith("Intervertebral_disk"):
        return Tissues.DISC
    if any(muscle in name for muscle in MUSCLE_NAMES):
        return Tissues.MUSCLE
    return Tissues.BONE


def _paintRank(code: int) -> int:
    order = (Tissues.BONE, Tissues.DISC, Tissues.MUSCLE)
    return 0 if code <= Tissues.LAST_VERTEBRA else 1 + order.index(code)


def _paint(tissues: Array, triangles: Array, lower: Array, spacing: float, code: int) -> None:
    random = np.random.default_rng(0)
    edges = triangles[:, 1:] - triangles[:, :1]
    areas = np.linalg.norm(np.cross(edges[:, 0], edges[:, 1]), axis=1) / 2
    counts = np.maximum(3, np.ceil(areas * POINTS_PER_SQUARE_MM)).astype(int)
    which = np.repeat(np.arange(len(triangles)), counts)
    # Uniform points in a triangle: Osada et al. 2002, Shape distributions, ACM TOG 21(4), eq. 1.
    root, other = np.sqrt(random.random(len(which))), random.random(len(which))
    weights = np.stack([1 - root, root * (1 - other), root * other], axis=1)
    points = np.einsum("nk,nkd->nd", weights, triangles[which])
    index = np.floor((points - lower) / spacing).astype(int)
    index = index[((index >= 0) & (index < tissues.shape)).all(axis=1)]
    if not len(index):
        return
    first, last = index.min(0), index.max(0) + 1
    shell = np.zeros(last - first, np.uint8)
    shell[tuple((index - first).T)] = 1
    solid = _fill(shell)
    target = tissues[tuple(slice(a, b) for a, b in zip(first, last, strict=True))]
    target[solid] = code


def _fill(shell: Array, pad: int = 4) -> Array:
    """Close a leaky shell and fill it: inside is what at least two of the three slicing directions enclose."""
    closed = sitk.BinaryMorphologicalClosing(sitk.GetImageFromArray(np.pad(shell, pad)), [2, 2, 2])
    votes = np.zeros(sitk.GetArrayViewFromImage(closed).shape, np.uint8)
    for axis in range(3):
        filled = np.stack([
            sitk.GetArrayFromImage(sitk.BinaryFillhole(sitk.GetImageFromArray(np.ascontiguousarray(plane))))
            for plane in np.moveaxis(sitk.GetArrayFromImage(closed), axis, 0)
        ])
        votes += np.moveaxis(filled, 0, axis)
    inner = tuple(slice(pad, -pad) for _ in range(3))
    return ((votes >= 2) | (np.pad(shell, pad) > 0))[inner]


def _fillBody(tissues: Array, spacing: float) -> None:
    """Soft tissue between bones and muscles, fat and skin around them; the surfaces bring none."""
    known = sitk.GetImageFromArray((tissues > 0).astype(np.uint8))
    # The outline: a wide closing of all that is known, at 4 mm, grown by some millimetres of fat and skin.
    radius = 8
    coarse = sitk.BinShrink(sitk.Cast(known, sitk.sitkFloat32), [4, 4, 4]) > 0.02
    coarse = sitk.ConstantPad(coarse, [2 * radius] * 3, [2 * radius] * 3, 0)
    beyond = sitk.SignedMaurerDistanceMap(coarse, squaredDistance=False, useImageSpacing=False) > radius
    depth = sitk.SignedMaurerDistanceMap(beyond, squaredDistance=False, useImageSpacing=False) - radius
    depth = 4 * spacing * sitk.GetArrayFromImage(sitk.Resample(depth, known, sitk.Transform(), sitk.sitkLinear, -100.0))
    free = tissues == 0
    tissues[free & (depth > -8)] = Tissues.FAT
    tissues[free & (depth > -2)] = Tissues.SOFT_TISSUE


def spineOf(anatomy: TissueMap) -> Spine:
    """The vertebrae of a tissue map as a ``Spine`` with sizes of books, to lay other tissues about it.

    :param anatomy: TissueMap with the centres of C1 to L5.
    """
    places = np.array([anatomy.centres[level] for level in SPINE_LEVELS])
    upwards = np.gradient(places, axis=0) * -1
    frames: dict[str, Frame] = {level: Frame(place, _upright(up))
                                for level, place, up in zip(SPINE_LEVELS, places, upwards, strict=True)}
    step = places[-1] - places[-2]
    frames["S1"] = Frame(places[-1] + step + [0, 8, 0], rotation(np.radians(-38)))
    wear: dict[str, Degeneration] = {level: Degeneration() for level in SPINE_LEVELS[1:]}
    return Spine(Individual(1.0, MEAN_SIZES, AtlasSize(), wear, (0.0, 0.0)), MEAN_SIZES, wear, frames, np.eye(3))


def _upright(up: Array) -> Array:
    """Rotation whose superior axis is ``up`` and whose left one is as near to the patient's as can be."""
    superior = up / np.linalg.norm(up)
    left = np.array([1.0, 0, 0]) - superior[0] * superior
    left /= np.linalg.norm(left)
    return np.stack([left, np.cross(superior, left), superior], axis=1)


def withTrunk(anatomy: TissueMap, random: np.random.Generator, middle: float, height: float) -> TissueMap:
    """A part of a tissue map with what the surfaces lack: airway and vessels, trunk, ribs, pelvis.

    :param anatomy: TissueMap with the centres of C1 to L5.
    :param middle: LPS z of the middle of the part in mm.
    :param height: mm, of the part.
    :return: TissueMap; the centres are those in the part.
    """
    spacing, origin = anatomy.tissues.GetSpacing()[0], np.array(anatomy.tissues.GetOrigin())
    tissues = withAirway(anatomy, random)
    first = int(np.clip((middle - height / 2 - origin[2]) / spacing, 0, tissues.shape[2]))
    tissues = np.ascontiguousarray(tissues[:, :, first : first + int(height / spacing)])
    corner = origin + [0, 0, first * spacing]
    canvas = Canvas.over(tissues, corner, spacing)
    spine = spineOf(anatomy)
    torso = Torso(spine, random)
    z = canvas.axes[2].astype(float)
    plumpness, skin = random.beta(1.5, 2.5), random.uniform(1.5, 2.5)
    nothing = np.zeros(len(z))
    outline = torso.outline(z, (nothing, nothing, nothing, nothing), skin + 3 + 14 * plumpness, plumpness)
    soft = skin + 3 + 11 * plumpness
    SoftTissue.fillSlices(canvas, outline, Tissues.SKIN, 0.0, (Tissues.AIR,))
    SoftTissue.fillSlices(canvas, outline, Tissues.FAT, skin, (Tissues.AIR, Tissues.SKIN))
    SoftTissue.fillSlices(canvas, outline, Tissues.SOFT_TISSUE, soft, (Tissues.AIR, Tissues.SKIN, Tissues.FAT))
    mixFlesh(canvas, random)
    fillOrgans(torso, canvas, random)
    canvas.fill(smoothTube([spine.canal(level) for level in SPINE_LEVELS[1:]], 8.5, (1.3, 1, 1)), Tissues.SPINAL_CANAL,
                over=FLESH)
    solid = (*range(Tissues.FIRST_VERTEBRA, Tissues.LAST_VERTEBRA + 1), Tissues.DISC, Tissues.BONE)
    fillBones(torso, canvas, random, solid, FIRST_MADE_RIB)
    top = corner[2] + (tissues.shape[2] - 1) * spacing
    centres = {level: centre for level, centre in anatomy.centres.items() if corner[2] < centre[2] < top}
    return Tissues.TissueMap(_imageOf(tissues, spacing, corner), centres)


def withAirway(anatomy: TissueMap, random: np.random.Generator) -> Array:
    """A copy of a tissue map with a random airway before the cervical spine and vessels beside it.

    Prevertebral tissue is 3 to 7 mm at C3 and 12 to 18 mm at C6 (Penning 1981, AJR 136(2):311-312).

    :param anatomy: TissueMap.
    :return: array of tissue codes, shape (x, y, z).
    """
    tissues = sitk.GetArrayFromImage(anatomy.tissues).T.copy()
    spacing = anatomy.tissues.GetSpacing()[0]
    levels = [level for level in LEVELS[:10] if level in anatomy.centres]
    centres = (np.array([anatomy.centres[level] for level in levels]) - anatomy.tissues.GetOrigin()) / spacing
    order = np.argsort(centres[:, 2])
    heights = np.arange(max(0, int(centres[:, 2].min())), min(tissues.shape[2], int(centres[0, 2] + 40 / spacing)))
    xs, ys = (np.interp(heights, centres[order, 2], centres[order, i]) for i in (0, 1))
    c3, c6 = (centres[levels.index(level), 2] for level in (Level.C3, Level.C6))
    gap = np.interp(heights, [c6, c3], [random.uniform(11, 19), random.uniform(2, 8)]) + random.uniform(7, 11)
    wobble = np.interp(heights, np.linspace(heights[0], heights[-1], 9), random.uniform(0.5, 1.4, 9))
    radius = random.uniform(4, 9) * wobble / spacing
    _paintTube(tissues, heights, xs, ys - gap / spacing - radius, radius * random.uniform(0.8, 1.5), radius,
               Tissues.AIRWAY)
    for side in (-1, 1):
        for offset, size in ((random.uniform(20, 28), random.uniform(2.5, 4)),
                             (random.uniform(24, 33), random.uniform(3, 7))):
            radii = np.full(len(heights), size / spacing)
            shift = side * (offset + random.normal(0, 2)) / spacing
            _paintTube(tissues, heights, xs + shift, ys - random.uniform(2, 14) / spacing, radii, radii,
                       Tissues.VESSEL)
    return tissues


def _paintTube(tissues: Array, heights: Array, xs: Array, ys: Array, radiiX: Array, radiiY: Array, code: int) -> None:
    """Ellipses, one a height, where there is soft tissue so far."""
    gridX, gridY = np.ogrid[: tissues.shape[0], : tissues.shape[1]]
    for height, x, y, a, b in zip(heights, xs, ys, radiiX, radiiY, strict=True):
        window = (slice(max(0, int(x - a)), int(x + a) + 2), slice(max(0, int(y - b)), int(y + b) + 2))
        plane = tissues[(*window, height)]
        inside = ((gridX[window[0]] - x) / a) ** 2 + ((gridY[:, window[1]] - y) / b) ** 2 <= 1
        plane[inside & np.isin(plane, (Tissues.SOFT_TISSUE, Tissues.FAT, Tissues.MUSCLE))] = code
