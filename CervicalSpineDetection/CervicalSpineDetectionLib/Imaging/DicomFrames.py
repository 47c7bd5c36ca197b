"""Enhanced CT: all slices are frames of one file (DICOM PS3.3 A.38)."""

from __future__ import annotations

import dataclasses
import warnings

import numpy as np
import SimpleITK as sitk

from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Imaging.Decoders import Decoders
from CervicalSpineDetectionLib.Imaging.DicomHeader import DicomHeader, otherValues, readDataset
from CervicalSpineDetectionLib.Imaging.DicomPixels import checkRescale, pixelsOf, toHu
from CervicalSpineDetectionLib.Imaging.DicomStack import MINIMUM_SLICES, Stack, stackOf
from CervicalSpineDetectionLib.Imaging.ImageHeader import MAXIMUM_VOXELS

# Functional group -> what of it places a frame and gives its values in HU.
GROUPS = ("PlanePosition", "PlaneOrientation", "PixelMeasures", "PixelValueTransformation")


def readFrames(header: DicomHeader) -> tuple[Stack, sitk.Image]:
    """:return: (frames in order, sitk float32 image in HU, without geometry).

    :raises InputError: damaged, or compressed in a way that isn't read, or frames that are no even stack.
    """
    unusable = InputError(f"The multi-frame DICOM file {header.path.name} is damaged or lacks the place of "
                          "its frames; convert it to one file a slice, NRRD or NIfTI (3D Slicer can).")
    if header.rows * header.columns * header.frames > MAXIMUM_VOXELS:
        raise InputError(f"The multi-frame DICOM file {header.path.name} states more voxels than any CT; cut the CT to "
                         "the neck.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            frames = _frames(header)
            usable = len(frames) == header.frames >= MINIMUM_SLICES and all(frame.statesGeometry for frame in frames)
    except OSError:
        raise
    # pydicom raises whatever a damaged file makes happen.
    except Exception:
        raise unusable from None
    if not usable:
        raise unusable
    checkRescale(frames)
    with Decoders() as decoders:
        pixels = pixelsOf(header, decoders)
    stack = stackOf(frames)
    voxels = np.empty((len(stack.slices), *pixels.shape[1:]), np.float32)
    for out, frame in zip(voxels, stack.slices, strict=True):
        toHu(pixels[int(frame.sopUid)], frame.slope, frame.intercept, out)
    return stack, sitk.GetImageFromArray(voxels)


def _frames(header: DicomHeader) -> list[DicomHeader]:
    """:return: header of each frame, its number in place of the instance UID."""
    dataset = readDataset(header.path)
    shared = dataset.SharedFunctionalGroupsSequence[0]
    frames = []
    for number, own in enumerate(dataset.PerFrameFunctionalGroupsSequence):
        position, orientation, measures, rescale = (
            (own.get(f"{name}Sequence") or shared.get(f"{name}Sequence"))[0] for name in GROUPS)
        frames.append(dataclasses.replace(
            header, sopUid=str(number), position=tuple(map(float, position.ImagePositionPatient)),
            orientation=tuple(map(float, orientation.ImageOrientationPatient)),
            spacing=tuple(map(float, measures.PixelSpacing)), slope=float(rescale.RescaleSlope),
            intercept=float(rescale.RescaleIntercept),
            otherValues=otherValues(str(rescale.get("RescaleType", "")))))
    return frames
