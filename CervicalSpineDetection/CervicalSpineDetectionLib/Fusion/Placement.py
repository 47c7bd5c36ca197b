"""Candidates with levels -> vertebrae: centres, bounds, boxes along the spine's curve, what is missing or cut."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from CervicalSpineDetectionLib.Fusion import Settings
from CervicalSpineDetectionLib.Fusion.BodySpacing import evenedCentres, lineThrough
from CervicalSpineDetectionLib.Fusion.Candidates import Candidate
from CervicalSpineDetectionLib.Fusion.Tracks import Track
from CervicalSpineDetectionLib.Imaging.SagittalVolume import VOID_HU, SagittalVolume
from CervicalSpineDetectionLib.Spine.Arrays import Array
from CervicalSpineDetectionLib.Spine.Boxes import Bounds
from CervicalSpineDetectionLib.Spine.Levels import SPINE_LEVELS, Level
from CervicalSpineDetectionLib.Spine.Morphometry import (
    BODY_HALF_WIDTH_MM,
    expectedDistances,
    expectedHalfWidths,
    usualDistances,
)
from CervicalSpineDetectionLib.Spine.OrientedBoxes import orientedBoxes
from CervicalSpineDetectionLib.Spine.Vertebra import Vertebra


@dataclass(frozen=True)
class NamedCandidate:
    """A candidate that got a level.

    :param candidate: all that was seen of it.
    :param level: its level.
    :param confidence: marginal probability of the level, given all candidates.
    """

    candidate: Candidate
    level: Level
    confidence: float


@dataclass(frozen=True)
class Place:
    """Where a vertebra is taken to be, on its way to a Vertebra; LPS mm.

    :param level: its level.
    :param confidence: 0 to 1.
    :param centre: shape (3,), of the body.
    :param bounds: box of the whole vertebra.
    :param exactness: how exactly (mm) the place along the spine is known.
    :param inferred: placed between its neighbours.
    :param isBodySeen: something was seen of its body (C1: of its anterior arch), or a person placed it.
    :param moved: how far (mm) its centre was moved to stand evenly, in units of how exactly a seen body is placed.
    """

    level: Level
    confidence: float
    centre: Array
    bounds: Bounds
    exactness: float = Settings.UNSEEN_MM
    inferred: bool = False
    isBodySeen: bool = True
    moved: float = 0.0


def boundsOf(track: Track, volume: SagittalVolume) -> Bounds:
    """Bounds of a track in LPS mm."""
    corners = volume.offsetToLps(np.array(track.extent()))
    return Bounds(corners.min(axis=0) - Settings.FACE_INSIDE_MM, corners.max(axis=0) + Settings.FACE_INSIDE_MM)


def centreOf(candidate: Candidate, level: str, volume: SagittalVolume) -> Array:
    """Centre of the vertebral body, LPS mm.

    :param candidate: where its body was not seen the centre is estimated from the vertebra's box.
    :param level: its name.
    :return: shape (3,).
    """
    track, body = candidate.track, candidate.body
    if level == Level.C1:  # no body: the middle between the arches
        return volume.offsetToLps(_ringMiddle(track))
    if body is not None:
        return volume.offsetToLps(body.middle(BODY_HALF_WIDTH_MM))
    x = track.middle(BODY_HALF_WIDTH_MM)[0]
    front, top, back, bottom = np.median(track.boxes[track.near(x, BODY_HALF_WIDTH_MM)], axis=0)
    depth = min(Settings.BODY_HALF_DEPTH_MM, (back - front) / 2)
    height = (Settings.AXIS_BODY_MIDDLE if level == Level.C2 else Settings.BODY_MIDDLE) * (bottom - top)
    return volume.offsetToLps(np.array([x, top + height, front + depth]))


def atlasLean(candidate: Candidate) -> float | None:
    """Radians that the ring of the atlas leans forward: its anterior arch, which stands where the body would be, lies
    as far below the middle of the ring as its posterior arch lies above.

    :param candidate: the atlas'.
    :return: None where the anterior arch was not seen.
    """
    if candidate.body is None:
        return None
    front, top, back, bottom = np.median(_acrossTheRing(candidate.track), axis=0)
    archFront, archTop, archBack, archBottom = np.median(candidate.body.boxes, axis=0)
    distance = (back - front) - (archBack - archFront)  # of the arches' middles
    return float(np.arctan2(archTop + archBottom - top - bottom, distance)) if distance > 0 else None


def _ringMiddle(track: Track) -> Array:
    """Middle of the atlas, mm as in ``Track.extent``."""
    deep = _acrossTheRing(track)
    column, row = np.median(deep[:, :2] + deep[:, 2:], axis=0) / 2
    # No step where a slice is a little deeper or less deep: the middle would jump by half a slice.
    weights = np.clip((_ringDepths(track) - Settings.MASS_DEPTH) / (Settings.RING_DEPTH - Settings.MASS_DEPTH), 0, 1)
    return np.array([np.average(track.slices * track.sliceSpacing, weights=weights), row, column])


def _acrossTheRing(track: Track) -> Array:
    """The atlas' boxes that span both arches: they are the deepest."""
    return np.asarray(track.boxes[_ringDepths(track) >= Settings.RING_DEPTH])


