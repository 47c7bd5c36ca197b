"""What stands in the scene now, corrections included, as files. Each is written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import SimpleITK as sitk

from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Imaging.HounsfieldUnits import correctHuOffset
from CervicalSpineDetectionLib.Imaging.ImageGeometry import imageGeometry
from CervicalSpineDetectionLib.Results.LabelMapExport import boneMask, boxMap
from CervicalSpineDetectionLib.Results.ResultJson import writeJson
from CervicalSpineDetectionLib.Results.ResultTable import writeCsv
from CervicalSpineDetectionLib.Scene.HeadlessScene import headlessScene
from CervicalSpineDetectionLib.Scene.OwnNodes import vertebraNodes
from CervicalSpineDetectionLib.Scene.SceneBundle import writeBundle
from CervicalSpineDetectionLib.Scene.SceneFiles import writeMarkups
from CervicalSpineDetectionLib.Scene.SegmentationNode import addSegmentation
from CervicalSpineDetectionLib.Scene.Translation import tr as _
from CervicalSpineDetectionLib.Scene.VertebraNodes import readStates, vertebraeFromNodes, writeStates
from CervicalSpineDetectionLib.Scene.VertebraState import PREFIX
from CervicalSpineDetectionLib.Scene.VolumeNodes import imageFromVolumeNode, volumeNodeFromImage
from CervicalSpineDetectionLib.Spine.Vertebra import DetectionResult

if TYPE_CHECKING:
    import slicer


def resultFromScene(scene: slicer.vtkMRMLScene, volumeNode: slicer.vtkMRMLScalarVolumeNode) -> DetectionResult:
    """The vertebrae of a CT as they stand in the scene.

    :raises InputError: there is none, or they contradict each other.
    """
    vertebrae = vertebraeFromNodes(scene, volumeNode)
    if not vertebrae:
        raise InputError(_("There is no vertebra to export: detect first."))
    attributes = [(node.GetAttribute(PREFIX + "ModelName"), node.GetAttribute(PREFIX + "ModelSha256"))
                  for node in vertebraNodes(scene, volumeNode)]
    model = next(({"name": name, "sha256": sha256} for name, sha256 in attributes if name), {})
    return DetectionResult(vertebrae, image=imageGeometry(imageFromVolumeNode(volumeNode)), model=model)


def addBoneSegmentation(scene: slicer.vtkMRMLScene,
                        volumeNode: slicer.vtkMRMLScalarVolumeNode | None) -> slicer.vtkMRMLSegmentationNode:
    """Add the bone inside the boxes as a segmentation: a first mask, to be corrected by hand.

    :return: vtkMRMLSegmentationNode.
    :raises InputError: see ``resultFromScene``.
    """
    result = resultFromScene(scene, volumeNode)
    image = correctHuOffset(imageFromVolumeNode(volumeNode))[0]
    mask = boneMask(result.vertebrae, image)
    return addSegmentation(scene, mask, f"{volumeNode.GetName()} vertebrae", volumeNode)


def exportScene(scene: slicer.vtkMRMLScene, volumeNode: slicer.vtkMRMLScalarVolumeNode, path: str | Path) -> None:
    """Write the vertebrae; the format follows from the name.

    :param path: ends in .mrk.json (Slicer markups), .json, .csv, .nii.gz (boxes as a label map on the CT's grid, see
        ``Results.LabelMapExport.boxMap``) or .mrb (a scene of this CT and its vertebrae only, for
        ``cervical-spine corrections``).
    :raises InputError: see ``resultFromScene``, or the name ends otherwise.
    :raises OSError: the file can't be written.
    """
    path = Path(path)
    write = next((write for ending, write in WRITERS.items() if path.name.endswith(ending)), None)
    if write is None:
        raise InputError(_('"{name}" must end with one of {endings}.').format(
            name=path.name, endings=", ".join(WRITERS)))
    result = resultFromScene(scene, volumeNode)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        temporary = Path(folder) / path.name
        write(temporary, result, volumeNode)
        os.replace(temporary, path)


def _writeLabelMap(path: Path, result: DetectionResult, volumeNode: slicer.vtkMRMLScalarVolumeNode | None) -> None:
    labels = boxMap(result.vertebrae, imageFromVolumeNode(volumeNode))
    try:
        sitk.WriteImage(labels, str(path), useCompression=True)
    except RuntimeError as error:
        raise OSError(_("Could not write {name}.").format(name=path.name)) from error


def _writeBundle(path: Path, result: DetectionResult, volumeNode: slicer.vtkMRMLScalarVolumeNode | None) -> None:
    states = [replace(state, nodeId=None, pointId=None) for state in readStates(volumeNode.GetScene(), volumeNode)]
    with headlessScene() as (scene, _applicationLogic):
        # Not by its name, which may be a patient's.
        copy = volumeNodeFromImage(scene, imageFromVolumeNode(volumeNode), "CT")
        copy.AddDefaultStorageNode()
        writeStates(scene, copy, states)
        writeBundle(scene, path)


WRITERS = {
    ".mrk.json": lambda path, result, volumeNode: writeMarkups(path, result),
    ".json": lambda path, result, volumeNode: writeJson(path, result),
    ".csv": lambda path, result, volumeNode: writeCsv(path, result),
    ".mrb": _writeBundle,
    ".nii.gz": _writeLabelMap,
}
