"""Vertebrae that a person confirmed or corrected -> training slices.

The detector learns boxes of single slices, a person corrects one box in 3D. Where the detector sees the vertebra too
(its centre lies near the corrected one), its own boxes are taken, moved and scaled from the extent it saw to the
corrected one; the name is the person's. Where it does not, the boxes are those a vertebra of this kind has, slice by
slice, within its 3D box (``PROFILES``). What no person confirmed is blacked out: it is to be learned neither as a
vertebra nor as background.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import TypeAlias

import numpy as np
import SimpleITK as sitk

from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Fusion.Candidates import Candidate
from CervicalSpineDetectionLib.Fusion.Fuse import fuseAt
from CervicalSpineDetectionLib.Fusion.Placement import boundsOf, centreOf
from CervicalSpineDetectionLib.Fusion.Settings import agreeingSlices
from CervicalSpineDetectionLib.Fusion.SliceBoxes import toPixelEdges
from CervicalSpineDetectionLib.Fusion.Tracks import Track, runningMedian
from CervicalSpineDetectionLib.Imaging.SagittalVolume import SagittalVolume
from CervicalSpineDetectionLib.Pipeline import slicesFor
from CervicalSpineDetectionLib.SliceDetector.Detector import BODY_CLASS, SliceDetector
from CervicalSpineDetectionLib.Spine.Arrays import Array
from CervicalSpineDetectionLib.Spine.Levels import LEVELS, Level
from CervicalSpineDetectionLib.Spine.Morphometry import BODY_HALF_WIDTH_MM
from CervicalSpineDetectionLib.Spine.Vertebra import Vertebra
from CervicalSpineDetectionLib.Truth.SliceBoxes import SliceBox

# Whole vertebra, from its middle to the tips at its sides: front, top, back and bottom of the box of a slice, as parts
# of depth and height of the 3D box. Medians of 37 to 816 slices of six phantoms (seeds 600 to 605, their exact label
# maps cut as for training); the scatter is about 0.08.
KNOTS = np.linspace(0, 1, 9)
PROFILES = (
    # C1
    ((0.01, 0.21, 0.99, 0.85), (0.01, 0.22, 0.97, 0.84), (0.05, 0.21, 0.92, 0.87), (0.12, 0.16, 0.86, 0.87),
     (0.16, 0.11, 0.79, 0.92), (0.21, 0.06, 0.64, 0.91), (0.29, 0.25, 0.60, 0.82), (0.40, 0.32, 0.58, 0.79),
     (0.45, 0.32, 0.60, 0.76)),
    # C2
    ((0.01, 0.01, 0.97, 0.90), (0.03, 0.03, 0.97, 0.88), (0.05, 0.38, 0.77, 0.86), (0.07, 0.34, 0.73, 0.81),
     (0.08, 0.39, 0.68, 0.94), (0.08, 0.41, 0.66, 0.96), (0.10, 0.44, 0.66, 0.96), (0.20, 0.62, 0.57, 0.86),
     (0.30, 0.71, 0.46, 0.82)),
    # C3 to C6
    ((0.03, 0.14, 0.99, 0.98), (0.03, 0.11, 0.95, 0.98), (0.03, 0.11, 0.75, 0.93), (0.09, 0.13, 0.70, 0.80),
     (0.12, 0.09, 0.67, 0.79), (0.12, 0.06, 0.67, 0.81), (0.12, 0.07, 0.65, 0.81), (0.14, 0.38, 0.44, 0.75),
     (0.21, 0.48, 0.35, 0.72)),
    # C7 to T4
    ((0.01, 0.13, 0.76, 0.96), (0.01, 0.13, 0.71, 0.98), (0.03, 0.10, 0.62, 0.95), (0.08, 0.10, 0.58, 0.79),
     (0.28, 0.11, 0.56, 0.69), (0.36, 0.13, 0.54, 0.45), (0.38, 0.13, 0.53, 0.43), (0.38, 0.13, 0.52, 0.41),
     (0.38, 0.16, 0.49, 0.38)),
)
# The body (C1: its anterior arch) about the vertebra's centre, as parts of depth and height of the 3D box; same source.
BODY_PROFILES = (
    (-0.49, -0.26, -0.34, 0.31), (-0.16, -0.21, 0.17, 0.19), (-0.19, -0.37, 0.19, 0.38), (-0.16, -0.33, 0.17, 0.34),
)
IndexedBox: TypeAlias = tuple[int, Array]  # slice, and its box of shape (4,) in pixel edges
MARGIN = 3  # pixels around what is blacked out, and left around what is kept


def correctedSlices(image: sitk.Image, vertebrae: Sequence[Vertebra], others: Sequence[Vertebra],
                    detector: SliceDetector) -> tuple[Array, list[list[SliceBox]]]:
    """Pictures of a CT as the detector sees them, with boxes from corrected vertebrae.

    :param image: sitk CT in HU.
    :param vertebrae: list of Vertebra a person confirmed or corrected, LPS mm in the CT's frame.
    :param others: list of Vertebra that stand in the scene too, which no person confirmed.
    :param detector: SliceDetector; gives the slices their grid and window.
    :return: (uint8 pictures of shape (slices, 3, rows, columns), one list a slice of (class, firstColumn, firstRow,
        lastColumn, lastRow) in pixel edges).
    :raises InputError: the image can't be used, or a level is missing between two others.
    """
    vertebrae = sorted(vertebrae, key=lambda vertebra: vertebra.level.order)
    checkGaps([*vertebrae, *others])
    volume, pictures, _ = slicesFor(image, detector)
    fused = fuseAt(detector.detect(pictures), volume, vertebrae)
    seen = {link.level: link.candidate for link in fused.links}
    boxes: list[list[SliceBox]] = [[] for _ in pictures]
    for vertebra in vertebrae:
        for kind, found in _boxesOf(vertebra, seen.get(vertebra.level), volume).items():
            for sliceIndex, box in found:
                boxes[sliceIndex].append((kind, *box))
    unconfirmed = [_boxesOf(vertebra, None, volume)[vertebra.level.order] for vertebra in others]
    unconfirmed += [
        list(zip(candidate.track.slices, toPixelEdges(candidate.track.boxes, volume.pixelSize), strict=True))
        for candidate in fused.leftOvers]
    return _blackedOut(pictures, boxes, unconfirmed, vertebrae), boxes


def checkGaps(vertebrae: Sequence[Vertebra]) -> None:
    """:raises InputError: a level is missing between two others."""
    indices = sorted({vertebra.level.order for vertebra in vertebrae})
    for upper, lower in pairwise(indices):
        if lower > upper + 1:
            raise InputError(f"{LEVELS[upper + 1]} is missing between {LEVELS[upper]} and {LEVELS[lower]} and would be "
                             "learned as background; insert it.")


def _boxesOf(vertebra: Vertebra, candidate: Candidate | None, volume: SagittalVolume) -> dict[int, list[IndexedBox]]:
    """Class -> list of (slice index, box), for the whole vertebra and its body."""
    corners = volume.fromLps(np.array([vertebra.bounds.minimum, vertebra.bounds.maximum]))
    first, last = corners.min(axis=0), corners.max(axis=0)
    centre = volume.fromLps(vertebra.centre)
    kind = vertebra.level.order
    if candidate is None:
        return {kind: _inside(_profileBoxes(kind, first, last, centre, volume), volume),
                BODY_CLASS: _inside(_profileBody(kind, first, last, centre, volume), volume)}
    found = {kind: _inside(_moved(candidate.track, first, last, volume), volume)}
    if candidate.body is not None:
        shift = centre - volume.fromLps(centreOf(candidate, vertebra.level, volume))
        bodyFirst, bodyLast = _extentOf(candidate.body, volume)
        found[BODY_CLASS] = _inside(_moved(candidate.body, bodyFirst + shift, bodyLast + shift, volume), volume)
    return found


def _extentOf(track: Track, volume: SagittalVolume) -> tuple[Array, Array]:
    """(first, last), each shape (3,): continuous (slice, row, column) of a track's box faces."""
    bounds = boundsOf(track, volume)
    corners = volume.fromLps(np.array([bounds.minimum, bounds.maximum]))
    return corners.min(axis=0), corners.max(axis=0)


