"""What Slicer knows of the module: its description, its sample data, and by their names its widget, logic and test."""

from __future__ import annotations

import os

import slicer
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import *

from CervicalSpineDetectionLib.Panel.ModuleLogic import CervicalSpineDetectionLogic
from CervicalSpineDetectionLib.Panel.ModuleWidget import CervicalSpineDetectionWidget
from CervicalSpineDetectionLib.Panel.Packages import Packages, PackagesMissing
from CervicalSpineDetectionLib.Panel.SelfTest import CervicalSpineDetectionTest

__all__ = [
    "CervicalSpineDetection", "CervicalSpineDetectionLogic", "CervicalSpineDetectionTest",
    "CervicalSpineDetectionWidget",
]


class CervicalSpineDetection(ScriptedLoadableModule):
    """Uses ScriptedLoadableModule base class, available at:
    https://github.com/Slicer/Slicer/blob/main/Base/Python/slicer/ScriptedLoadableModule.py
    """

    def __init__(self, parent: slicer.qSlicerScriptedLoadableModule) -> None:
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = _("Cervical Spine Detection")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Segmentation")]
        self.parent.dependencies = [
            "Markups", "SampleData", "Segmentations", "SubjectHierarchy", "Terminologies", "Volumes"
        ]
        self.parent.contributors = ["CervicalSpineDetection contributors"]
        self.parent.helpText = _("""
Finds the cervical vertebrae C1 to C7 in a CT of the neck and adds a named ROI box and a center point for each of them.
For research use only: check every box and every name before relying on it.
""")
        self.parent.acknowledgementText = _("""
The detector is a YOLOv5u network (YOLOv5 backbone and neck, anchor-free head of Ultralytics) built and run with
Ultralytics, which is licensed under AGPL-3.0.
The training data are listed in the model card that lies beside the weights.
""")
        # The Sample Data module may be discovered later than this one.
        slicer.app.connect("startupCompleted()", registerSampleData)


SAMPLE_NAME = "Cervical spine phantom"
SAMPLE_SEED = 17


def registerSampleData() -> None:
    """Add the phantom to Slicer's Sample Data module."""
    import SampleData

    SampleData.SampleDataLogic.registerCustomSampleDataSource(
        category="Cervical Spine Detection",
        sampleName=SAMPLE_NAME,
        # Nothing to download; Slicer counts the addresses all the same.
        uris=[],
        fileNames=[],
        thumbnailFileName=os.path.join(os.path.dirname(__file__), "Resources", "Icons", "CervicalSpineDetection.png"),
        customDownloader=makeSample,
    )


def makeSample(source: str | None = None) -> slicer.vtkMRMLScalarVolumeNode | None:
    """A made neck CT, without a download.

    :param source: given by the Sample Data module, not needed.
    :return: vtkMRMLScalarVolumeNode; None where Python packages are missing, which the user is told.
    """
    from CervicalSpineDetectionLib.Scene.VolumeNodes import volumeNodeFromImage

    try:
        Packages().ensure()
    except PackagesMissing as error:
        slicer.util.errorDisplay(str(error))
        return None
    with slicer.util.WaitCursor():
        from CervicalSpineDetectionLib.Phantom.Phantom import makePhantom

        node = volumeNodeFromImage(slicer.mrmlScene, makePhantom(SAMPLE_SEED).ct, SAMPLE_NAME)
    slicer.util.setSliceViewerLayers(background=node, fit=True)
    return node
