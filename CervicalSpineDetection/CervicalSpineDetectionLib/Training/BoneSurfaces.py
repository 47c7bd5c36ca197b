"""Articulated bone surfaces (STL, mm, LPS) -> tissue map: one real anatomy as a source for training volumes.

Written for the BodyParts3D surfaces (DBCLS, CC BY-SA 2.1 JP), most of which are not watertight: points are strewn
densely over the triangles and the shell is closed and filled in the voxel grid.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from CervicalSpineDetectionLib.Phantom import Tissues
from CervicalSpineDetectionLib.Spine.Levels import LEVELS, Level, levelIndex
from CervicalSpineDetectionLib.Truth.Vertebrae import vertebraCentres

POINTS_PER_SQUARE_MM = 6
STL_TRIANGLE = np.dtype([("normal", "<f4", 3), ("vertices", "<f4", (3, 3)), ("attribute", "<u2")])
# Around C1 to T4: right, anterior, inferior; left, posterior, superior.
MARGIN_MM = np.array([[75, 110, 30], [75, 70, 110]])
MUSCLE_NAMES = (
    "trapezius", "longissimus", "levator", "omohyoid", "scalenus", "semispinalis", "splenius", "sternocleido",
    "sternohyoid", "sternothyroid", "subscap",
)


def readTriangles(path):
    """Triangles of a binary STL file, float32 of shape (n, 3, 3)."""
    data = Path(path).read_bytes()
    return np.frombuffer(data, STL_TRIANGLE, offset=84)["vertices"]


def tissueMapFromSurfaces(folder, spacing=1.0):
    """Voxelise a folder of bone and muscle surfaces around C1 to T4.

    :param folder: holds ``C1.stl`` ... ``T4.stl``, ``Intervertebral_disk_*.stl``, muscles and other bones.
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
    image = sitk.GetImageFromArray(tissues.T)
    image.SetSpacing([spacing] * 3)
    image.SetOrigin((lower + spacing / 2).tolist())
    return Tissues.TissueMap(image, vertebraCentres(image))


def tissueOf(name):
    """Tissue code of a surface by its file name."""
    if name in LEVELS:
        return Tissues.FIRST_VERTEBRA + levelIndex(name)
    if name.startswith("Intervertebral_disk"):
        return Tissues.DISC
    if any(muscle in name for muscle in MUSCLE_NAMES):
        return Tissues.MUSCLE
    return Tissues.BONE


def _paintRank(code):
    order = (Tissues.BONE, Tissues.DISC, Tissues.MUSCLE)
    return 0 if code <= Tissues.LAST_VERTEBRA else 1 + order.index(code)


def _paint(tissues, triangles, lower, spacing, code):
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


def _fill(shell, pad=4):
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


def _fillBody(tissues, spacing):
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


def withAirway(anatomy, random):
    """A copy of a tissue map with a random airway before the spine and vessels beside it.

    Prevertebral tissue is 3 to 7 mm at C3 and 12 to 18 mm at C6 (Penning 1981, AJR 136(2):311-312).

    :param anatomy: TissueMap.
    :return: array of tissue codes, shape (x, y, z).
    """
    tissues = sitk.GetArrayFromImage(anatomy.tissues).T.copy()
    spacing = anatomy.tissues.GetSpacing()[0]
    levels = [level for level in LEVELS if level in anatomy.centres]
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


def _paintTube(tissues, heights, xs, ys, radiiX, radiiY, code):
    """Ellipses, one a height, where there is soft tissue so far."""
    gridX, gridY = np.ogrid[: tissues.shape[0], : tissues.shape[1]]
    for height, x, y, a, b in zip(heights, xs, ys, radiiX, radiiY, strict=True):
        window = (slice(max(0, int(x - a)), int(x + a) + 2), slice(max(0, int(y - b)), int(y + b) + 2))
        plane = tissues[(*window, height)]
        inside = ((gridX[window[0]] - x) / a) ** 2 + ((gridY[:, window[1]] - y) / b) ** 2 <= 1
        plane[inside & np.isin(plane, (Tissues.SOFT_TISSUE, Tissues.FAT, Tissues.MUSCLE))] = code
