"""Boxes of all slices -> vertebrae, and all that was thought on the way."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from CervicalSpineDetectionLib.Fusion.BodySpacing import inLine
from CervicalSpineDetectionLib.Fusion.Candidates import Candidate, absorbParts, candidatesOf
from CervicalSpineDetectionLib.Fusion.LevelChain import assignLevels
from CervicalSpineDetectionLib.Fusion.Placement import NamedCandidate, centreOf, vertebraeFrom
from CervicalSpineDetectionLib.Fusion.SliceBoxes import sliceBoxesOf
from CervicalSpineDetectionLib.Imaging.SagittalVolume import SagittalVolume
from CervicalSpineDetectionLib.SliceDetector.Detector import SliceDetections
from CervicalSpineDetectionLib.Spine.Arrays import Array
from CervicalSpineDetectionLib.Spine.Levels import LEVELS, Level
from CervicalSpineDetectionLib.Spine.Morphometry import SAME_VERTEBRA_MM
from CervicalSpineDetectionLib.Spine.Vertebra import Vertebra


@dataclass(frozen=True)
class FusionResult:
    """What the fusion made of the boxes of a scan; training, evaluation and benchmark read it too.

    :param candidates: all that may be a vertebra, in cranio-caudal order, as they were before they got their levels;
        each holds its tracks.
    :param links: the candidates that got a level, grown by their parts, in cranio-caudal order.
    :param leftOvers: the candidates that got none and are part of none.
    :param vertebrae: in cranio-caudal order, thoracic, inferred and settled ones included.
    :param levelSeconds: how long the level chain took.
    """

    candidates: list[Candidate]
    links: list[NamedCandidate]
    leftOvers: list[Candidate]
    vertebrae: list[Vertebra]
    levelSeconds: float = 0.0


@dataclass(frozen=True)
class _ChainEntry:
    """One vertebra, or what may be one, in the order of the chain.

    :param centre: shape (3,), LPS mm.
    :param candidate: None for a vertebra that a person settled.
    :param settled: its level then.
    """

    centre: Array
    candidate: Candidate | None
    settled: Level | None = None

    @property
    def scores(self) -> Array:
        """Class scores times the slices' distance, shape (slices, levels), mm."""
        if self.candidate is None:
            return np.eye(len(LEVELS))[[LEVELS.index(self.settled)]]
        return self.candidate.track.scores * self.candidate.track.sliceSpacing

    @property
    def withBody(self) -> bool:
        return self.candidate is None or self.candidate.body is not None


def fuse(detections: Sequence[SliceDetections], volume: SagittalVolume,
         confirmed: Sequence[Vertebra] = ()) -> FusionResult:
    """Boxes of all slices -> vertebrae.

    :param detections: one a slice of the volume.
    :param volume: the slices' grid and voxels.
    :param confirmed: vertebrae settled by a person (LPS mm); what was seen in their place is dropped.
    """
    candidates = candidatesOf(sliceBoxesOf(detections, volume.pixelSize), volume.sliceSpacing)
    return fuseCandidates(candidates, volume, confirmed)


def fuseCandidates(candidates: Sequence[Candidate], volume: SagittalVolume,
                   confirmed: Sequence[Vertebra] = ()) -> FusionResult:
    """As ``fuse``, from candidates in any order."""
    chain = _chainOf(candidates, volume, confirmed)
    settled = [entry.settled.order if entry.settled else None for entry in chain]
    started = time.perf_counter()
    links = assignLevels(np.array([entry.centre for entry in chain]).reshape(-1, 3), [entry.scores for entry in chain],
                         [entry.withBody for entry in chain], settled)
    levelSeconds = time.perf_counter() - started
    links = [link for link in links if chain[link.candidate].candidate and link.level not in settled]
    linked = {link.candidate for link in links}
    grown, left = absorbParts(
        [entry.candidate for index, entry in enumerate(chain) if entry.candidate and index in linked],
        [entry.candidate for index, entry in enumerate(chain) if entry.candidate and index not in linked])
    named = [NamedCandidate(candidate, LEVELS[link.level], link.confidence)
             for candidate, link in zip(grown, links, strict=True)]
    return FusionResult([entry.candidate for entry in chain if entry.candidate], named, left,
                        vertebraeFrom(named, volume, confirmed), levelSeconds)


def fuseAt(detections: Sequence[SliceDetections], volume: SagittalVolume,
           vertebrae: Sequence[Vertebra]) -> FusionResult:
    """What was seen of vertebrae whose places and levels are known; the nearest pairs first.

    :param vertebrae: LPS mm, each level once.
    :return: FusionResult whose links are what was seen in the vertebrae's places, whose vertebrae are those given.
    """
    candidates = candidatesOf(sliceBoxesOf(detections, volume.pixelSize), volume.sliceSpacing)
    pairs = sorted(
        (float(np.linalg.norm(centreOf(candidate, vertebra.level, volume) - vertebra.centre)), v, c)
        for v, vertebra in enumerate(vertebrae) for c, candidate in enumerate(candidates)
    )
    seen: dict[int, int] = {}
    for distance, v, c in pairs:
        if distance <= SAME_VERTEBRA_MM and v not in seen and c not in seen.values():
            seen[v] = c
    grown, left = absorbParts([candidates[seen[v]] for v in sorted(seen)],
                              [candidate for c, candidate in enumerate(candidates) if c not in seen.values()])
    links = [NamedCandidate(candidate, vertebrae[v].level, vertebrae[v].confidence)
             for v, candidate in zip(sorted(seen), grown, strict=True)]
    return FusionResult(candidates, links, left, list(vertebrae))


def _chainOf(candidates: Sequence[Candidate], volume: SagittalVolume,
             confirmed: Sequence[Vertebra]) -> list[_ChainEntry]:
    """Candidates and settled vertebrae from the head down; a candidate in the place of a settled one is dropped."""
    centres = np.array([centreOf(candidate, candidate.likelyLevel, volume) for candidate in candidates]).reshape(-1, 3)
    # What is a part of an arch only, behind the bodies, would seem to be a level away from the one beside it.
    seen = np.array([candidate.body is not None for candidate in candidates], bool)
    belowAtlas = np.array([candidate.likelyLevel != Level.C1 for candidate in candidates], bool)
    centres = inLine(centres, seen & belowAtlas, ~seen & belowAtlas)
    entries = [_ChainEntry(centre, candidate) for centre, candidate in zip(centres, candidates, strict=True)
               if all(np.linalg.norm(centre - other.centre) > SAME_VERTEBRA_MM for other in confirmed)]
    entries += [_ChainEntry(vertebra.centre, None, vertebra.level) for vertebra in confirmed]
    return sorted(entries, key=lambda entry: float(-entry.centre[2]))
