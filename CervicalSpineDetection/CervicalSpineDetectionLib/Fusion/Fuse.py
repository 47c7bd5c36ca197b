"""Boxes of all slices -> vertebrae, and all that was thought on the way."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from CervicalSpineDetectionLib.Fusion import Settings
from CervicalSpineDetectionLib.Fusion.Airway import airwayDoubt
from CervicalSpineDetectionLib.Fusion.BodySpacing import inLine
from CervicalSpineDetectionLib.Fusion.Candidates import Candidate, absorbParts, candidatesOf
from CervicalSpineDetectionLib.Fusion.LevelChain import LevelPosterior, Sighting, levelPosterior
from CervicalSpineDetectionLib.Fusion.LevelModel import LevelModel
from CervicalSpineDetectionLib.Fusion.Placement import NamedCandidate, centreOf, vertebraeFrom
from CervicalSpineDetectionLib.Fusion.SagittalPlane import orientationDoubt
from CervicalSpineDetectionLib.Fusion.SliceBoxes import sliceBoxesOf
from CervicalSpineDetectionLib.Imaging.SagittalVolume import SagittalVolume
from CervicalSpineDetectionLib.SliceDetector.Detector import SliceDetections
from CervicalSpineDetectionLib.Spine.Arrays import Array
from CervicalSpineDetectionLib.Spine.Levels import LEVELS, SPINE_LEVELS, Level
from CervicalSpineDetectionLib.Spine.Morphometry import SAME_VERTEBRA_MM
from CervicalSpineDetectionLib.Spine.Vertebra import NameBasis, Vertebra

# Levels that are unlike their neighbours, as a reader calls them: the ring, the dens, the ribs.
ANCHORS = {Level.C1: "C1", Level.C2: "C2", Level.T1: "first ribs"}


@dataclass(frozen=True)
class FusionResult:
    """What the fusion made of the boxes of a scan; training, evaluation and benchmark read it too.

    :param candidates: all that may be a vertebra, in cranio-caudal order, as they were before they got their levels;
        each holds its tracks.
    :param links: the candidates that got a level down to T4, grown by their parts, in cranio-caudal order.
    :param lowerLinks: the same below T4.
    :param leftOvers: the candidates that got none and are part of none.
    :param vertebrae: in cranio-caudal order, thoracic, inferred and settled ones included.
    :param sightings: what the level chain was told, of the candidates and the settled vertebrae.
    :param basis: what the names rest on.
    :param orientationDoubt: why the image's axes can't be the patient's, or empty.
    :param levelSeconds: how long the level chain took.
    """

    candidates: list[Candidate]
    links: list[NamedCandidate]
    lowerLinks: list[NamedCandidate]
    leftOvers: list[Candidate]
    vertebrae: list[Vertebra]
    sightings: list[Sighting] = field(default_factory=list)
    basis: NameBasis = NameBasis()
    orientationDoubt: str = ""
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

    def sighting(self, volume: SagittalVolume) -> Sighting:
        """What the level chain is told of it."""
        if self.candidate is None:
            return Sighting(self.centre, np.ones(len(LEVELS) + 1), Settings.WHOLE_EVIDENCE_MM,
                            Settings.SURE_BODY_EVIDENCE_MM, 0.0, True, self.settled)
        track, body = self.candidate.track, self.candidate.body
        (_, _, front), (_, _, back) = track.extent()
        columns = volume.voxels.shape[2] * volume.pixelSize
        isCut = front < Settings.FACE_MM or back > columns - Settings.FACE_MM
        return Sighting(self.centre, track.classScores, track.evidence, 0.0 if body is None else body.evidence,
                        float(back - front), bool(isCut))


def fuse(detections: Sequence[SliceDetections], volume: SagittalVolume, confirmed: Sequence[Vertebra] = (),
         levelModel: LevelModel | None = None) -> FusionResult:
    """Boxes of all slices -> vertebrae.

    :param detections: one a slice of the volume.
    :param volume: the slices' grid and voxels.
    :param confirmed: vertebrae settled by a person (LPS mm); what was seen in their place is dropped.
    :param levelModel: how much the detector's opinion is worth; None for the defaults.
    """
    candidates = candidatesOf(sliceBoxesOf(detections, volume.pixelSize), volume.sliceSpacing)
    return fuseCandidates(candidates, volume, confirmed, levelModel)


def fuseCandidates(candidates: Sequence[Candidate], volume: SagittalVolume, confirmed: Sequence[Vertebra] = (),
                   levelModel: LevelModel | None = None) -> FusionResult:
    """As ``fuse``, from candidates in any order."""
    model = levelModel or LevelModel()
    chain = _chainOf(candidates, volume, confirmed)
    started = time.perf_counter()
    sightings = [entry.sighting(volume) for entry in chain]
    posterior = levelPosterior(sightings, model)
    settled = {entry.settled for entry in chain if entry.settled}
    names = {index: SPINE_LEVELS[order] for index, order in posterior.names()
             if chain[index].candidate and SPINE_LEVELS[order] not in settled}
    levelSeconds = time.perf_counter() - started
    grown, left = absorbParts(
        [entry.candidate for index, entry in enumerate(chain) if entry.candidate and index in names],
        [entry.candidate for index, entry in enumerate(chain) if entry.candidate and index not in names])
    named = [NamedCandidate(candidate, level, float(posterior.marginals[index, level.order]))
             for candidate, (index, level) in zip(grown, names.items(), strict=True)]
    links = [one for one in named if one.level in LEVELS]
    vertebrae = vertebraeFrom(links, volume, confirmed, model.certainty)
    # Where the centre of a part at the image's edge lies is a guess.
    sure = [vertebra for vertebra in vertebrae if not vertebra.doubt]
    placed = sure if len(sure) > 1 else vertebrae
    centres = np.array([vertebra.centre for vertebra in placed]).reshape(-1, 3)
    turned = orientationDoubt(volume, centres) or airwayDoubt(volume, centres)
    return doubted(FusionResult(
        [entry.candidate for entry in chain if entry.candidate], links,
        [one for one in named if one.level not in LEVELS], left, vertebrae, sightings,
        _basisOf(named, posterior, model), levelSeconds=levelSeconds), turned, confirmed)


def doubted(fused: FusionResult, doubt: str, confirmed: Sequence[Vertebra] = ()) -> FusionResult:
    """The same with one more doubt of the image's orientation, and so of all names that no person settled.

    :param doubt: empty for none.
    """
    if not doubt:
        return fused
    return replace(fused, vertebrae=withDoubt(fused.vertebrae, doubt, confirmed),
                   orientationDoubt="; ".join(filter(None, (fused.orientationDoubt, doubt))))


def withDoubt(vertebrae: Sequence[Vertebra], doubt: str, confirmed: Sequence[Vertebra] = ()) -> list[Vertebra]:
    """The same with one more doubt of each that no person settled."""
    return [vertebra if any(vertebra is one for one in confirmed) else replace(
        vertebra, doubt="; ".join(filter(None, (vertebra.doubt, doubt)))) for vertebra in vertebrae]


def _basisOf(named: Sequence[NamedCandidate], posterior: LevelPosterior, model: LevelModel) -> NameBasis:
    """Landmarks that the network itself recognised where the chain has them, and the likeliest other naming."""
    anchors = []
    for one in named:
        scores = one.candidate.track.classScores
        if one.level in ANCHORS and one.confidence >= model.certainty:
            if scores[one.level.order] >= Settings.ANCHOR_SHARE * scores.sum():
                anchors.append(ANCHORS[one.level])
    return NameBasis(tuple(anchors), *posterior.alternative())


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
    return FusionResult(candidates, links, [], left, list(vertebrae))


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
