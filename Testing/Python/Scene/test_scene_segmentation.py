"""The bone inside the boxes as a segmentation."""

import pytest
import SimpleITK as sitk

pytest.importorskip("slicer", reason="needs slicer-core")

from blockNeck import blockNeck

from CervicalSpineDetectionLib.Scene import SceneExport
from CervicalSpineDetectionLib.Scene.HeadlessScene import headlessScene
from CervicalSpineDetectionLib.Scene.VertebraNodes import addVertebrae
from CervicalSpineDetectionLib.Scene.VolumeNodes import volumeNodeFromImage
from CervicalSpineDetectionLib.Spine.Vertebra import DetectionResult
from CervicalSpineDetectionLib.Truth.Vertebrae import vertebraeOf


@pytest.mark.parametrize("offset", [0, 1024])
def test_softTissueIsNoBoneWhereTheRescaleInterceptIsMissing(offset, monkeypatch):
    ct, labels = blockNeck()
    with headlessScene() as (scene, _):
        volumeNode = volumeNodeFromImage(scene, sitk.Cast(ct + offset, sitk.sitkInt16), "Neck")
        addVertebrae(scene, DetectionResult(vertebraeOf(labels)), volumeNode)
        monkeypatch.setattr(SceneExport, "addSegmentation", lambda scene, mask, name, node: mask)
        mask = SceneExport.addBoneSegmentation(scene, volumeNode)
    mask, labels = sitk.GetArrayFromImage(mask), sitk.GetArrayFromImage(labels)
    assert not mask[labels == 0].any() and (mask == labels)[labels > 0].mean() > 0.8
