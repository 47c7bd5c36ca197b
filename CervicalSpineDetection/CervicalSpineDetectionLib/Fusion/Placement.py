"""Tracks with levels -> vertebrae: centres, bounds, boxes along the spine's curve, what is missing or cut."""

from __future__ import annotations

import numpy as np

from CervicalSpineDetectionLib.Fusion.BodySpacing import (
    SEEN_AXIS_MM,
    SEEN_MM,
    SETTLED_MM,
    UNSEEN_MM,
    evenedCentres,
    lineThrough,
)
from CervicalSpineDetectionLib.Fusion.Candidates import SURE_BODY_EVIDENCE
from CervicalSpineDetectionLib.Spine.Levels import LEVELS, levelIndex
from CervicalSpineDetectionLib.Spine.Vertebra import Bounds, OrientedBox, Vertebra

# Slices this near to the vertebra's middle cross the canal, which parts the body from the arch.
BODY_HALF_WIDTH_MM = 8
# The atlas' lateral masses are half as deep as its ring: slices less deep than the first don't cross the ring, those
# deeper than the second do.
MASS_DEPTH, RING_DEPTH = 0.6, 0.8
VOID_HU = -1020  # below any real air: outside of the reconstruction or masked
FACE_MM = 3
# Widths in mm over the transverse processes, C1 to T4, means of the phantom (see ``Phantom.Morphometry``).
WIDTH_MM = np.array([79.9, 56.8, 58.5, 59.5, 61.3, 63.1, 68.5, 78.3, 71.7, 66.2, 66.5])
WIDTH_TOLERANCE = 1.25
# Whole vertebrae were seen with an evidence of 8 to 40 (development set and phantoms), phantasms with 4 at most.
DOUBTFUL_EVIDENCE, DOUBTFUL_EVIDENCE_WIDTH = 5.0, 0.7
# In 60 phantoms 99 of 100 bodies, all of them right, were moved by less than 2.3 mm and none by more than 3.0 mm; the
# one wrong body of the development set was moved by 3.1 mm.
DOUBTFUL_MOVE_MM, DOUBTFUL_MOVE_WIDTH_MM = 3.0, 0.3
# A box turned further than this can't be told from its axis-aligned bounds.
MAXIMUM_TILT = np.deg2rad(30)


def boundsOf(track, volume):
    """Bounds of a track in LPS mm."""
    first, last = track.extent()
    corners = volume.toLps([first, last])
    return Bounds(corners.min(axis=0), corners.max(axis=0))


def centreOf(candidate, level, volume):
    """Centre of the vertebral body, LPS mm.

    :param candidate: Candidate; where its body was not seen the centre is estimated from the vertebra's box.
    :param level: its name.
    :return: shape (3,).
    """
    track, body = candidate.track, candidate.body
    halfWidth = BODY_HALF_WIDTH_MM / volume.sliceSpacing
    if level == "C1":  # no body: the middle between the arches
        return volume.toLps(_ringMiddle(track))
    if body is not None:
        return volume.toLps(body.middle(halfWidth))
    whole = track.middle(halfWidth)
    near = np.abs(track.slices - whole[0]) <= halfWidth
    near = near if near.any() else np.ones(len(track.slices), bool)
    columns, rows = np.median(track.boxes[near][:, [0, 2]], axis=0), np.median(track.boxes[near][:, [1, 3]], axis=0)
    # Without a body box: a body is about 16 mm deep and stands at the top of the vertebra's box; the axis' below.
    depth = min(8.0 / volume.pixelSize, (columns[1] - columns[0]) / 2)
    height = (0.65 if level == "C2" else 0.4) * (rows[1] - rows[0])
    return volume.toLps([whole[0], rows[0] + height, columns[0] + depth])


def _ringMiddle(track):
    """Middle of the atlas, continuous (slice, row, column): its boxes are deepest where they span both arches."""
    depths = track.boxes[:, 2] - track.boxes[:, 0]
    depths = depths / np.quantile(depths, 0.9)
    deep = track.boxes[depths >= RING_DEPTH]
    column, row = np.median(deep[:, :2] + deep[:, 2:] - 1, axis=0) / 2
    # No step where a slice is a little deeper or less deep: the middle would jump by half a slice.
    weights = np.clip((depths - MASS_DEPTH) / (RING_DEPTH - MASS_DEPTH), 0, 1)
    return np.array([np.average(track.slices, weights=weights), row, column])


