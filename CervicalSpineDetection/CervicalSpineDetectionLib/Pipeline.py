"""volume -> slices -> 2D boxes -> 3D tracks -> levels -> vertebrae."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

from CervicalSpineDetectionLib.Fusion.BodySpacing import inLine
from CervicalSpineDetectionLib.Fusion.Candidates import absorbParts, candidatesOf
from CervicalSpineDetectionLib.Fusion.LevelChain import assignLevels
from CervicalSpineDetectionLib.Fusion.Placement import centreOf, vertebraeFrom
from CervicalSpineDetectionLib.Imaging.SagittalVolume import correctHuOffset, resampleSagittal
from CervicalSpineDetectionLib.Imaging.Slices import windowed, withNeighbours
from CervicalSpineDetectionLib.Spine.Levels import CERVICAL_LEVELS, LEVELS, levelIndex
from CervicalSpineDetectionLib.Spine.Vertebra import UNCERTAIN_CONFIDENCE, DetectionResult

# Half the distance of neighbouring bodies: a centre this near to another is that of the same vertebra.
SAME_VERTEBRA_MM = 9.0


def detectVertebrae(image, detector, progress=None, confirmed=()):
    """Find and name the cervical vertebrae of a CT.

    :param image: 3D scalar sitk image in HU, any spacing and orientation.
    :param detector: a ``Detector.SliceDetector``.
    :param progress: called with (step, done, total).
    :param confirmed: Vertebra objects in the image's physical space (LPS mm) that a person settled: they are in the
        result as they are, anchor the levels of the others, and nothing is detected in their place.
    :return: DetectionResult in the image's physical space (LPS mm); empty where no cervical vertebra was found.
    :raises InputError: the image can't be used.
    """
    clock = _Clock()
    volume, slices, warning = slicesFor(image, detector)
    clock.lap("resample")
    detections = detector.detect(slices, progress)
    clock.lap("network")
    vertebrae = [vertebra for vertebra in fuse(detections, volume, confirmed)
                 if vertebra.level in CERVICAL_LEVELS or any(vertebra is other for other in confirmed)]
    warnings = [warning] if warning else []
    if vertebrae and max(vertebra.confidence for vertebra in vertebrae) < UNCERTAIN_CONFIDENCE and not confirmed:
        warnings.append(f"What was seen of {', '.join(vertebra.level for vertebra in vertebrae)} is too little to tell "
                        "it from other bone, so nothing is shown.")
        vertebrae = []
    clock.lap("fusion")
    return DetectionResult(
        vertebrae=vertebrae,
        warnings=warnings,
        image=imageGeometry(image),
        model=dict(detector.model),
        timings=clock.laps,
    )


def slicesFor(image, detector):
    """What a detector looks at.

    :return: (SagittalVolume, uint8 slices of shape (n, 3, rows, columns), warning or None).
    :raises InputError: the image can't be used.
    """
    image, warning = correctHuOffset(image)
    volume = resampleSagittal(image, detector.pixelSize, detector.sliceSpacing)
    return volume, withNeighbours(windowed(volume, detector.window)), warning


def imageGeometry(image):
    """What the result file says of an image: "size", "spacing" (mm), "origin" and "direction" (row-major), LPS."""
    return {"size": list(image.GetSize()), "spacing": list(image.GetSpacing()), "origin": list(image.GetOrigin()),
            "direction": list(image.GetDirection())}


def fuse(detections, volume, confirmed=()):
    """Boxes of all slices -> vertebrae, thoracic ones included.

    :param detections: list of SliceDetections, one a slice of the volume.
    :param volume: SagittalVolume.
    :param confirmed: list of Vertebra settled by a person.
    :return: list of Vertebra in cranio-caudal order.
    """
    candidates, links = chainOf(candidatesOf(detections), volume, confirmed)
    candidates, _ = absorbParts(candidates, [link.candidate for link in links])
    return vertebraeFrom(links, candidates, volume, confirmed)


def chainOf(candidates, volume, confirmed=()):
    """Settle the levels.

    :param confirmed: list of Vertebra whose place and level are settled; a candidate in the place of one is dropped.
    :return: (candidates in cranio-caudal order, list of LevelChain.Link).
    """
    likely = np.array([candidate.track.classScores.argmax() for candidate in candidates], int)
    centres = np.array([centreOf(candidate, LEVELS[level], volume)
                        for candidate, level in zip(candidates, likely, strict=True)]).reshape(-1, 3)
    # What is a part of an arch only, behind the bodies, would seem to be a level away from the one beside it.
    seen = np.array([candidate.body is not None for candidate in candidates], bool)
    centres = inLine(centres, seen & (likely > 0), ~seen & (likely > 0))
    free = [i for i, centre in enumerate(centres)
            if all(np.linalg.norm(centre - other.centre) > SAME_VERTEBRA_MM for other in confirmed)]
    places = np.concatenate([centres[free], np.reshape([vertebra.centre for vertebra in confirmed], (-1, 3))])
    order = np.argsort(-places[:, 2], kind="stable")
    candidates = [candidates[i] for i in free]
    scores = [candidate.track.scores for candidate in candidates]
    scores += [np.eye(len(LEVELS))[[levelIndex(vertebra.level)]] for vertebra in confirmed]
    withBody = [candidate.body is not None for candidate in candidates] + [True] * len(confirmed)
    settled = [None] * len(candidates) + [levelIndex(vertebra.level) for vertebra in confirmed]
    links = assignLevels(places[order], *([values[i] for i in order] for values in (scores, withBody, settled)))
    kept = [int(i) for i in order if i < len(candidates)]
    links = [replace(link, candidate=kept.index(order[link.candidate])) for link in links
             if order[link.candidate] < len(candidates) and link.level not in settled]
    return [candidates[i] for i in kept], links


class _Clock:
    def __init__(self):
        self.laps = {}
        self._last = time.perf_counter()

    def lap(self, step):
        now = time.perf_counter()
        self.laps[step] = round(now - self._last, 3)
        self._last = now
