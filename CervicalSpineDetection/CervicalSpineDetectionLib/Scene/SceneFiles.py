"""Results as files that open in Slicer."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path

import slicer

from CervicalSpineDetectionLib.Scene.HeadlessScene import HeadlessScene
from CervicalSpineDetectionLib.Scene.VertebraNodes import addVertebrae
from CervicalSpineDetectionLib.Scene.Volumes import volumeNodeFromImage


def writeScene(path, image, result, name, oriented=True):
    """A scene bundle (.mrb) with CT, boxes, centres and their folder.

    :param path: file to write.
    :param image: sitk CT.
    :param result: DetectionResult.
    :param name: name of the CT in the scene.
    :param oriented: see ``addVertebrae``.
    :raises OSError: the bundle could not be written.
    """
    headless = HeadlessScene()
    volumeNode = volumeNodeFromImage(headless.scene, image, name)
    addVertebrae(headless.scene, result, volumeNode, oriented)
    headless.applicationLogic.GetSelectionNode().SetReferenceActiveVolumeID(volumeNode.GetID())
    with tempfile.TemporaryDirectory() as folder:
        bundle = Path(folder) / "scene.mrb"
        if not headless.scene.WriteToMRB(str(bundle)):
            raise OSError(f"The scene could not be written to {path}.")
        shutil.copyfile(bundle, path)
    headless.scene.Clear(1)


def writeMarkups(path, result):
    """All boxes and the centres as one markups JSON file.

    Slicer's file format allows several markups in a file; each is written by Slicer's own storage node and the
    documents are joined.

    :param path: file to write (.mrk.json).
    :param result: DetectionResult.
    """
    headless = HeadlessScene()
    rois, centres = addVertebrae(headless.scene, result)
    documents = []
    with tempfile.TemporaryDirectory() as folder:
        for index, node in enumerate([centres, *rois]):
            storage = (slicer.vtkMRMLMarkupsROIJsonStorageNode if node in rois else
                       slicer.vtkMRMLMarkupsJsonStorageNode)()
            file = Path(folder) / f"{index}.mrk.json"
            storage.SetFileName(str(file))
            if not storage.WriteData(node):
                raise OSError(f"The markups could not be written to {path}.")
            document = json.loads(file.read_text(encoding="utf-8"))
            for markup in document["markups"]:
                markup["name"] = node.GetName()
            documents.append(document)
    joined = {**documents[0], "markups": [markup for document in documents for markup in document["markups"]]}
    Path(path).write_text(json.dumps(joined, indent=1) + "\n", encoding="utf-8")
    headless.scene.Clear(1)