def orientedBoxes(levels, centres, boundsList):
    """Boxes that follow the spine's curve.

    The tangent of the curve through the bodies gives the superior axis (C1, which has none, goes with C2). The sizes
    are those of the bounds: the spinous process drops while the body tilts, so a turned vertebra is about as high along
    its own axis as along the patient's, and a flatter box would leave parts of it outside.

    :param levels: n names in cranio-caudal order.
    :param centres: n of shape (3,), LPS mm.
    :param boundsList: n Bounds.
    :return: list of n OrientedBox.
    """
    curve = [centre for level, centre in zip(levels, centres, strict=True) if level != "C1"]
    boxes = []
    for i, bounds in enumerate(boundsList):
        k = max(i - (len(levels) - len(curve)), 0)
        tangent = curve[max(k - 1, 0)] - curve[min(k + 1, len(curve) - 1)] if len(curve) > 1 else np.array([0.0, 0, 1])
        boxes.append(OrientedBox(bounds.centre, bounds.size, _axesAlong(tangent)))
    return boxes


def _axesAlong(tangent):
    """Rows left, posterior, superior for a superior direction, turned by at most ``MAXIMUM_TILT``."""
    superior = tangent / max(np.linalg.norm(tangent), 1e-9)
    across = np.hypot(superior[0], superior[1])
    tilt = np.arctan2(across, superior[2])
    if tilt > MAXIMUM_TILT:
        superior = np.array([*(superior[:2] / across * np.sin(MAXIMUM_TILT)), np.cos(MAXIMUM_TILT)])
    left = np.array([1.0, 0, 0]) - superior[0] * superior
    left /= np.linalg.norm(left)
    return np.array([left, np.cross(superior, left), superior])


def isComplete(bounds, volume):
    """False where one of the box's faces looks at no image data."""
    corners = np.sort(volume.fromLps([bounds.minimum, bounds.maximum]), axis=0)
    first, last = np.rint(corners[0]).astype(int), np.rint(corners[1]).astype(int)
    steps = np.ceil(FACE_MM / np.array([volume.sliceSpacing, volume.pixelSize, volume.pixelSize])).astype(int)
    for axis in range(3):
        for start, end in ((first[axis] - steps[axis], first[axis]), (last[axis] + 1, last[axis] + 1 + steps[axis])):
            if start < 0 or end > volume.voxels.shape[axis]:
                return False
            slab = [slice(max(a, 0), b + 1) for a, b in zip(first, last, strict=True)]
            slab[axis] = slice(start, end)
            voxels, inside = volume.voxels[tuple(slab)], volume.inside[tuple(slab)]
            if np.mean(~inside | (voxels <= VOID_HU)) > 0.5:
                return False
    return True


def withMissingLevels(vertebrae):
    """Fill single gaps in the chain by interpolation, marked as inferred.

    :param vertebrae: list of (levelIndex, confidence, centre, Bounds, detected) in cranio-caudal order.
    :return: the same with the missed levels between.
    """
    filled = list(vertebrae[:1])
    for lower in vertebrae[1:]:
        upper = filled[-1]
        missing = lower[0] - upper[0] - 1
        for step in range(1, missing + 1):
            t = step / (missing + 1)
            minimum, maximum = ((1 - t) * getattr(upper[3], edge) + t * getattr(lower[3], edge)
                                for edge in ("minimum", "maximum"))
            filled.append((upper[0] + step, 0.5 * min(upper[1], lower[1]), (1 - t) * upper[2] + t * lower[2],
                           Bounds(minimum, maximum), False))
        filled.append(lower)
    return filled


def _exactnessOf(body, level):
    if body is None or body.evidence < SURE_BODY_EVIDENCE:
        return UNSEEN_MM
    return SEEN_AXIS_MM if LEVELS[level] == "C2" else SEEN_MM


