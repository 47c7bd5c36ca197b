import enum
import importlib.util
import os
import sys

import slicer
import vtk
from slicer import vtkMRMLScalarVolumeNode
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.parameterNodeWrapper import parameterNodeWrapper
from slicer.ScriptedLoadableModule import *
from slicer.util import VTKObservationMixin

#
# CervicalSpineDetection
#


class CervicalSpineDetection(ScriptedLoadableModule):
    """Uses ScriptedLoadableModule base class, available at:
    https://github.com/Slicer/Slicer/blob/main/Base/Python/slicer/ScriptedLoadableModule.py
    """

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = _("Cervical Spine Detection")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Segmentation")]
        self.parent.dependencies = []
        self.parent.contributors = ["CervicalSpineDetection contributors"]
        self.parent.helpText = _("""
Finds the cervical vertebrae C1 to C7 in a CT of the neck and adds a named ROI box and a centre point for each of them.
For research use only: check every box and every name before relying on it.
""")
        self.parent.acknowledgementText = _("""
The detector is a YOLOv5 network built and run with Ultralytics, which is licensed under AGPL-3.0.
The training data are listed in the model card that lies beside the weights.
""")


def requiredPackages():
    """Python packages the detection needs beyond those Slicer brings, as ``packaging`` requirements."""
    from slicer.packaging import load_requirements

    requirements = load_requirements(os.path.join(os.path.dirname(__file__), "Resources", "requirements.txt"))
    # Any build of OpenCV will do, and a second one beside it would overwrite its files.
    hasOpenCv = importlib.util.find_spec("cv2") is not None
    return [requirement for requirement in requirements if not (hasOpenCv and requirement.name.startswith("opencv"))]


#
# CervicalSpineDetectionParameterNode
#


class ComputeDevice(enum.Enum):
    """Where the detector runs."""

    AUTO = "auto"
    GPU = "gpu"
    CPU = "cpu"

    def label(self):
        return {"auto": _("Auto"), "gpu": _("GPU"), "cpu": _("CPU")}[self.value]

    def torchName(self):
        if self is ComputeDevice.GPU:
            return "mps" if sys.platform == "darwin" else "cuda"
        return self.value


@parameterNodeWrapper
class CervicalSpineDetectionParameterNode:
    """
    The parameters needed by module.

    inputVolume - The CT of the neck.
    device - Where the detector runs.
    orientedBoxes - If true, boxes are turned with the curve of the spine, else aligned with the patient axes.
    """

    inputVolume: vtkMRMLScalarVolumeNode
    device: ComputeDevice = ComputeDevice.AUTO
    orientedBoxes: bool = True


#
# CervicalSpineDetectionWidget
#


class CervicalSpineDetectionWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """Uses ScriptedLoadableModuleWidget base class, available at:
    https://github.com/Slicer/Slicer/blob/main/Base/Python/slicer/ScriptedLoadableModule.py
    """

    def __init__(self, parent=None) -> None:
        """Called when the user opens the module the first time and the widget is initialized."""
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic = None
        self._parameterNode = None
        self._parameterNodeGuiTag = None

    def setup(self) -> None:
        """Called when the user opens the module the first time and the widget is initialized."""
        ScriptedLoadableModuleWidget.setup(self)

        uiWidget = slicer.util.loadUI(self.resourcePath("UI/CervicalSpineDetection.ui"))
        self.layout.addWidget(uiWidget)
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        uiWidget.setMRMLScene(slicer.mrmlScene)

        self.logic = CervicalSpineDetectionLogic()

        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, self.onSceneEndClose)
        self.ui.detectButton.connect("clicked(bool)", self.onDetectButton)

        # Needed for module reload
        self.initializeParameterNode()

    def cleanup(self) -> None:
        """Called when the application closes and the module widget is destroyed."""
        self.removeObservers()

    def enter(self) -> None:
        """Called each time the user opens this module."""
        self.initializeParameterNode()

    def exit(self) -> None:
        """Called each time the user opens a different module."""
        self.setParameterNode(None)

    def onSceneStartClose(self, caller, event) -> None:
        """Called just before the scene is closed."""
        self.setParameterNode(None)
        self.ui.statusLabel.text = ""

    def onSceneEndClose(self, caller, event) -> None:
        """Called just after the scene is closed."""
        if self.parent.isEntered:
            self.initializeParameterNode()

    def initializeParameterNode(self) -> None:
        """Ensure parameter node exists and observed."""
        self.setParameterNode(self.logic.getParameterNode())
        if not self._parameterNode.inputVolume:
            firstVolumeNode = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLScalarVolumeNode")
            if firstVolumeNode:
                self._parameterNode.inputVolume = firstVolumeNode

    def setParameterNode(self, inputParameterNode: CervicalSpineDetectionParameterNode | None) -> None:
        """Set and observe parameter node, so that the GUI follows its changes.

        :param inputParameterNode: None to let go of the present one.
        """
        if self._parameterNode:
            self._parameterNode.disconnectGui(self._parameterNodeGuiTag)
            self.removeObserver(self._parameterNode, vtk.vtkCommand.ModifiedEvent, self._checkCanDetect)
        self._parameterNode = inputParameterNode
        if self._parameterNode:
            self._parameterNodeGuiTag = self._parameterNode.connectGui(self.ui)
            self.addObserver(self._parameterNode, vtk.vtkCommand.ModifiedEvent, self._checkCanDetect)
        self._checkCanDetect()

    def _checkCanDetect(self, caller=None, event=None) -> None:
        canDetect = bool(self._parameterNode and self._parameterNode.inputVolume)
        self.ui.detectButton.enabled = canDetect
        self.ui.detectButton.toolTip = _("Find and name the vertebrae") if canDetect else _("Select an input CT")

    def onDetectButton(self) -> None:
        """Run detection when user clicks "Detect vertebrae" button."""
        parameters = self._parameterNode
        self._showStatus("")
        with slicer.util.tryWithErrorDisplay(_("Failed to detect vertebrae."), waitCursor=True):
            self.ensurePackages()
            result = self.logic.detect(
                parameters.inputVolume, parameters.device, parameters.orientedBoxes, progress=self._showProgress
            )
            self._showStatus(self._summary(result))

    def ensurePackages(self) -> None:
        """Install missing Python packages, after asking.

        :raises RuntimeError: the user declined.
        """
        import slicer.packaging

        # The PyTorch extension picks the build that fits the graphics driver; pip alone takes the default build.
        if not slicer.packaging.pip_check("torch>=2.2"):
            try:
                from PyTorchUtils import PyTorchUtilsLogic
            except ImportError:
                pass
            else:
                if not PyTorchUtilsLogic().installTorch(askConfirmation=True, torchVersionRequirement=">=2.2"):
                    raise RuntimeError(_("PyTorch is needed and was not installed."))
        slicer.packaging.pip_ensure(
            requiredPackages(), skip_packages=["opencv-python"], requester=_("Cervical Spine Detection")
        )

    def _showProgress(self, step, done, total) -> None:
        self._showStatus(_("{step}: {done} of {total}").format(step=step, done=done, total=total))

    def _showStatus(self, text) -> None:
        self.ui.statusLabel.text = text
        # Paints now, without handling clicks that would change the scene during the run.
        self.ui.statusLabel.repaint()

    @staticmethod
    def _summary(result):
        """Levels found and what to look at, for the status line."""
        if not result.vertebrae:
            return "\n".join([_("No vertebra found."), *result.warnings])
        found = _("Found: {levels}").format(levels=", ".join(vertebra.level for vertebra in result.vertebrae))
        doubts = [f"{vertebra.level}: {vertebra.remark}" for vertebra in result.vertebrae if vertebra.remark]
        return "\n".join([found, *doubts, *result.warnings])


