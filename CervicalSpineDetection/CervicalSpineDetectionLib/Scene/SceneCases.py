"""The CTs of a saved scene with what a person confirmed or corrected in them."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import SimpleITK as sitk
import slicer

from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Scene.HeadlessScene import headlessScene
from CervicalSpineDetectionLib.Scene.SceneBundle import unpackBundle
from CervicalSpineDetectionLib.Scene.VertebraNodes import readStates, vertebraeFromNodes
from CervicalSpineDetectionLib.Scene.VolumeNodes import imageFromVolumeNode
from CervicalSpineDetectionLib.Spine.Vertebra import Vertebra


@dataclass(frozen=True)
class SceneCase:
    """One CT of a scene.

    :param image: in its own frame.
    :param settled: vertebrae that a person confirmed or edited, LPS mm in the CT's frame.
    :param others: those nobody looked at.
    :param patient: the DICOM patient ID that the scene's subject hierarchy names, or None.
    """

    image: sitk.Image
    settled: list[Vertebra]
    others: list[Vertebra]
    patient: str | None


def casesOfScene(path: str | Path) -> list[SceneCase]:
    """Read a scene file.

    :param path: .mrb or .mrml file.
    :return: one case a CT that vertebrae belong to.
    :raises InputError: the file can't be read, or vertebrae of a CT contradict each other.
    """
    path = Path(path).absolute()
    with headlessScene() as (scene, _), tempfile.TemporaryDirectory() as folder:
        scene.SetURL(str(path if path.suffix.lower() == ".mrml" else unpackBundle(path, folder)))
        if not scene.Import():
            raise InputError(f"The scene {path.name} can't be read; save it again in 3D Slicer.")
        volumeNodes = (scene.GetNthNodeByClass(n, "vtkMRMLScalarVolumeNode")
                       for n in range(scene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode")))
        cases = []
        for volumeNode in volumeNodes:
            # Checks for contradictions.
            vertebrae = {vertebra.level: vertebra for vertebra in vertebraeFromNodes(scene, volumeNode)}
            levels = {state.level for state in readStates(scene, volumeNode) if state.confirmed or state.edited}
            if vertebrae:
                cases.append(SceneCase(
                    imageFromVolumeNode(volumeNode),
                    [vertebra for level, vertebra in vertebrae.items() if level in levels],
                    [vertebra for level, vertebra in vertebrae.items() if level not in levels],
                    _patientOf(scene, volumeNode),
                ))
        return cases


def _patientOf(scene: slicer.vtkMRMLScene, volumeNode: slicer.vtkMRMLScalarVolumeNode | None) -> str | None:
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    item = hierarchy.GetItemByDataNode(volumeNode)
    while item and item != hierarchy.GetSceneItemID():
        if hierarchy.GetItemLevel(item) == "Patient":
            return hierarchy.GetItemUID(item, "DICOM") or hierarchy.GetItemName(item)
        item = hierarchy.GetItemParent(item)
    return None
