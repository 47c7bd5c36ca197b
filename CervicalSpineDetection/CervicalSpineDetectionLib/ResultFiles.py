"""All files of one detection in a folder: numbers, table, markups, scene, preview."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from CervicalSpineDetectionLib.Results.ResultJson import writeJson
from CervicalSpineDetectionLib.Results.ResultTable import writeCsv
from CervicalSpineDetectionLib.Scene.SceneProcess import SceneProcess
from CervicalSpineDetectionLib.Spine.Vertebra import DetectionResult
from CervicalSpineDetectionLib.Terminal import quietLibraries

if TYPE_CHECKING:
    import SimpleITK as sitk

# The JSON is put in place last: where it is new, all others are.
RESULT_FILES = ("preview.png", "scene.mrb", "vertebrae.mrk.json", "vertebrae.csv", "vertebrae.json")


def writeFiles(folder: Path, result: DetectionResult, image: sitk.Image, name: str, oriented: bool = True,
               scene: bool = True, preview: bool = True, process: SceneProcess | None = None,
               thumbnail: str = "") -> list[str]:
    """Write the result files into a folder. What can't be made here must not cost the numbers.

    :param folder: existing folder, an absolute Path.
    :param name: of the CT in the scene.
    :param oriented: boxes of the scene along the spine's curve, else along the patient axes.
    :param scene: write scene.mrb.
    :param preview: write preview.png.
    :param process: makes Slicer's files beside this process; None: they are made here.
    :param thumbnail: name of a small copy of preview.png; empty for none.
    :return: notes for the user.
    :raises OSError: a file can't be written.
    """
    markups, bundle = folder / "vertebrae.mrk.json", folder / "scene.mrb"
    with quietLibraries():
        if process:
            process.begin(markups, result, name, oriented, scene)
        writeJson(folder / "vertebrae.json", result)
        writeCsv(folder / "vertebrae.csv", result)
        if preview:
            from CervicalSpineDetectionLib.Results.PreviewPicture import writePreview

            writePreview(folder / "preview.png", image, result, folder / thumbnail if thumbnail else None)
        if process and process.finish(bundle if scene else None):
            return []
        try:
            from CervicalSpineDetectionLib.Scene.SceneFiles import writeMarkups, writeScene
        except ImportError as error:
            return [f"scene.mrb and vertebrae.mrk.json need slicer-core ({error}) and were not written: "
                    "pip install slicer-core vtk"]
        writeMarkups(markups, result)
        if scene:
            writeScene(bundle, image, result, name, oriented)
    return []