def _moved(track: Track, toFirst: Array, toLast: Array, volume: SagittalVolume) -> list[IndexedBox]:
    """Boxes of a track in pixels, moved and scaled to another extent. Both: continuous (slice, row, column)."""
    fromFirst, fromLast = _extentOf(track, volume)
    scale = (toLast - toFirst) / np.maximum(fromLast - fromFirst, 1e-6)
    smooth = toPixelEdges(runningMedian(track.boxes, agreeingSlices(track.sliceSpacing)), volume.pixelSize)
    # Pixel edges of boxes are half a pixel off the indices of the grid.
    offset, factor = (toFirst - fromFirst * scale)[[2, 1, 2, 1]], scale[[2, 1, 2, 1]]
    firstSlice, lastSlice = ((index - fromFirst[0]) * scale[0] + toFirst[0] for index in track.slices[[0, -1]])
    boxes = []
    for index in range(int(np.rint(firstSlice)), int(np.rint(lastSlice)) + 1):
        source = (index - toFirst[0]) / scale[0] + fromFirst[0]
        box = np.array([np.interp(source, track.slices, smooth[:, edge]) for edge in range(4)])
        boxes.append((index, (box - 0.5) * factor + offset + 0.5))
    return boxes


def _profileBoxes(level: int, first: Array, last: Array, centre: Array, volume: SagittalVolume) -> list[IndexedBox]:
    profile = np.array(PROFILES[_profileOf(level)])
    start, extent = (first + 0.5)[[2, 1, 2, 1]], (last - first)[[2, 1, 2, 1]]
    boxes = []
    for index in range(int(np.ceil(first[0])), int(np.floor(last[0])) + 1):
        side = last[0] if index > centre[0] else first[0]
        off = min(abs((index - centre[0]) / (side - centre[0])), 1.0) if side != centre[0] else 0.0
        edges = np.array([np.interp(off, KNOTS, profile[:, edge]) for edge in range(4)])
        boxes.append((index, start + edges * extent))
    return boxes


