"""volume -> slices -> 2D boxes -> 3D tracks -> levels -> vertebrae."""

from __future__ import annotations

import time

import numpy as np

from CervicalSpineDetectionLib.Detection.Anatomy import CERVICAL_LEVELS, LEVELS
from CervicalSpineDetectionLib.Detection.Boxes3D import centreOf, vertebraeFrom
from CervicalSpineDetectionLib.Detection.Candidates import absorbParts, candidatesOf
from CervicalSpineDetectionLib.Detection.LevelChain import assignLevels
from CervicalSpineDetectionLib.Detection.Slices import windowed, withNeighbours
from CervicalSpineDetectionLib.Detection.Vertebra import DetectionResult
from CervicalSpineDetectionLib.Detection.Volume import correctHuOffset, resampleSagittal


def detectVertebrae(image, detector, progress=None):
    """Find and name the cervical vertebrae of a CT.

    :param image: 3D scalar sitk image in HU, any spacing and orientation.
    :param detector: a ``Detector.SliceDetector``.
    :param progress: called with (step, done, total).
    :return: DetectionResult in the image's physical space (LPS mm); empty where no cervical vertebra was found.
    :raises InputError: the image can't be used.
    """
    clock = _Clock()
    volume, slices, warning = slicesFor(image, detector)
    clock.lap("resample")
    detections = detector.detect(slices, progress)
    clock.lap("network")
    vertebrae = fuse(detections, volume)
    clock.lap("fusion")
    return DetectionResult(
        vertebrae=[vertebra for vertebra in vertebrae if vertebra.level in CERVICAL_LEVELS],
        warnings=[warning] if warning else [],
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


def fuse(detections, volume):
    """Boxes of all slices -> vertebrae, thoracic ones included.

    :param detections: list of SliceDetections, one a slice of the volume.
    :param volume: SagittalVolume.
    :return: list of Vertebra in cranio-caudal order.
    """
    candidates = candidatesOf(detections)
    candidates, links = chainOf(candidates, volume)
    candidates, _ = absorbParts(candidates, [link.candidate for link in links])
    return vertebraeFrom(links, candidates, volume)


def chainOf(candidates, volume):
    """Settle the levels.

    :return: (candidates in cranio-caudal order, list of LevelChain.Link).
    """
    centres = np.array([
        centreOf(candidate, LEVELS[candidate.track.scores.sum(axis=0).argmax()], volume) for candidate in candidates
    ]).reshape(-1, 3)
    order = np.argsort(-centres[:, 2])
    candidates = [candidates[i] for i in order]
    scores = [candidate.track.scores for candidate in candidates]
    return candidates, assignLevels(centres[order], scores, [candidate.body is not None for candidate in candidates])


class _Clock:
    def __init__(self):
        self.laps = {}
        self._last = time.perf_counter()

    def lap(self, step):
        now = time.perf_counter()
        self.laps[step] = round(now - self._last, 3)
        self._last = now
