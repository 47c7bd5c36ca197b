"""Looks at a CT until the spine is seen as the detector knows it: upright, from the side.

A header can hold a turned patient, and a file can be stored upside down. Where the body's two sides mirror each other
in another plane than the header's, that plane is taken; where then nothing is recognised, a few slices are shown to the
detector turned within it. A CT whose header is right is looked at once. See WhyLooksAlongTheSpine.md.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import SimpleITK as sitk

from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Fusion.Edges import withEdges
from CervicalSpineDetectionLib.Fusion.Fuse import ANCHORS, FusionResult, doubted, fuse
from CervicalSpineDetectionLib.Fusion.LevelModel import LevelModel
from CervicalSpineDetectionLib.Fusion.MirrorPlane import turnedPlane
from CervicalSpineDetectionLib.Fusion.Settings import SURE_BODY_EVIDENCE_MM
from CervicalSpineDetectionLib.Fusion.Sides import CoronalLook
from CervicalSpineDetectionLib.Imaging.CoronalSlices import coronalGrid
from CervicalSpineDetectionLib.Imaging.Resampling import fineSlices, middleOf, resampleSagittal, turnedImage
from CervicalSpineDetectionLib.Imaging.SagittalVolume import SagittalVolume, windowed, withNeighbours
from CervicalSpineDetectionLib.ProcessTuning import begun
from CervicalSpineDetectionLib.SliceDetector.Detector import (
    CLEAR_SCORE,
    ProgressCallback,
    SliceDetections,
    SliceDetector,
)
from CervicalSpineDetectionLib.SliceDetector.SecondLook import (
    SHOWN_AROUND_MM,
    AskedBoxes,
    SecondLook,
    SharpBoxes,
    Sharpener,
)
from CervicalSpineDetectionLib.Spine.Arrays import Array
from CervicalSpineDetectionLib.Spine.Frame import Frame
from CervicalSpineDetectionLib.Spine.Levels import CERVICAL_LEVELS, Level
from CervicalSpineDetectionLib.Spine.Vertebra import Vertebra

# Forward, of the line through the bodies: 0 to 25 degrees in the development set. The detector bears 30 more or less.
USUAL_LEAN_DEGREES, MOST_LEAN_CHANGE_DEGREES = 15.0, 32.0
FEWEST_FOR_LEAN = 3
UPPER_LANDMARKS = frozenset(ANCHORS[level] for level in (Level.C1, Level.C2))
GLIMPSES, GLIMPSE_MM = 3, 12.0  # slices shown turned, and their distance
GLIMPSE_STEP_DEGREES = 45
# Of what the slices show as they stand, and that a vertebra or two are seen clearly in every slice: else another
# orientation is no better.
LEAST_GLIMPSE_GAIN, LEAST_GLIMPSE_EVIDENCE = 1.5, 1.5 * GLIMPSES
HALF_TURN_DEGREES = 100.0  # turned further, the file is rather stored the wrong way round
# Names, as ``Look.certain`` counts them. In 93 views of calibration patients, turned or half, in which another plane
# than the header's was found, the look in the header's frame was surer by 0.013 at most where that plane was right, and
# by 4 and more where it was not.
CLEARLY_SURER = 0.5
# A plane that mirrors the body less is often none: of 444 cuts of 47 CTs (development set and calibration patients) to
# about half a neck 23 seemed to be mirrored in another plane than the header's, by 0.62 to 0.68, while the look in the
# header's frame saw more in all of them. In 50 views that were turned the right plane mirrored by 0.68 and more; of the
# seven with 0.74 and less the header's frame was sure of nothing.
CLEAR_MIRROR = 0.7
FEWEST_AT_HALF_SIZE = 3  # names that are certain there, and a landmark; other regions show none


@dataclass(frozen=True)
class Look:
    """What was seen in one frame.

    :param fused: in the frame.
    :param slices, volume: what the detector was shown, and what it was made of, see ``slicesOf``.
    """

    frame: Frame
    fused: FusionResult
    slices: Array
    volume: SagittalVolume

    @property
    def sureNames(self) -> list[Vertebra]:
        """Those of a cervical name that nothing speaks against."""
        return [vertebra for vertebra in self.fused.vertebrae
                if vertebra.level in CERVICAL_LEVELS and not vertebra.uncertain]

    @property
    def certain(self) -> float:
        """The sure names, each with its probability, and the landmarks they rest on."""
        names = [vertebra.confidence for vertebra in self.sureNames]
        return float(sum(names)) + len(self.fused.basis.anchors) if names else 0.0

    @property
    def showsBodies(self) -> bool:
        """Of most of the sure names the body was seen clearly: breastbone and ribs, seen upside down, have none."""
        sure = {vertebra.level for vertebra in self.sureNames} - {Level.C1}
        bodies = [one.candidate.body for one in self.fused.links if one.level in sure]
        seen = [0.0 if body is None else body.evidence for body in bodies]
        return bool(seen) and float(np.median(seen)) >= SURE_BODY_EVIDENCE_MM

    @property
    def isNeck(self) -> bool:
        """Something was given a cervical name, sure or not."""
        return any(vertebra.level in CERVICAL_LEVELS for vertebra in self.fused.vertebrae)

    @property
    def lean(self) -> float:
        """Degrees that the neck leans forward; the usual ones where too little is seen to tell."""
        centres = [vertebra.centre for vertebra in self.fused.vertebrae]
        if len(centres) < FEWEST_FOR_LEAN:
            return USUAL_LEAN_DEGREES
        _, y, z = centres[0] - centres[-1]
        return float(np.degrees(np.arctan2(-y, z)))


class Examination:
    """:param image: CT in HU. :param confirmed: what a person settled, LPS mm of the CT."""

    def __init__(self, image: sitk.Image, detector: SliceDetector, confirmed: Sequence[Vertebra] = (),
                 progress: ProgressCallback | None = None) -> None:
        self._image, self._detector, self._confirmed, self._progress = image, detector, confirmed, progress
        self._model = LevelModel.fromCard(detector.model)
        self._timings = {"resample": 0.0, "network": 0.0, "fusion": 0.0, "levels": 0.0, "edges": 0.0}

    def best(self) -> tuple[FusionResult, dict[str, float], str | None]:
        """As many looks as are needed.

        :return: (what was seen, in the frame of the CT; seconds of each step, all looks together; what is to be said
            of the orientation, or empty).
        :raises InputError: the image can't be used.
        """
        header = Frame(np.eye(3), middleOf(self._image))
        volume, slices = self._slicesIn(header)
        # The network leaves Python's lock to others while it computes.
        sought = begun(partial(turnedPlane, volume))
        inHeader = self._look(header, volume, slices)
        plane = sought()
        look = self._upright(inHeader if plane is None else self._look(_frameOf(plane.normal, header.middle)))
        if not look.certain and not self._confirmed:
            look = self._otherWayRound(look)
        # Half a neck can seem to be mirrored in a plane that is not the body's own.
        if plane is not None and plane.quality < CLEAR_MIRROR:
            look = inHeader if inHeader.certain > look.certain - CLEARLY_SURER else look
        elif plane is not None and (inHeader.certain > look.certain + CLEARLY_SURER or not look.isNeck):
            doubt = f"patient turned by about {plane.degrees:.0f} degrees in the image"
            look = replace(inHeader, fused=doubted(inHeader.fused, doubt, self._confirmed))
        return self._inCt(self._sharpened(look)), self._timings, _sentence(look.frame)

    def isNeckOfHalfTheSize(self) -> bool:
        """Whether a neck is seen where all lengths are halved: to be asked where none is seen as the header has it."""
        half = sitk.Image(self._image)
        half.SetSpacing([length / 2 for length in half.GetSpacing()])
        other = Examination(half, self._detector)
        other._timings = self._timings
        try:
            look = other._look(Frame(np.eye(3), middleOf(half)))
        except InputError:  # no CT is that small
            return False
        return bool(look.fused.basis.anchors) and len(look.sureNames) >= FEWEST_AT_HALF_SIZE

    def _look(self, frame: Frame, volume: SagittalVolume | None = None, slices: Array | None = None) -> Look:
        if volume is None or slices is None:
            volume, slices = self._slicesIn(frame)
        started = time.perf_counter()
        detections = self._detector.detect(slices, self._progress)
        seen = time.perf_counter()
        fused = fuse(detections, volume, self._confirmedIn(frame), self._model)
        self._timings["network"] += seen - started
        self._timings["fusion"] += time.perf_counter() - seen - fused.levelSeconds
        self._timings["levels"] += fused.levelSeconds
        return Look(frame, fused, slices, volume)

    def _confirmedIn(self, frame: Frame) -> list[Vertebra]:
        return [vertebra if frame.isCt else frame.vertebraFromCt(vertebra) for vertebra in self._confirmed]

    def _sharpened(self, look: Look) -> Look:
        """The same with the edges that the detector's second look finds."""
        started = time.perf_counter()
        image = turnedImage(self._image, look.frame)
        sharpener = sharpenerOf(image, look.volume, self._detector)
        if sharpener is None:
            return look
        fused = withEdges(look.fused, look.volume, sharpener, self._confirmedIn(look.frame),
                          coronalLookOf(image, look.volume, self._detector))
        self._timings["edges"] += time.perf_counter() - started
        return replace(look, fused=fused)

    def _slicesIn(self, frame: Frame) -> tuple[SagittalVolume, Array]:
        started = time.perf_counter()
        found = slicesOf(turnedImage(self._image, frame), self._detector)
        self._timings["resample"] += time.perf_counter() - started
        return found

    def _upright(self, look: Look) -> Look:
        """The same, or a look with the neck's lean taken out where that shows more, C1 or C2 among it: of a neck stored
        upside down, which can seem to lean, the other end passes for the first ribs."""
        change = USUAL_LEAN_DEGREES - look.lean
        if abs(change) < MOST_LEAN_CHANGE_DEGREES:
            return look
        pitched = self._look(_pitched(look.frame, change))
        isUpperEnd = not UPPER_LANDMARKS.isdisjoint(pitched.fused.basis.anchors)
        return pitched if isUpperEnd and pitched.certain > look.certain else look

    def _otherWayRound(self, look: Look) -> Look:
        """The same, or a look in another orientation within its sagittal plane, where that shows landmarks."""
        glimpses = list(_glimpses(look, self._detector.sliceSpacing))
        evidence = [self._glimpsed(pictures, isNew=index > 0) for index, (_, pictures) in enumerate(glimpses)]
        best = int(np.argmax(evidence))
        if evidence[best] < max(LEAST_GLIMPSE_GAIN * evidence[0], LEAST_GLIMPSE_EVIDENCE):
            return look
        other = self._upright(self._look(glimpses[best][0]))
        return other if other.fused.basis.anchors and other.showsBodies else look

    def _glimpsed(self, pictures: Array, isNew: bool) -> float:
        """Evidence of a few slices. :param isNew: an orientation to be given up where the middle one shows none."""
        middle = len(pictures) // 2
        if isNew and not _evidence(self._detector.detect(pictures[middle : middle + 1])):
            return 0.0
        return _evidence(self._detector.detect(pictures))

    def _inCt(self, look: Look) -> FusionResult:
        """What a look shows, in the frame of the CT; the names of what is stored the wrong way round are doubted."""
        settled = {vertebra.level: vertebra for vertebra in self._confirmed}
        vertebrae = [settled.get(vertebra.level) or look.frame.vertebraToCt(vertebra)
                     for vertebra in look.fused.vertebrae]
        sightings = [replace(one, centre=look.frame.toCt(one.centre)) for one in look.fused.sightings]
        fused = look.fused if look.frame.isCt else replace(look.fused, vertebrae=vertebrae, sightings=sightings)
        if look.frame.degrees > HALF_TURN_DEGREES:
            fused = doubted(fused, _wayRound(look.frame), self._confirmed)
        return fused


