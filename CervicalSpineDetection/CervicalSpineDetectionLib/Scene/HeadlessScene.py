"""A MRML scene with application logic where there is no Slicer application (slicer-core)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import slicer

# Not all of vtk, whose import takes as long as that of Slicer's own modules.
from vtkmodules.vtkCommonCore import vtkCollection

# Module logics the nodes, storage and displayable managers of this ring ask for.
MODULE_LOGICS = {
    "Colors": "vtkMRMLColorLogic",
    "Markups": "vtkSlicerMarkupsLogic",
    "SubjectHierarchy": "vtkSlicerSubjectHierarchyModuleLogic",
    "Volumes": "vtkSlicerVolumesLogic",
}

_own = threading.local()


@contextmanager
def headlessScene() -> Iterator[tuple[slicer.vtkMRMLScene, slicer.vtkSlicerApplicationLogic]]:
    """Empty scene with what Slicer's application sets up around one.

    :return: context manager that gives (vtkMRMLScene, vtkSlicerApplicationLogic); both are emptied on exit.
    """
    scene = _sceneWithSelection()
    applicationLogic = slicer.vtkSlicerApplicationLogic()
    applicationLogic.SetMRMLScene(scene)
    applicationLogic.SetSliceLogics(vtkCollection())
    applicationLogic.SetViewLogics(vtkCollection())
    # The application logic doesn't keep them alive.
    moduleLogics = {name: getattr(slicer, className)() for name, className in MODULE_LOGICS.items()}
    for name, logic in moduleLogics.items():
        logic.SetMRMLScene(scene)
        logic.SetMRMLApplicationLogic(applicationLogic)
        applicationLogic.SetModuleLogic(name, logic)
    # Adds the color nodes.
    applicationLogic.GetColorLogic().SetMRMLScene(scene)
    slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(scene, True)
    try:
        yield scene, applicationLogic
    finally:
        scene.Clear(True)
        applicationLogic.SetMRMLScene(None)


@contextmanager
def markupsScene() -> Iterator[slicer.vtkMRMLScene]:
    """The same, for markups alone, emptied on exit: one for each thread, as making it takes longer than using it."""
    if not hasattr(_own, "scene"):
        _own.scene = _sceneWithSelection()
        # Its node and storage classes are known to the scene as long as the logic lives.
        _own.logic = slicer.vtkSlicerMarkupsLogic()
        _own.logic.SetMRMLScene(_own.scene)
    try:
        yield _own.scene
    finally:
        _own.scene.Clear(False)


def _sceneWithSelection() -> slicer.vtkMRMLScene:
    scene = slicer.vtkMRMLScene()
    selectionNode = slicer.vtkMRMLSelectionNode()
    selectionNode.SetSingletonTag("Singleton")
    scene.AddNode(selectionNode)
    return scene
