"""One CT with known levels -> many views of it, as CTs of other fields of view, postures and scanners would show it.

A neck seen whole is easy: C1 and C2 are unmistakable. Here it is cut above and below each level, to a few levels, to
one side, to its posterior part, to a small field, turned in the header, thickened and made noisy, so that the names
have to be told from less, or be left open.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import SimpleITK as sitk

from CervicalSpineDetectionLib.Evaluation.Metrics import Reference
from CervicalSpineDetectionLib.Imaging.Resampling import OUTSIDE_HU
from CervicalSpineDetectionLib.Spine.Arrays import Array
from CervicalSpineDetectionLib.Spine.Boxes import Bounds
from CervicalSpineDetectionLib.Spine.Levels import Level
from CervicalSpineDetectionLib.Spine.Vertebra import DetectionResult

WINDOW_LEVELS = (2, 3, 4, 5)
TURNS_DEGREES = (15, 30, 45, 60)
CENTRE_MARGIN_MM = 3.0  # a body whose centre is nearer to the edge is not in view
PART_IN_VIEW = 0.55  # of a vertebra's height
DEPTH_IN_VIEW = 0.35
# A reader tells the level from these: the ring of C1, the dens of C2, and T1, which bears the first ribs.
LANDMARKS = (Level.C1, Level.C2, Level.T1)


@dataclass(frozen=True)
class KnownLevel:
    """A level of the whole CT.

    :param centre: shape (3,), LPS mm, of the body (C1: of the ring).
    :param bounds: of the whole vertebra.
    """

    level: Level
    centre: Array
    bounds: Bounds


@dataclass(frozen=True)
class ViewedLevel:
    """A level of the whole CT as a view shows it.

    :param centre: shape (3,), LPS mm in the view's own frame; of the body, also where the view does not show it.
    :param shown: of the part of the vertebra that the view shows; None where it shows nothing of it. Where the view is
        turned its middle is turned with it.
    :param bodyInView: the view shows the body's centre.
    :param inView: enough of it is in view to be named.
    """

    level: Level
    centre: Array
    shown: Bounds | None
    bodyInView: bool
    inView: bool


@dataclass(frozen=True)
class View:
    """:param kind: what was done to the CT, e.g. "window of 3".
    :param levels: all known levels of the CT, those out of view too, in cranio-caudal order.
    """

    case: str
    kind: str
    image: sitk.Image
    levels: tuple[ViewedLevel, ...]

    @property
    def hasLandmark(self) -> bool:
        """C1, C2 or T1 with the first ribs is in view."""
        return any(viewed.inView and viewed.level in LANDMARKS for viewed in self.levels)


@dataclass(frozen=True)
class _Plan:
    """A view before it is made. :param change: what is done to the cut image, or None."""

    kind: str
    lower: Array
    upper: Array
    turn: tuple[float, float, float] | None = None
    sliceThickness: float = 0.0
    noise: float = 0.0


def viewsOf(case: str, image: sitk.Image, levels: Sequence[KnownLevel], random: np.random.Generator,
            most: int | None = None) -> Iterator[View]:
    """Views of one CT, the whole one first.

    :param image: CT in HU; it is brought to LPS axes without resampling.
    :param levels: what the whole CT shows; two at least.
    :param random: where exactly the edges lie, and which views are taken where there are more than ``most``.
    :param most: views at the most, None for all.
    """
    image = sitk.DICOMOrient(image, "LPS")
    levels = sorted(levels, key=lambda known: known.level.order)
    plans = _plans(levels, random)
    if most is not None and len(plans) > most:
        chosen = np.sort(random.permutation(len(plans) - 1)[: most - 1]) + 1
        plans = [plans[0], *(plans[i] for i in chosen)]
    for plan in plans:
        cut = _cut(image, plan.lower, plan.upper)
        if cut is None:
            continue
        viewed = [_viewed(known, plan) for known in levels]
        if plan.turn is not None:
            cut, viewed = _turned(cut, viewed, plan.turn)
        if plan.sliceThickness:
            cut = _thickened(cut, plan.sliceThickness)
        if plan.noise:
            cut = _noisy(cut, plan.noise, random)
        yield View(case, plan.kind, cut, tuple(viewed))


def _plans(levels: Sequence[KnownLevel], random: np.random.Generator) -> list[_Plan]:
    centres = np.array([known.centre for known in levels])
    heights, last = centres[:, 2], len(levels) - 1
    middle = np.median(centres, axis=0)

    def between(index: int, low: float, high: float) -> float:
        return float(heights[index] + random.uniform(low, high) * (heights[index + 1] - heights[index]))

    def top(index: int) -> float:
        return between(index - 1, 0.3, 0.8) if index else float(heights[0] + random.uniform(14, 44))

    def bottom(index: int) -> float:
        return between(index, 0.2, 0.7) if index < last else float(heights[last] - random.uniform(10, 30))

    plans = [_box("whole")]
    for index in range(last):
        plans.append(_box("cut above", zHigh=between(index, 0.25, 0.9)))
        plans.append(_box("cut below", zLow=between(index, 0.1, 0.75)))
    for count in WINDOW_LEVELS:
        plans += [_box(f"window of {count}", zHigh=top(index), zLow=bottom(index + count - 1))
                  for index in range(last - count + 2)]
    plans.append(_box("left part", xLow=middle[0] - random.uniform(0, 8)))
    plans.append(_box("right part", xHigh=middle[0] + random.uniform(0, 8)))
    plans.append(_box("posterior part", yLow=middle[1] + random.uniform(6, 14)))
    for _ in range(2):
        first = int(random.integers(0, max(1, last - 2)))
        final = min(first + int(random.integers(3, 6)), last)
        low, high = centres[first : final + 1].min(axis=0), centres[first : final + 1].max(axis=0)
        plans.append(_box("small field", zHigh=top(first), zLow=bottom(final), xLow=low[0] - random.uniform(20, 45),
                          xHigh=high[0] + random.uniform(20, 45), yLow=low[1] - random.uniform(15, 40),
                          yHigh=high[1] + random.uniform(30, 60)))
    for degrees in TURNS_DEGREES:
        angles = [0.0, 0.0, 0.0]
        angles[int(random.integers(3))] = degrees * float(random.choice([-1, 1]))
        plans.append(_box(f"turned by {degrees}", turn=tuple(angles)))
    plans.append(_box("thick slices", sliceThickness=float(random.uniform(5, 8))))
    plans.append(_box("noise", noise=float(random.uniform(60, 200))))
    return plans


def _box(kind: str, xLow: float = -np.inf, xHigh: float = np.inf, yLow: float = -np.inf, yHigh: float = np.inf,
         zLow: float = -np.inf, zHigh: float = np.inf, **change: Any) -> _Plan:
    return _Plan(kind, np.array([xLow, yLow, zLow]), np.array([xHigh, yHigh, zHigh]), **change)


def _viewed(known: KnownLevel, plan: _Plan) -> ViewedLevel:
    centre = np.asarray(known.centre, float)
    first, last = np.maximum(known.bounds.minimum, plan.lower), np.minimum(known.bounds.maximum, plan.upper)
    inside = (centre > plan.lower + CENTRE_MARGIN_MM) & (centre < plan.upper - CENTRE_MARGIN_MM)
    # Arches alone can be told apart: the body may lie before the field of view.
    parts = (last - first) / known.bounds.size
    inView = inside[0] and inside[2] and parts[1] >= DEPTH_IN_VIEW and parts[2] >= PART_IN_VIEW
    shown = Bounds(first, last) if (last > first).all() else None
    return ViewedLevel(known.level, centre, shown, bool(inside.all()), bool(inView))


def _cut(image: sitk.Image, lower: Array, upper: Array) -> sitk.Image | None:
    """The voxels between two corners (LPS mm, infinite where nothing is cut); None where too few are left."""
    size = np.array(image.GetSize())
    middle = (np.array(image.TransformContinuousIndexToPhysicalPoint([0.0, 0.0, 0.0]))
              + np.array(image.TransformContinuousIndexToPhysicalPoint((size - 1.0).tolist()))) / 2
    # Infinite corners have no index: the image's own corners stand in for them.
    reach = float(np.linalg.norm(size * image.GetSpacing()))
    corners = [np.where(np.isfinite(corner), corner, middle + sign * reach)
               for corner, sign in ((lower, -1), (upper, 1))]
    indices = np.array([image.TransformPhysicalPointToContinuousIndex(corner.tolist()) for corner in corners])
    first = np.clip(np.ceil(indices.min(axis=0)), 0, size - 1).astype(int)
    last = np.clip(np.floor(indices.max(axis=0)), 0, size - 1).astype(int)
    if (last - first < 2).any():
        return None
    return sitk.RegionOfInterest(image, (last - first + 1).tolist(), first.tolist())


def _turned(image: sitk.Image, viewed: Sequence[ViewedLevel],
            degrees: tuple[float, float, float]) -> tuple[sitk.Image, list[ViewedLevel]]:
    """The same voxels with a header that turns them about their middle, pitch, yaw and roll about x, y and z."""
    turn = sitk.Euler3DTransform()
    turn.SetRotation(*np.deg2rad(degrees))
    matrix = np.reshape(turn.GetMatrix(), (3, 3))
    half = (np.array(image.GetSize()) - 1) / 2
    middle = np.array(image.TransformContinuousIndexToPhysicalPoint(half.tolist()))
    direction = matrix @ np.reshape(image.GetDirection(), (3, 3))
    result = sitk.Image(image)
    result.SetDirection(direction.ravel().tolist())
    result.SetOrigin((middle - direction @ (half * image.GetSpacing())).tolist())

    def moved(point: Array) -> Array:
        return np.asarray(middle + matrix @ (point - middle))

    def movedBounds(bounds: Bounds | None) -> Bounds | None:
        if bounds is None:
            return None
        shift = moved(bounds.centre) - bounds.centre
        return Bounds(bounds.minimum + shift, bounds.maximum + shift)

    return result, [replace(one, centre=moved(one.centre), shown=movedBounds(one.shown)) for one in viewed]


def _thickened(image: sitk.Image, thickness: float) -> sitk.Image:
    """Slices of so many mm, each the mean over about its thickness."""
    spacing, size = np.array(image.GetSpacing()), np.array(image.GetSize())
    count = int(size[2] * spacing[2] / thickness)
    if thickness <= spacing[2] or count < 3:
        return image
    smooth = sitk.DiscreteGaussian(sitk.Cast(image, sitk.sitkFloat32), [0.0, 0.0, (0.35 * thickness) ** 2])
    spacing[2], size[2] = thickness, count
    return sitk.Resample(smooth, size.tolist(), sitk.Transform(), sitk.sitkLinear, image.GetOrigin(), spacing.tolist(),
                         image.GetDirection(), OUTSIDE_HU)


def _noisy(image: sitk.Image, deviation: float, random: np.random.Generator) -> sitk.Image:
    """Gaussian noise of so many HU; what has no data stays so."""
    voxels = sitk.GetArrayFromImage(image).astype(np.float32)
    seen = voxels > -1000
    voxels[seen] += random.normal(0, deviation, int(seen.sum())).astype(np.float32)
    result = sitk.GetImageFromArray(voxels)
    result.CopyInformation(image)
    return result


def knownLevels(references: Mapping[str, Reference]) -> list[KnownLevel]:
    """Those of a reference whose bodies were marked."""
    return [KnownLevel(Level(level), np.asarray(reference.centre, float), reference.bounds)
            for level, reference in references.items() if reference.centre is not None]


def levelsOfWholeView(result: DetectionResult) -> list[KnownLevel]:
    """Names that can be trusted without a label: of a CT that shows C1 and C2, found without any doubt or gap.

    :return: empty where the whole view is not that sure.
    """
    vertebrae = result.vertebrae
    anchors = result.basis.anchors if result.basis else ()
    if not {"C1", "C2"} <= set(anchors) or any(vertebra.uncertain for vertebra in vertebrae):
        return []
    return [KnownLevel(vertebra.level, vertebra.centre, vertebra.bounds) for vertebra in vertebrae]
