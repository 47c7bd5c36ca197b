"""A label map as DICOM Segmentation (PS3.3 A.51), with SNOMED CT codes, through highdicom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import highdicom
import numpy as np
import SimpleITK as sitk
from pydicom.sr.codedict import codes
from pydicom.uid import generate_uid

from CervicalSpineDetectionLib import __version__
from CervicalSpineDetectionLib.Spine.Levels import Level, levelOfCode

SOFTWARE = "CervicalSpineDetection"
SERIES_NUMBER = 8001


def writeSegmentation(path: str | Path, labels: sitk.Image, headers: Sequence[Any], model: Mapping[str, Any]) -> None:
    """:param labels: sitk uint8 image on the CT's grid, 1 for C1 ... 11 for T4.
    :param headers: see ``DicomSourceImages.sourceImages``.
    :param model: "name" and "sha256" of the weights.
    """
    voxels = sitk.GetArrayFromImage(labels)
    present = [int(label) for label in np.unique(voxels) if label]
    # Segments are numbered without gaps.
    numbers = np.zeros(256, np.uint8)
    numbers[present] = np.arange(1, len(present) + 1)
    segmentation = highdicom.seg.Segmentation(
        source_images=headers, pixel_array=numbers[voxels], segmentation_type="BINARY",
        segment_descriptions=[_description(number, label, model) for number, label in enumerate(present, 1)],
        series_instance_uid=generate_uid(), series_number=SERIES_NUMBER, sop_instance_uid=generate_uid(),
        instance_number=1, manufacturer=SOFTWARE, manufacturer_model_name=SOFTWARE, software_versions=__version__,
        device_serial_number=__version__, content_label="VERTEBRAE",
        content_description="Bone in the boxes of detected vertebrae", series_description="Vertebrae, first mask",
    )
    segmentation.save_as(path)


def vertebraCode(level: str) -> Any:
    """Code such as (36978003, SCT, "C5 vertebra")."""
    return highdicom.sr.CodedConcept(Level(level).snomedCode, "SCT", Level(level).meaning)


def _description(number: int, label: int, model: Mapping[str, Any]) -> Any:
    level = levelOfCode(label)
    return highdicom.seg.SegmentDescription(
        segment_number=number, segment_label=str(level), segmented_property_category=codes.cid7150.AnatomicalStructure,
        segmented_property_type=vertebraCode(level), algorithm_type="AUTOMATIC",
        algorithm_identification=highdicom.AlgorithmIdentificationSequence(
            name=SOFTWARE, version=__version__, family=codes.cid7162.ArtificialIntelligence,
            parameters={"weights": model["name"], "sha256": model["sha256"]}),
        tracking_uid=generate_uid(), tracking_id=str(level),
        display_color=highdicom.color.CIELabColor.from_rgb(*level.colour),
    )
