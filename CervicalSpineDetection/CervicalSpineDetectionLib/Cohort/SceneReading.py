"""Scenes of others, read in a process of their own: Slicer's readers trust a scene and its volumes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from CervicalSpineDetectionLib.Cohort.Processes import ScanFailed, inProcesses
from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Terminal import quietLibraries

if TYPE_CHECKING:
    from CervicalSpineDetectionLib.Scene.SceneCases import SceneCase

SCENE_SECONDS = 300


def casesInProcess(path: Path) -> list[SceneCase]:
    """See ``Scene.SceneCases.casesOfScene``. A bad file can end the process, and no more.

    :raises InputError: slicer-core is missing, or the scene can't be used.
    """
    ((_, cases),) = inProcesses(_casesOf, [path], 1, SCENE_SECONDS)
    if isinstance(cases, ScanFailed):
        raise InputError(f"The scene {path.name} ends or holds up its reader; save it again in 3D Slicer.")
    return cases


def _casesOf(path: Path) -> list[SceneCase]:
    try:
        from CervicalSpineDetectionLib.Scene import SceneCases
    except ImportError as error:
        raise InputError(f"Scenes need slicer-core ({error}): pip install slicer-core vtk") from error
    with quietLibraries():
        return SceneCases.casesOfScene(path)