def slicesOf(image: sitk.Image, detector: SliceDetector) -> tuple[SagittalVolume, Array]:
    """What a detector looks at.

    :param image: in HU.
    :return: (SagittalVolume, uint8 slices of shape (n, 3, rows, columns)).
    :raises InputError: the image can't be used.
    """
    volume = resampleSagittal(image, detector.pixelSize, detector.sliceSpacing)
    return volume, withNeighbours(windowed(volume, detector.window))


def sharpenerOf(image: sitk.Image, volume: SagittalVolume, detector: SliceDetector) -> Sharpener | None:
    """A detector's second look at the sagittal slices of one CT; None where it has none.

    :param image: in HU, in the frame of the volume, which was made of it.
    """
    second: SecondLook | None = getattr(detector, "secondLook", None)
    return None if second is None else _sharpener(image, volume, second, isCoronal=False)


def coronalLookOf(image: sitk.Image, volume: SagittalVolume, detector: SliceDetector) -> CoronalLook | None:
    """The same at the coronal slices. :param image, volume: see ``sharpenerOf``."""
    second: SecondLook | None = getattr(detector, "coronalLook", None)
    if second is None:
        return None
    grid = coronalGrid(volume)
    return CoronalLook(grid, _sharpener(image, grid, second, isCoronal=True))