def _profileBody(level: int, first: Array, last: Array, centre: Array, volume: SagittalVolume) -> list[IndexedBox]:
    edges = np.array(BODY_PROFILES[_profileOf(level)])
    middle, extent = (centre + 0.5)[[2, 1, 2, 1]], (last - first)[[2, 1, 2, 1]]
    half = BODY_HALF_WIDTH_MM / volume.sliceSpacing
    return [(index, middle + edges * extent)
            for index in range(int(np.ceil(centre[0] - half)), int(np.floor(centre[0] + half)) + 1)]


def _profileOf(level: int) -> int:
    """Which of ``PROFILES``, for an index into ``LEVELS``."""
    return min(level, 2) if level < Level.C7.order else 3


def _inside(boxes: Iterable[IndexedBox], volume: SagittalVolume) -> list[IndexedBox]:
    """Those of slices that are there, cut to the picture."""
    slices, rows, columns = volume.voxels.shape
    cut = ((index, np.clip(box, 0, [columns, rows, columns, rows])) for index, box in boxes if 0 <= index < slices)
    return [(index, box) for index, box in cut if (box[2:] > box[:2]).all()]


def _blackedOut(pictures: Array, boxes: Sequence[Sequence[SliceBox]], unconfirmed: Iterable[Iterable[IndexedBox]],
                vertebrae: Sequence[Vertebra]) -> Array:
    pictures = pictures.copy()
    black = np.zeros((len(pictures), *pictures.shape[2:]), bool)
    for found in unconfirmed:
        for index, box in found:
            _paint(black[index], box, True, MARGIN)
    for index, ofSlice in enumerate(boxes):
        for _, *edges in ofSlice:
            _paint(black[index], edges, False, 0)
    # Above and below may stand vertebrae that neither person nor detector named.
    everything = np.array([box for ofSlice in boxes for _, *box in ofSlice])
    if len(everything):
        if vertebrae[-1].complete:
            black[:, int(everything[:, 3].max()) + MARGIN :] = True
        if vertebrae[0].level != LEVELS[0]:
            black[:, : max(0, int(everything[:, 1].min()) - MARGIN)] = True
    pictures[np.broadcast_to(black[:, None], pictures.shape)] = 0
    return pictures


def _paint(mask: Array, box: Sequence[float] | Array, value: bool, margin: int) -> None:
    first = np.maximum(np.floor(np.array(box[:2]) - margin), 0).astype(int)
    last = np.ceil(np.array(box[2:]) + margin).astype(int)
    mask[first[1] : last[1], first[0] : last[0]] = value
