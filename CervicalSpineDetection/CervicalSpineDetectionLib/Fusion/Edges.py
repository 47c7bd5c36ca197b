"""Named vertebrae with the faces that a second look finds; who they are, and where their bodies stand, stays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from CervicalSpineDetectionLib.Fusion import Settings
from CervicalSpineDetectionLib.Fusion.Candidates import Candidate
from CervicalSpineDetectionLib.Fusion.Fuse import FusionResult
from CervicalSpineDetectionLib.Fusion.Placement import NamedCandidate, vertebraeFrom
from CervicalSpineDetectionLib.Fusion.Sides import CoronalLook, sidesSeen
from CervicalSpineDetectionLib.Fusion.Solid import Solid, boxAround
from CervicalSpineDetectionLib.Fusion.Tracks import Track
from CervicalSpineDetectionLib.Imaging.SagittalVolume import SagittalVolume
from CervicalSpineDetectionLib.SliceDetector.SecondLook import AskedBoxes, SharpBoxes, Sharpener
from CervicalSpineDetectionLib.Spine.Arrays import Array
from CervicalSpineDetectionLib.Spine.Levels import CERVICAL_LEVELS, Level
from CervicalSpineDetectionLib.Spine.Vertebra import Vertebra


@dataclass(frozen=True)
class SecondSighting:
    """A named vertebra as the second look saw it.

    :param tells: shape (n,), bool, which of its track's slices were looked at. :param answer: of these.
    :param sides: shape (2,), where it ends to the right and left, mm across the slices; None where these slices are to
        tell it.
    """

    link: NamedCandidate
    tells: Array
    answer: SharpBoxes
    sides: Array | None = None

    @property
    def _track(self) -> Track:
        return self.link.candidate.track

    @property
    def track(self) -> Track:
        """With the boxes of the second look, and its own sides."""
        boxes, areas = self._track.boxes.copy(), np.full(len(self.tells), np.inf)
        boxes[self.tells], areas[self.tells] = self.answer.boxes, self.answer.areas
        places, spacing = self._track.slices * self._track.sliceSpacing, self._track.sliceSpacing
        sides = sidesFrom(places, areas, spacing) if self.sides is None else self.sides
        return replace(self._track, boxes=boxes, sides=sides)

    def withSides(self, sides: Array) -> SecondSighting:
        """With what coronal slices tell of its sides, not far from where the detector saw them; beyond that it is a
        neighbour's or a rib's.

        :param sides: shape (2,), mm as ``sides``.
        """
        seen = np.array([edge[0] for edge in self._track.extent()])
        return replace(self, sides=np.clip(sides, seen - Settings.MOST_SIDE_MOVE_MM, seen + Settings.MOST_SIDE_MOVE_MM))

    def solid(self, volume: SagittalVolume) -> Solid:
        """What it fills, from the slices that were looked at."""
        places = self._track.slices[self.tells] * self._track.sliceSpacing
        number, row, column = np.nonzero(self.answer.own)
        pixels, corners = self.answer.pixels[number], self.answer.corners[number]
        offsets = np.stack([places[number], corners[:, 1] + row * pixels, corners[:, 0] + column * pixels], axis=1)
        widths = np.gradient(places) if len(places) > 1 else np.full(len(places), self._track.sliceSpacing)
        cell = np.array([self._track.sliceSpacing, np.median(self.answer.pixels)])
        return Solid(volume.offsetToLps(offsets), pixels**2 * widths[number], cell)


def withEdges(fused: FusionResult, volume: SagittalVolume, sharpen: Sharpener,
              confirmed: Sequence[Vertebra] = (), coronal: CoronalLook | None = None) -> FusionResult:
    """The same vertebrae with better faces; their names, confidences and doubts stay.

    :param sharpen: by the CT that the volume was made of.
    :param confirmed: vertebrae that a person settled; they stay as they are.
    :param coronal: finds their sides; None: they are told from sagittal slices.
    """
    sightings = {one.link.level: one for one in secondSightings(fused, sharpen)}
    if not sightings:
        return fused
    solids = {level: sighting.solid(volume) for level, sighting in sightings.items()}
    if coronal:
        sides = sidesSeen(solids, coronal)
        sightings = {level: one.withSides(sides[level] - volume.origin[0]) if level in sides else one
                     for level, one in sightings.items()}
    links = [replace(link, candidate=Candidate(sightings[link.level].track, link.candidate.body))
             if link.level in sightings else link for link in fused.links]
    found = {vertebra.level: vertebra for vertebra in vertebraeFrom(links, volume, confirmed)}
    settled = {vertebra.level for vertebra in confirmed}
    return replace(fused, links=links, vertebrae=[
        before if before.level in settled else _withFaces(before, found[before.level], solids)
        for before in fused.vertebrae])


def secondSightings(fused: FusionResult, sharpen: Sharpener) -> list[SecondSighting]:
    """The second look at the cervical vertebrae, in cranio-caudal order."""
    tracks = [link.candidate.track for link in fused.links]
    telling = [_tellsFaces(link.candidate.track) & (link.level in CERVICAL_LEVELS) for link in fused.links]
    if not any(tells.any() for tells in telling):
        return []
    answer = sharpen(AskedBoxes(
        np.concatenate([track.slices for track in tracks]), np.concatenate([track.boxes for track in tracks]),
        np.zeros(sum(map(len, telling)), bool), np.flatnonzero(np.concatenate(telling))))
    sightings, start = [], 0
    for link, tells in zip(fused.links, telling, strict=True):
        if tells.any():
            rows = slice(start, start + int(tells.sum()))
            start = rows.stop
            sightings.append(SecondSighting(link, tells, answer.part(rows)))
    return sightings


def _tellsFaces(track: Track) -> Array:
    """Which of a track's slices the faces can depend on, shape (n,), bool: those where one of its edges is nearly the
    outermost, those beside them that have to agree, the last ones to each side; and some of the others."""
    reach = Settings.agreeingSlices(track.sliceSpacing)
    outward = track.boxes * [-1, -1, 1, 1]
    tells = (outward >= outward.max(axis=0) - Settings.NEARLY_OUTERMOST_MM).any(axis=1)
    # Of a track of fewer slices than these "same" would give more.
    tells = np.convolve(tells, np.ones(2 * reach + 1))[reach : reach + len(tells)] > 0
    tells[: Settings.END_SLICES] = tells[-Settings.END_SLICES :] = True
    tells[:: Settings.EVERY] = True
    return np.asarray(tells)


def sidesFrom(places: Array, areas: Array, sliceSpacing: float) -> Array | None:
    """Where a vertebra begins and ends across the slices: behind the outermost that show more than hardly anything.

    :param places: shape (n,), rising, mm.
    :param areas: shape (n,), of the vertebra in these slices, mm2; infinite in those that surely show it.
    :return: shape (2,), mm; None where none shows it.
    """
    shown = places[areas >= Settings.VANISHING_AREA_MM2]
    return np.array([shown[0] - sliceSpacing / 2, shown[-1] + sliceSpacing / 2]) if len(shown) else None


def _withFaces(before: Vertebra, found: Vertebra, solids: Mapping[Level, Solid]) -> Vertebra:
    """:param found: the same vertebra, placed by its better boxes."""
    box = found.orientedBox
    if before.level in solids:
        box = boxAround(solids[before.level], box)
    return replace(before, bounds=found.bounds, orientedBox=box)
