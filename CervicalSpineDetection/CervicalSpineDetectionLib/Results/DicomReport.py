"""The result as DICOM structured report: TID 1500 Measurement Report (PS3.16) with 3D coordinates, through highdicom.

Each vertebra has two groups: its oriented box as a volume surface of six faces, and its body's centre as a point, both
in the CT's frame of reference (LPS mm).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import highdicom
import numpy as np
from highdicom.sr import CodedConcept
from pydicom import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import generate_uid

from CervicalSpineDetectionLib import __version__
from CervicalSpineDetectionLib.Results.DicomSegmentation import SOFTWARE, vertebraCode
from CervicalSpineDetectionLib.Spine.Arrays import Array
from CervicalSpineDetectionLib.Spine.Boxes import OrientedBox
from CervicalSpineDetectionLib.Spine.Vertebra import DetectionResult, Vertebra

SERIES_NUMBER = 8002
# Corners of a box's faces, as ups (1) and downs (0) along left, posterior, superior; closed polygons.
FACES = np.array([
    [[side if axis == fixed else corner[(axis - fixed - 1) % 3] for axis in range(3)]
     for corner in ((0, 0), (1, 0), (1, 1), (0, 1), (0, 0))]
    for fixed in range(3) for side in (0, 1)
])
Group: TypeAlias = (highdicom.sr.PlanarROIMeasurementsAndQualitativeEvaluations
                    | highdicom.sr.VolumetricROIMeasurementsAndQualitativeEvaluations
                    | highdicom.sr.MeasurementsAndQualitativeEvaluations)
# DICOM has no codes for these; designators that begin with 99 are private (PS3.16 8.2).
PRIVATE_SCHEME = "99CSD"
REMARK = CodedConcept("remark", PRIVATE_SCHEME, "Reason for review")


def writeReport(path: str | Path, result: DetectionResult, headers: Sequence[Dataset]) -> None:
    """:param result: DetectionResult.
    :param headers: see ``DicomSourceImages.sourceImages``.
    """
    frame = headers[0].FrameOfReferenceUID
    observer = highdicom.sr.ObserverContext(
        codes.DCM.Device, highdicom.sr.DeviceObserverIdentifyingAttributes(
            uid=generate_uid(), name=SOFTWARE, model_name=SOFTWARE, serial_number=__version__))
    groups = [group for vertebra in result.vertebrae for group in _groups(vertebra, frame, headers, result.model)]
    content = highdicom.sr.MeasurementReport(
        observation_context=highdicom.sr.ObservationContext(observer_device_context=observer),
        procedure_reported=codes.LN.CTUnspecifiedBodyRegion, imaging_measurements=groups,
        title=codes.DCM.ImagingMeasurementReport)
    report = highdicom.sr.Comprehensive3DSR(
        evidence=headers, content=content[0], series_instance_uid=generate_uid(), series_number=SERIES_NUMBER,
        sop_instance_uid=generate_uid(), instance_number=1, manufacturer=SOFTWARE, is_complete=True,
        series_description="Vertebrae, boxes and centres")
    report.save_as(path)


def _groups(vertebra: Vertebra, frame: str, headers: Sequence[Dataset], model: Mapping[str, Any]) -> list[Group]:
    code = vertebraCode(vertebra.level)
    common = {
        "finding_type": code, "finding_category": codes.cid7150.AnatomicalStructure,
        "algorithm_id": highdicom.sr.AlgorithmIdentification(
            name=SOFTWARE, version=__version__,
            parameters=[f"weights {model['name']}", f"sha256 {model['sha256']}"]),
    }
    box = highdicom.sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=highdicom.sr.TrackingIdentifier(generate_uid(), f"{vertebra.level} box"),
        referenced_volume_surface=highdicom.sr.VolumeSurface(
            "POLYGON", list(_faces(vertebra.orientedBox)), frame,
            source_series=highdicom.sr.SourceSeriesForSegmentation(headers[0].SeriesInstanceUID)),
        measurements=[highdicom.sr.Measurement(
            name=codes.DCM.CertaintyOfFinding, value=round(100 * float(vertebra.confidence), 1),
            unit=codes.UCUM.Percent)],
        qualitative_evaluations=[highdicom.sr.QualitativeEvaluation(
            REMARK, CodedConcept("review", PRIVATE_SCHEME, vertebra.remark))] if vertebra.remark else None,
        geometric_purpose=codes.cid219.Outline, **common)
    centre = highdicom.sr.PlanarROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=highdicom.sr.TrackingIdentifier(generate_uid(), f"{vertebra.level} centre"),
        referenced_region=highdicom.sr.ImageRegion3D("POINT", np.array([vertebra.centre], float), frame),
        geometric_purpose=codes.cid219.Center, **common)
    return [box, centre]


def _faces(box: OrientedBox) -> Array:
    """LPS mm, shape (6, 5, 3)."""
    return box.centre + (FACES - 0.5) * box.size @ box.axes