def withEvenSpacing(found, exactness):
    """Centres moved to their most probable places along the spine; where that is far, the confidence falls.

    Bodies that were hardly seen are also put into line, from left to right, with those that were.

    :param found: list of (levelIndex, confidence, centre, Bounds, detected) in cranio-caudal order.
    :param exactness: levelIndex -> how exactly (mm) the place along the spine is known.
    :return: the same with new centres and confidences. C1, which has no body, stays.
    """
    bodies = [entry for entry in found if entry[0] > 0]
    exact = np.array([exactness[level] for level, *_ in bodies])
    places = np.array([entry[2] for entry in bodies]).reshape(-1, 3)
    seen = exact < UNSEEN_MM
    if seen.sum() > 1:
        places[~seen, 0] = lineThrough(places, seen)[~seen, 0]
    centres, moves = evenedCentres([level for level, *_ in bodies], places, exact)
    moved = [(level, confidence * placeConfidence(move * SEEN_MM / max(own, SEEN_MM)), centre, bounds, detected)
             for (level, confidence, _, bounds, detected), centre, move, own
             in zip(bodies, centres, moves, exact, strict=True)]
    return [entry for entry in found if entry[0] == 0] + moved


def seenConfidence(evidence):
    """Probability that what was seen is a vertebra at all, by the sum of the best class scores over its slices."""
    return float(1 / (1 + np.exp((DOUBTFUL_EVIDENCE - evidence) / DOUBTFUL_EVIDENCE_WIDTH)))


def placeConfidence(move):
    """Probability that a body is where it was found, by how far (mm) its place had to be moved along the spine."""
    return float(1 / (1 + np.exp((move - DOUBTFUL_MOVE_MM) / DOUBTFUL_MOVE_WIDTH_MM)))


def withPlausibleWidths(found):
    """Mend sides that were lost or ran into a neighbour.

    The half widths of all vertebrae, to both sides of their centres, give the person's scale; a half width further off
    than ``WIDTH_TOLERANCE`` times is replaced by what the scale and the level say.

    :param found: list of (levelIndex, confidence, centre, Bounds, detected).
    :return: the same with new bounds.
    """
    usual = np.array([WIDTH_MM[level] / 2 for level, *_ in found])
    halves = np.array([[centre[0] - bounds.minimum[0], bounds.maximum[0] - centre[0]]
                       for _, _, centre, bounds, _ in found]).reshape(-1, 2)
    expected = np.median(halves / usual[:, None]) * usual if len(found) else usual
    mended = []
    for (level, confidence, centre, bounds, detected), half, wanted in zip(found, halves, expected, strict=True):
        off = (half > WIDTH_TOLERANCE * wanted) | (half < wanted / WIDTH_TOLERANCE)
        right, left = np.where(off, wanted, half)
        bounds = Bounds(np.array([centre[0] - right, *bounds.minimum[1:]]),
                        np.array([centre[0] + left, *bounds.maximum[1:]]))
        mended.append((level, confidence, centre, bounds, detected))
    return mended


def vertebraeFrom(links, candidates, volume, confirmed=()):
    """All vertebrae of a chain, thoracic ones included.

    :param links: list of LevelChain.Link.
    :param candidates: the candidates they index.
    :param confirmed: list of Vertebra that stay as they are; levels missing between them and the others are filled.
    :return: list of Vertebra in cranio-caudal order.
    """
    found = [
        (link.level, link.confidence * seenConfidence(candidate.track.evidence),
         centreOf(candidate, LEVELS[link.level], volume), boundsOf(candidate.track, volume), True)
        for link, candidate in ((link, candidates[link.candidate]) for link in links)
    ]
    settled = {levelIndex(v.level): (levelIndex(v.level), v.confidence, v.centre, v.bounds, True) for v in confirmed}
    exactness = {link.level: _exactnessOf(candidates[link.candidate].body, link.level) for link in links}
    exactness.update(dict.fromkeys(settled, SETTLED_MM))
    found = withEvenSpacing(sorted([*found, *settled.values()], key=lambda entry: entry[0]), exactness)
    found = withMissingLevels(withPlausibleWidths(found))
    boxes = orientedBoxes([LEVELS[level] for level, *_ in found], [centre for _, _, centre, _, _ in found],
                          [bounds for _, _, _, bounds, _ in found])
    detected = [
        Vertebra(LEVELS[level], confidence, centre, bounds, box, inferred=not detected,
                 complete=isComplete(bounds, volume))
        for (level, confidence, centre, bounds, detected), box in zip(found, boxes, strict=True)
        if level not in settled
    ]
    return sorted([*detected, *confirmed], key=lambda vertebra: levelIndex(vertebra.level))