def _sharpener(image: sitk.Image, grid: SagittalVolume, second: SecondLook, isCoronal: bool) -> Sharpener:
    def look(asked: AskedBoxes) -> SharpBoxes:
        chosen = asked.chosen
        slices = fineSlices(image, grid, asked.indices[chosen], asked.boxes[chosen],
                            second.pixelFor(image.GetSpacing()), SHOWN_AROUND_MM, isCoronal)
        return second.sharpened(slices, asked)

    return look


def _sentence(frame: Frame) -> str | None:
    if frame.isCt or frame.degrees > HALF_TURN_DEGREES:
        return None
    return f"The neck stands turned by {frame.degrees:.0f} degrees in this CT; it was examined along the spine."


def _wayRound(frame: Frame) -> str:
    """What is wrong with a CT whose body has this frame, turned by more than ``HALF_TURN_DEGREES``."""
    wrong = [name for axis, name in ((2, "upside down"), (1, "front to back")) if frame.axes[axis, axis] < -0.5]
    return f"CT stored {' and '.join(wrong) or 'with its axes exchanged'}"


def _frameOf(left: Array, middle: Array) -> Frame:
    """The frame with this left side that stands as upright in the CT as it can.

    :param left: shape (3,), unit length.
    """
    # Where left points up, nothing tells the head end: what is back in the CT stands for it.
    head = np.array([0.0, 0, 1]) if abs(left[2]) < 0.9 else np.array([0.0, 1, 0])
    head = head - (head @ left) * left
    head /= np.linalg.norm(head)
    return Frame(np.array([left, np.cross(head, left), head]), middle)