#
# CervicalSpineDetectionLogic
#


class CervicalSpineDetectionLogic(ScriptedLoadableModuleLogic):
    """Detection without the panel.

    Uses ScriptedLoadableModuleLogic base class, available at:
    https://github.com/Slicer/Slicer/blob/main/Base/Python/slicer/ScriptedLoadableModule.py
    """

    def getParameterNode(self):
        return CervicalSpineDetectionParameterNode(super().getParameterNode())

    def detect(self, inputVolume, device=ComputeDevice.AUTO, orientedBoxes=True, progress=None):
        """Detect the vertebrae of a CT and put them into its scene, in place of those of an earlier run.

        :param inputVolume: vtkMRMLScalarVolumeNode in HU.
        :param device: where the detector runs.
        :param orientedBoxes: boxes turned with the curve of the spine, else aligned with the patient axes.
        :param progress: called with (step, done, total).
        :return: ``Detection.Vertebra.DetectionResult``, coordinates in LPS mm.
        :raises InputError: the volume or the device cannot be used.
        """
        from CervicalSpineDetectionLib.Detection.Pipeline import detectVertebrae
        from CervicalSpineDetectionLib.Detection.YoloDetector import loadDetector
        from CervicalSpineDetectionLib.Scene.VertebraNodes import addVertebrae
        from CervicalSpineDetectionLib.Scene.VolumeNodes import imageFromVolumeNode

        detector = loadDetector(device=device.torchName())
        result = detectVertebrae(imageFromVolumeNode(inputVolume), detector, progress)
        addVertebrae(slicer.mrmlScene, result, inputVolume, oriented=orientedBoxes)
        return result


#
# CervicalSpineDetectionTest
#


class CervicalSpineDetectionTest(ScriptedLoadableModuleTest):
    """Detection on a made CT with exact ground truth.

    Uses ScriptedLoadableModuleTest base class, available at:
    https://github.com/Slicer/Slicer/blob/main/Base/Python/slicer/ScriptedLoadableModule.py
    """

    def setUp(self):
        """Reset the state by clearing the scene."""
        slicer.mrmlScene.Clear()

    def runTest(self):
        """Run as few or as many tests as needed here."""
        self.setUp()
        self.test_everyWholeCervicalVertebraOfAPhantomIsFound()

    def test_everyWholeCervicalVertebraOfAPhantomIsFound(self):
        import slicer.packaging

        if not slicer.packaging.pip_check(requiredPackages()):
            self.skipTest("Python packages are missing; the module installs them at its first run.")
        import numpy as np

        from CervicalSpineDetectionLib.Detection.Anatomy import CERVICAL_LEVELS
        from CervicalSpineDetectionLib.Evaluation.Metrics import boxIou
        from CervicalSpineDetectionLib.Phantom.Phantom import makePhantom
        from CervicalSpineDetectionLib.Scene.VertebraNodes import vertebraeFromNodes
        from CervicalSpineDetectionLib.Scene.VolumeNodes import volumeNodeFromImage

        self.delayDisplay("Making a CT")
        phantom = makePhantom(seed=17)
        volumeNode = volumeNodeFromImage(slicer.mrmlScene, phantom.ct, "Phantom")

        self.delayDisplay("Detecting its vertebrae")
        CervicalSpineDetectionLogic().detect(volumeNode, ComputeDevice.CPU, orientedBoxes=False)

        found = {vertebra.level: vertebra for vertebra in vertebraeFromNodes(slicer.mrmlScene, volumeNode)}
        whole = [truth for truth in phantom.vertebrae if truth.complete and truth.level in CERVICAL_LEVELS]
        self.assertGreater(len(whole), 4)
        for truth in whole:
            self.assertIn(truth.level, found)
            self.assertLess(np.linalg.norm(found[truth.level].centre - truth.centre), 6.0)
            self.assertGreater(boxIou(found[truth.level].bounds, truth.bounds), 0.5)

        self.delayDisplay("Test passed")
