"""What stands in the scene now, corrections included, as files. Each is written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from CervicalSpineDetectionLib.Detection.Pipeline import imageGeometry
from CervicalSpineDetectionLib.Detection.Vertebra import DetectionResult
from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Scene.VertebraNodes import PREFIX, vertebraeFromNodes, vertebraNodes
from CervicalSpineDetectionLib.Scene.VolumeNodes import imageFromVolumeNode


def resultFromScene(scene, volumeNode) -> DetectionResult:
    """The vertebrae of a CT as they stand in the scene.

    :raises InputError: there is none, or they contradict each other.
    """
    vertebrae = vertebraeFromNodes(scene, volumeNode)
    if not vertebrae:
        raise InputError("There is no vertebra to export: detect first.")
    attributes = [(node.GetAttribute(PREFIX + "ModelName"), node.GetAttribute(PREFIX + "ModelSha256"))
                  for node in vertebraNodes(scene, volumeNode)]
    model = next(({"name": name, "sha256": sha256} for name, sha256 in attributes if name), {})
    return DetectionResult(vertebrae, image=imageGeometry(imageFromVolumeNode(volumeNode)), model=model)


def exportScene(scene, volumeNode, path) -> None:
    """Write the vertebrae; the format follows from the name: .mrk.json, .json or .csv.

    :raises InputError: see ``resultFromScene``, or the name ends otherwise.
    :raises OSError: the file can't be written.
    """
    from CervicalSpineDetectionLib.Files.ResultCsv import writeCsv
    from CervicalSpineDetectionLib.Files.ResultJson import writeJson
    from CervicalSpineDetectionLib.Scene.SceneFiles import writeMarkups

    path = Path(path)
    for ending, write in ((".mrk.json", writeMarkups), (".json", writeJson), (".csv", writeCsv)):
        if path.name.endswith(ending):
            result = resultFromScene(scene, volumeNode)
            with tempfile.TemporaryDirectory(dir=path.parent) as folder:
                temporary = Path(folder) / path.name
                write(temporary, result)
                os.replace(temporary, path)
            return
    raise InputError(f'"{path.name}" is to end in .mrk.json, .json or .csv.')
