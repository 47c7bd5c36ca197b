"""A MRML scene outside the Slicer application (slicer-core): what Slicer's own start-up does, as far as needed."""

import slicer
import vtk

MODULE_LOGICS = {
    "SubjectHierarchy": "vtkSlicerSubjectHierarchyModuleLogic",
    "Markups": "vtkSlicerMarkupsLogic",
    "Volumes": "vtkSlicerVolumesLogic",
    "Data": "vtkSlicerDataModuleLogic",
}


class HeadlessScene:
    """Scene with application logic. Use inside Slicer is neither needed nor meant: it has ``slicer.mrmlScene``.

    :ivar scene: vtkMRMLScene.
    :ivar applicationLogic: vtkSlicerApplicationLogic, needed by views.
    """

    def __init__(self):
        self.scene = slicer.vtkMRMLScene()
        self.applicationLogic = slicer.vtkSlicerApplicationLogic()
        self.applicationLogic.SetMRMLScene(self.scene)
        self.applicationLogic.SetSliceLogics(vtk.vtkCollection())
        self.applicationLogic.SetViewLogics(vtk.vtkCollection())
        self.applicationLogic.GetColorLogic().SetMRMLScene(self.scene)
        self.applicationLogic.GetColorLogic().AddDefaultColorNodes()
        self.scene.AddNode(slicer.vtkMRMLSelectionNode())
        crosshair = slicer.vtkMRMLCrosshairNode()
        crosshair.SetCrosshairName("default")
        self.scene.AddNode(crosshair)
        slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(self.scene, True)
        # References are kept here: the application logic holds its module logics weakly.
        self._logics = {"Colors": slicer.vtkMRMLColorLogic()}
        self._logics.update({name: getattr(slicer, kind)() for name, kind in MODULE_LOGICS.items()})
        for name, logic in self._logics.items():
            logic.SetMRMLScene(self.scene)
            logic.SetMRMLApplicationLogic(self.applicationLogic)
            self.applicationLogic.SetModuleLogic(name, logic)