def _ringDepths(track: Track) -> Array:
    """Depths of the atlas' boxes, in parts of the ring's."""
    depths = track.boxes[:, 2] - track.boxes[:, 0]
    return np.asarray(depths / np.quantile(depths, Settings.RING_QUANTILE))


def isComplete(bounds: Bounds, volume: SagittalVolume) -> bool:
    """False where one of the box's faces looks at no image data."""
    return bool(facesInView(bounds, volume).all())


def facesInView(bounds: Bounds, volume: SagittalVolume) -> Array:
    """Whether each of a box's faces looks at image data, so that the box is not cut there.

    :return: bool, shape (3, 2): right and left, upper and lower, front and back.
    """
    return _inView(bounds, volume, range(3))


def _inView(bounds: Bounds, volume: SagittalVolume, axes: Sequence[int]) -> Array:
    """The same of some axes of the volume's voxels, shape (axes, 2)."""
    corners = np.rint(np.sort(volume.fromLps(np.array([bounds.minimum, bounds.maximum])), axis=0)).astype(int)
    ends = list(zip(*corners.tolist(), strict=True))
    within = [slice(max(first, 0), last + 1) for first, last in ends]
    inView = np.zeros((len(axes), 2), bool)
    for seenThere, axis in zip(inView, axes, strict=True):
        step = int(np.ceil(Settings.FACE_MM / volume.spacing[axis]))
        first, last = ends[axis]
        for side, (start, end) in enumerate(((first - step, first), (last + 1, last + 1 + step))):
            if start < 0 or end > volume.voxels.shape[axis]:
                continue
            slab = (*within[:axis], slice(start, end), *within[axis + 1 :])
            seen = volume.inside[slab] & (volume.voxels[slab] > VOID_HU)
            seenThere[side] = 0 < seen.size and seen.size - np.count_nonzero(seen) <= Settings.VOID_SHARE * seen.size
    return inView


def withMissingLevels(places: Sequence[Place]) -> list[Place]:
    """Fill single gaps in the chain by interpolation, marked as inferred.

    :param places: in cranio-caudal order.
    :return: the same with the missed levels between.
    """
    filled = list(places[:1])
    for lower in places[1:]:
        upper = filled[-1]
        missing = lower.level.order - upper.level.order - 1
        for step in range(1, missing + 1):
            t = step / (missing + 1)
            bounds = Bounds((1 - t) * upper.bounds.minimum + t * lower.bounds.minimum,
                            (1 - t) * upper.bounds.maximum + t * lower.bounds.maximum)
            filled.append(Place(SPINE_LEVELS[upper.level.order + step],
                                min(upper.confidence, lower.confidence),
                                (1 - t) * upper.centre + t * lower.centre, bounds, inferred=True))
        filled.append(lower)
    return filled