def _pitched(frame: Frame, degrees: float) -> Frame:
    """Its head end tipped back within its sagittal plane."""
    left, back, head = frame.axes
    c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    return Frame(np.array([left, c * back - s * head, c * head + s * back]), frame.middle)


def _glimpses(look: Look, sliceSpacing: float) -> Iterator[tuple[Frame, Array]]:
    """A few slices of the middle, all ways round within their plane; as they stand first.

    :return: yields (frame that a look would have, uint8 slices as ``slicesOf`` gives them).
    """
    # Rarely needed, and its import takes longer than a look.
    from scipy import ndimage

    count = len(look.slices)
    step = max(int(round(GLIMPSE_MM / sliceSpacing)), 1)
    middle = np.clip(count // 2 + step * (np.arange(GLIMPSES) - GLIMPSES // 2), 0, count - 1)
    pictures = look.slices[np.unique(middle)]
    for degrees in range(0, 90, GLIMPSE_STEP_DEGREES):
        turned = pictures if degrees == 0 else ndimage.rotate(pictures, degrees, axes=(3, 2), order=1)
        for quarter in range(4):
            frame = _pitched(look.frame, degrees + 90.0 * quarter)
            seen = np.rot90(turned, quarter, axes=(2, 3))
            yield frame, np.ascontiguousarray(seen)
            # Seen from the other side: the slices and their neighbours in the opposite order, front and back exchanged.
            left, back, head = frame.axes
            yield Frame(np.array([-left, -back, head]), frame.middle), np.ascontiguousarray(seen[::-1, ::-1, :, ::-1])


def _evidence(slices: Sequence[SliceDetections]) -> float:
    """How many cervical vertebrae the slices show, each clear sighting by its score."""
    scores = np.concatenate([found.scores[:, : len(CERVICAL_LEVELS)].max(axis=1) for found in slices])
    return float(scores[scores >= CLEAR_SCORE].sum())
