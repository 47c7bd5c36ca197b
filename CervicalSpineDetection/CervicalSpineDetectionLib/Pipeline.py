"""CT -> slices -> 2D boxes -> 3D tracks -> levels -> vertebrae: the only door to a detection."""

from __future__ import annotations

from collections.abc import Sequence

import SimpleITK as sitk

from CervicalSpineDetectionLib.Fusion.Fuse import FusionResult, withDoubt
from CervicalSpineDetectionLib.Imaging.HounsfieldUnits import correctHuOffset
from CervicalSpineDetectionLib.Imaging.ImageGeometry import imageGeometry
from CervicalSpineDetectionLib.Imaging.SagittalVolume import SagittalVolume
from CervicalSpineDetectionLib.Imaging.StackChecks import abruptChange
from CervicalSpineDetectionLib.Looks import Examination, slicesOf
from CervicalSpineDetectionLib.SliceDetector.Detector import ProgressCallback, SliceDetector
from CervicalSpineDetectionLib.Spine.Arrays import Array
from CervicalSpineDetectionLib.Spine.Levels import CERVICAL_LEVELS, SPINE_LEVELS, Level
from CervicalSpineDetectionLib.Spine.Morphometry import usualDistance
from CervicalSpineDetectionLib.Spine.Proportions import proportionsOf
from CervicalSpineDetectionLib.Spine.Vertebra import MENTIONED_PROBABILITY, DetectionResult, Vertebra

# Where no name is likelier right than wrong, none is shown.
SHOWN_CONFIDENCE = 0.5
TOO_LARGE = ("No vertebra of a person's size was found, but larger cervical vertebrae: the voxel spacing seems to be "
             "too large, perhaps twice what it should be. Correct it, and detect again.")


def detectVertebrae(image: sitk.Image, detector: SliceDetector, progress: ProgressCallback | None = None,
                    confirmed: Sequence[Vertebra] = ()) -> DetectionResult:
    """Find and name the cervical vertebrae of a CT.

    :param image: 3D scalar sitk image in HU, any spacing and orientation.
    :param detector: a ``Detector.SliceDetector``.
    :param progress: called with (step, done, total).
    :param confirmed: Vertebra objects in the image's physical space (LPS mm) that a person settled: they are in the
        result as they are, anchor the levels of the others, and nothing is detected in their place.
    :return: DetectionResult in the image's physical space (LPS mm); empty where no cervical vertebra was found.
    :raises InputError: the image can't be used.
    """
    given = image
    image, warning = correctHuOffset(given)
    examination = Examination(image, detector, confirmed, progress)
    fused, timings, turned = examination.best()
    vertebrae = [vertebra for vertebra in fused.vertebrae
                 if vertebra.level in CERVICAL_LEVELS or any(vertebra is other for other in confirmed)]
    warnings = [text for text in (warning, turned if vertebrae else None) if text]
    if vertebrae and max(vertebra.confidence for vertebra in vertebrae) < SHOWN_CONFIDENCE and not confirmed:
        names = ", ".join(vertebra.level for vertebra in vertebrae)
        warnings.append(f"What was found could be {names}, but more likely is something else, so nothing is shown.")
        vertebrae = []
    if not vertebrae and examination.isNeckOfHalfTheSize():
        warnings = [*filter(None, [warning]), TOO_LARGE]
    elif vertebrae or not warning or image is not given:
        # Of values that are no HU, what is not seen says nothing.
        warnings += namingWarnings(fused, vertebrae, confirmed)
    gap = _gapIn(image, vertebrae)
    if gap is not None:
        vertebrae = withDoubt(vertebrae, "slices seem to be missing", confirmed)
        warnings.append(f"The body changes abruptly between slices {gap + 1} and {gap + 2} (counted from 1), as where "
                        "slices are missing or the patient moved: no name and no distance is certain. Check the CT.")
    proportions = proportionsOf(vertebrae)
    if proportions and proportions.doubt and gap is None and not fused.orientationDoubt:
        warnings.append(proportions.doubt)
    return DetectionResult(
        vertebrae=vertebrae,
        warnings=warnings,
        image=imageGeometry(image),
        model=dict(detector.model),
        timings=timings,
        basis=fused.basis,
    )


def _gapIn(image: sitk.Image, vertebrae: Sequence[Vertebra]) -> int | None:
    """Index of the slice behind which slices seem to be missing, where this is among the vertebrae; else None."""
    if not vertebrae:
        return None
    corners = [corner for vertebra in vertebrae for corner in (vertebra.bounds.minimum, vertebra.bounds.maximum)]
    slices = [image.TransformPhysicalPointToContinuousIndex(corner.tolist())[2] for corner in corners]
    beyond = usualDistance(Level.C3.order, Level.C4.order) / image.GetSpacing()[2]
    return abruptChange(image, min(slices) - beyond, max(slices) + beyond)


def namingWarnings(fused: FusionResult, vertebrae: Sequence[Vertebra], confirmed: Sequence[Vertebra]) -> list[str]:
    """What a user has to know of the names: what they rest on, or that there is no neck.

    :param vertebrae: those that are shown.
    """
    if not vertebrae:
        lower = len(fused.links) + len(fused.lowerLinks)
        return ["This CT shows thoracic or lumbar vertebrae; no cervical vertebra was found."] if lower >= 2 else []
    if fused.orientationDoubt:
        return [f"The orientation in the header seems to be wrong ({fused.orientationDoubt}): no name is certain. "
                "Correct the orientation, or check every name."]
    if fused.basis.anchors or confirmed:
        return []
    shift, probability = fused.basis.shift, fused.basis.shiftProbability
    other = ""
    if probability >= MENTIONED_PROBABILITY:
        first, last = (SPINE_LEVELS[min(max(vertebra.level.order + shift, 0), len(SPINE_LEVELS) - 1)]
                       for vertebra in (vertebrae[0], vertebrae[-1]))
        names = str(first) if first == last else f"{first} to {last}"
        other = f" The next most probable naming is {names} ({100 * probability:.0f} %)."
    return ["Neither C1, C2 nor the first ribs can be recognized in this CT: all names may be off by one or more."
            f"{other} Check, and use Shift levels up or down."]


def slicesFor(image: sitk.Image, detector: SliceDetector) -> tuple[SagittalVolume, Array, str | None]:
    """What a detector looks at.

    :return: (SagittalVolume, uint8 slices of shape (n, 3, rows, columns), warning or None).
    :raises InputError: the image can't be used.
    """
    image, warning = correctHuOffset(image)
    return *slicesOf(image, detector), warning