def withEvenSpacing(places: Sequence[Place]) -> list[Place]:
    """Centres moved to their most probable places along the spine.

    Bodies that were hardly seen are also put into line, from left to right, with those that were.

    :param places: in cranio-caudal order.
    :return: the same with new centres, and how far they moved. C1, which has no body, stays.
    """
    bodies = [place for place in places if place.level != Level.C1]
    exactness = np.array([place.exactness for place in bodies])
    before = np.array([place.centre for place in bodies]).reshape(-1, 3)
    seen = exactness < Settings.UNSEEN_MM
    if seen.sum() > 1:
        before[~seen, 0] = lineThrough(before, seen)[~seen, 0]
    centres, moves = evenedCentres([place.level.order for place in bodies], before, exactness)
    # What was only guessed may move as far as the guess is inexact.
    inexactness = np.maximum(exactness, Settings.SEEN_MM) / Settings.SEEN_MM
    moved = [replace(place, centre=centre, moved=float(move))
             for place, centre, move in zip(bodies, centres, moves / inexactness, strict=True)]
    return [place for place in places if place.level == Level.C1] + moved


def withPlausibleWidths(places: Sequence[Place], isWhole: Array) -> list[Place]:
    """Mend sides that were lost or ran into a neighbour.

    The half widths of all vertebrae, to both sides of their centres, give the person's scale, but for those that the
    image cuts; a half width further off than ``WIDTH_TOLERANCE`` times is replaced by what the scale and the level say.

    :param isWhole: bool, shape (n, 2), whether the image shows where each of them ends to the right and left.
    :return: the same with new bounds.
    """
    halves = np.array([[place.centre[0] - place.bounds.minimum[0], place.bounds.maximum[0] - place.centre[0]]
                       for place in places]).reshape(-1, 2)
    expected = expectedHalfWidths([place.level.order for place in places], halves, isWhole)
    mended = []
    for place, half, wanted in zip(places, halves, expected, strict=True):
        off = (half > Settings.WIDTH_TOLERANCE * wanted) | (half < wanted / Settings.WIDTH_TOLERANCE)
        right, left = np.where(off, wanted, half)
        bounds = Bounds(np.array([place.centre[0] - right, *place.bounds.minimum[1:]]),
                        np.array([place.centre[0] + left, *place.bounds.maximum[1:]]))
        mended.append(replace(place, bounds=bounds))
    return mended


def _placeOf(named: NamedCandidate, volume: SagittalVolume) -> Place:
    candidate = named.candidate
    seen = candidate.body is not None and candidate.body.evidence >= Settings.SURE_BODY_EVIDENCE_MM
    exactness = Settings.SEEN_AXIS_MM if named.level == Level.C2 else Settings.SEEN_MM
    return Place(named.level, named.confidence, centreOf(candidate, named.level, volume),
                 boundsOf(candidate.track, volume), exactness if seen else Settings.UNSEEN_MM,
                 isBodySeen=candidate.body is not None)


def doubtsOf(places: Sequence[Place], certainty: float, cut: Array | None = None) -> list[str]:
    """Why each vertebra is doubtful, empty where nothing speaks against it.

    :param places: in cranio-caudal order.
    :param certainty: a name below this probability is doubtful.
    :param cut: bool, shape (n, 2), whether the image cuts each of them above, and below; None: none of them.
    """
    cut = np.zeros((len(places), 2), bool) if cut is None else cut
    doubts = [_ownDoubts(place, certainty, bool(own.any())) for place, own in zip(places, cut, strict=True)]
    levels = [place.level.order for place in places]
    distances = np.array([np.linalg.norm(lower.centre - upper.centre)
                          for upper, lower in zip(places, places[1:], strict=False)])
    if not _arePersons(levels, distances, ~cut[:-1, 0] & ~cut[1:, 1]):
        for own in doubts:
            own.append("distances unlike a person's")
    expected = expectedDistances(levels, distances) if len(distances) else distances
    for upper, (distance, usual) in enumerate(zip(distances, expected, strict=True)):
        for one, other in ((upper, upper + 1), (upper + 1, upper)):
            # What is left of a cut one lies between its neighbour's processes. Nothing tells which of two whole ones
            # has the wrong box.
            if not cut[one].any() and _sharedPart(places[one].bounds, places[other].bounds) > Settings.ENGULFED_SHARE:
                doubts[one].append(f"inside the box of {places[other].level}")
                doubts[other].append(f"its box holds that of {places[one].level}")
        nearest = Settings.NEAREST_TO_RING if places[upper].level == Level.C1 else Settings.NEAREST_NEIGHBOUR
        if nearest * usual < distance < Settings.FURTHEST_NEIGHBOUR * usual:
            continue
        # Where one of the two is uncertain anyway, or a part at the image's edge, whose centre is a guess, the distance
        # speaks against that one.
        pair = np.array([upper, upper + 1])
        isBlamed = np.array([places[one].confidence < certainty for one in pair]) | cut[pair, [0, 1]]
        for one, other in zip(pair, pair[::-1], strict=True):
            if isBlamed[one - upper] or not isBlamed.any():
                doubts[one].append(f"unusual distance from {places[other].level}")
    return ["; ".join(own) for own in doubts]


