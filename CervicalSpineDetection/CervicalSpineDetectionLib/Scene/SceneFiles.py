"""Files that Slicer opens."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import slicer

from CervicalSpineDetectionLib.Imaging.ImageGeometry import imageGeometry
from CervicalSpineDetectionLib.Scene.HeadlessScene import headlessScene, markupsScene
from CervicalSpineDetectionLib.Scene.NrrdWriter import writeNrrd
from CervicalSpineDetectionLib.Scene.SceneBundle import CT, DATA, SCENE, packScene
from CervicalSpineDetectionLib.Scene.VertebraNodes import addVertebrae
from CervicalSpineDetectionLib.Scene.VolumeNodes import LPS_TO_RAS, volumeNodeOfGeometry
from CervicalSpineDetectionLib.Spine.Arrays import Array
from CervicalSpineDetectionLib.Spine.Vertebra import DetectionResult

if TYPE_CHECKING:
    import SimpleITK as sitk

MARKUPS_SCHEMA = (
    "https://raw.githubusercontent.com/slicer/slicer/master/Modules/Loadable/Markups/Resources/Schema/"
    "markups-schema-v1.0.4.json#"
)
SLICE_VIEWS = {"Red": "Axial", "Yellow": "Sagittal", "Green": "Coronal"}

# RAS: from the left front and a little above.
CAMERA_OFFSET_MM = np.array([-300.0, 400.0, 120.0])


def writeScene(path: Path, image: sitk.Image, result: DetectionResult, name: str, oriented: bool = True) -> None:
    """Write a Slicer scene bundle (.mrb) with the CT, the boxes and the centres.

    :param image: CT in HU.
    :param name: of the CT in the scene.
    :param oriented: boxes along the spine's curve, else along the patient axes.
    :raises OSError: the file can't be written.
    """
    with tempfile.TemporaryDirectory() as folder:
        writeSceneParts(Path(folder), imageGeometry(image), result, name, oriented)
        packScene(path, Path(folder), lambda stream: writeNrrd(stream, image))


def writeSceneParts(folder: Path, geometry: Mapping[str, Any], result: DetectionResult, name: str,
                    oriented: bool = True) -> None:
    """Write all of a scene but its CT: ``scene.mrml`` and, under ``Data``, the markups.

    MRML never sees the voxels: a copy into VTK and Slicer's way of packing take longer than the detection.

    :param folder: existing and empty.
    :param geometry: of the CT, see ``ImageGeometry.imageGeometry``.
    :raises OSError: a file can't be written.
    """
    (folder / DATA).mkdir()
    with headlessScene() as (scene, applicationLogic):
        volumeNode = volumeNodeOfGeometry(scene, geometry, name)
        hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
        hierarchy.CreateItem(hierarchy.GetSceneItemID(), volumeNode)
        boxesAndCentres = addVertebrae(scene, result, volumeNode, oriented)
        if result.vertebrae:
            position = LPS_TO_RAS @ result.vertebrae[len(result.vertebrae) // 2].centre
        else:
            bounds = np.zeros(6)
            volumeNode.GetRASBounds(bounds)
            position = (bounds[::2] + bounds[1::2]) / 2
        _putSlices(scene, applicationLogic, volumeNode, position)
        _putCamera(scene, applicationLogic, position)
        scene.SetRootDirectory(str(folder))
        scene.SetURL(str(folder / SCENE))
        volumeNode.AddDefaultStorageNode()
        # Not named after the CT: MRML doesn't escape the "&" of a file name, and such a scene can't be opened.
        volumeNode.GetStorageNode().SetFileName(str(folder / CT))
        for node in boxesAndCentres:
            node.AddDefaultStorageNode()
            # A question mark is no letter of a file name on Windows.
            node.GetStorageNode().SetFileName(str(folder / DATA / f"{node.GetName().replace(' ?', '')}.mrk.json"))
            if not node.GetStorageNode().WriteData(node):
                raise OSError(f"Could not write {folder}.")
        if not scene.Commit():
            raise OSError(f"Could not write {folder}.")


def writeMarkups(path: Path, result: DetectionResult) -> None:
    """Write the oriented boxes and the centres as one Slicer markups file (.mrk.json).

    Dragged into Slicer, all of them are loaded, with names and colours: its reader makes a node of every item of
    "markups". (A storage node that reads into an existing node takes the first one only.)

    :raises OSError: the file can't be written.
    """
    with markupsScene() as scene, tempfile.TemporaryDirectory() as folder:
        single = Path(folder) / "node.mrk.json"
        markups = []
        for node in addVertebrae(scene, result):
            node.AddDefaultStorageNode()
            node.GetStorageNode().SetFileName(str(single))
            if not node.GetStorageNode().WriteData(node):
                raise OSError(f"Could not write {path}.")
            item = json.loads(single.read_text(encoding="utf-8"))["markups"][0]
            # Slicer reads the name but doesn't write it: it takes that of the file.
            markups.append({**item, "name": node.GetName()})
    # A line each: with every number on a line of its own it takes ten times as long.
    items = ",\n".join(map(json.dumps, markups))
    Path(path).write_text(f'{{"@schema": {json.dumps(MARKUPS_SCHEMA)},\n"markups": [\n{items}\n]}}\n', encoding="utf-8")


def _putSlices(scene: slicer.vtkMRMLScene, applicationLogic: slicer.vtkSlicerApplicationLogic,
               volumeNode: slicer.vtkMRMLScalarVolumeNode | None, position: Array) -> None:
    for name, orientation in SLICE_VIEWS.items():
        logic = slicer.vtkMRMLSliceLogic()
        logic.SetMRMLApplicationLogic(applicationLogic)
        logic.SetMRMLScene(scene)
        sliceNode = logic.AddSliceNode(name)
        sliceNode.SetOrientation(orientation)
        logic.GetSliceCompositeNode().SetBackgroundVolumeID(volumeNode.GetID())
        logic.FitSliceToBackground()
        sliceNode.JumpSlice(*position)


def _putCamera(scene: slicer.vtkMRMLScene, applicationLogic: slicer.vtkSlicerApplicationLogic, position: Array) -> None:
    """Without a camera of its own the scene would be seen with the one Slicer has, which may look elsewhere."""
    logic = slicer.vtkMRMLViewLogic()
    logic.SetMRMLApplicationLogic(applicationLogic)
    logic.SetMRMLScene(scene)
    logic.AddViewNode("1")
    camera = scene.AddNewNodeByClass("vtkMRMLCameraNode")
    camera.SetLayoutName("1")
    camera.SetFocalPoint(position)
    camera.SetPosition(position + CAMERA_OFFSET_MM)
    camera.SetViewUp(0, 0, 1)