def _ownDoubts(place: Place, certainty: float, isCut: bool) -> list[str]:
    """Of one vertebra by itself. :param isCut: by the image, above or below."""
    own = []
    if place.confidence < certainty:
        own.append("level uncertain")
    if place.moved > Settings.DOUBTFUL_MOVE_MM:
        own.append("position uncertain")
    inside = np.minimum(place.centre - place.bounds.minimum, place.bounds.maximum - place.centre)
    if inside.min() < 0:
        own.append("center outside its own box")
    elif inside.min() < Settings.LEAST_INSIDE_MM and place.exactness < Settings.UNSEEN_MM:
        own.append("center at the edge of its own box")
    if isCut and not place.isBodySeen:
        own.append("body out of view")
    return own


def _arePersons(levels: Sequence[int], distances: Array, isKnown: Array) -> bool:
    """False where neighbours are so near to or far from each other that no person is of that size.

    :param levels: n rising ``Level.order``.
    :param distances: shape (n - 1,), mm. :param isKnown: bool, the same, which of them tell.
    """
    sizes = (distances / usualDistances(levels))[isKnown]
    return len(sizes) < Settings.FEWEST_DISTANCES or bool(
        Settings.SCALES[0] <= np.median(sizes) <= Settings.SCALES[-1])


def _sharedPart(bounds: Bounds, other: Bounds) -> float:
    """How much of a box lies in another one, 0 to 1."""
    shared = np.minimum(bounds.maximum, other.maximum) - np.maximum(bounds.minimum, other.minimum)
    return float(np.prod(np.maximum(shared, 0)) / max(np.prod(bounds.size), 1e-9))


def vertebraeFrom(named: Sequence[NamedCandidate], volume: SagittalVolume, confirmed: Sequence[Vertebra] = (),
                  certainty: float = 0.5) -> list[Vertebra]:
    """All vertebrae of a chain, thoracic ones included.

    :param named: in cranio-caudal order.
    :param confirmed: vertebrae that stay as they are; levels missing between them and the others are filled.
    :param certainty: a name below this probability is doubtful.
    :return: list of Vertebra in cranio-caudal order.
    """
    settled = {vertebra.level for vertebra in confirmed}
    found = [_placeOf(candidate, volume) for candidate in named]
    found += [Place(vertebra.level, vertebra.confidence, vertebra.centre, vertebra.bounds, Settings.SETTLED_MM)
              for vertebra in confirmed]
    places = withEvenSpacing(sorted(found, key=lambda place: place.level.order))
    isWhole = np.array([_inView(place.bounds, volume, [0]) for place in places], bool).reshape(-1, 2)
    places = withMissingLevels(withPlausibleWidths(places, isWhole))
    lean = next((atlasLean(one.candidate) for one in named if one.level == Level.C1), None)
    boxes = orientedBoxes([place.level for place in places], [place.centre for place in places],
                          [place.bounds for place in places], lean)
    faces = [facesInView(place.bounds, volume) for place in places]
    doubts = doubtsOf(places, certainty, ~np.array([inView[1] for inView in faces], bool).reshape(-1, 2))
    detected = [
        Vertebra(place.level, place.confidence, place.centre, place.bounds, box, inferred=place.inferred,
                 complete=bool(inView.all()), doubt=doubt)
        for place, box, inView, doubt in zip(places, boxes, faces, doubts, strict=True)
        if place.level not in settled
    ]
    return sorted([*detected, *confirmed], key=lambda vertebra: vertebra.level.order)
