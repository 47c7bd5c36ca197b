"""The module's panel: input, detection and its progress, Python packages. The lower half is ``CorrectionPanel``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import qt
import slicer
import vtk
from slicer.i18n import tr as _
from slicer.ScriptedLoadableModule import ScriptedLoadableModuleWidget
from slicer.util import VTKObservationMixin

from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Panel.Messages import foundIn, namesAreDoubtful
from CervicalSpineDetectionLib.Panel.ModuleLogic import (
    IDLE_POLL_MILLISECONDS,
    POLL_MILLISECONDS,
    CervicalSpineDetectionLogic,
)
from CervicalSpineDetectionLib.Panel.Packages import PackagesMissing, slicerIsTooOld
from CervicalSpineDetectionLib.Panel.PackagesSection import PackagesSection
from CervicalSpineDetectionLib.Panel.ParameterNode import (
    CervicalSpineDetectionParameterNode,
    ComputeDevice,
    GuiConnection,
)
from CervicalSpineDetectionLib.Scene.DetectionTexts import inSlicersLanguage

if TYPE_CHECKING:
    from CervicalSpineDetectionLib.Worker.WorkerClient import Cancelled, Failed, Finished, Progress, Ready

WEIGHTS_FOLDER_SETTING = "CervicalSpineDetection/WeightsFolder"


class CervicalSpineDetectionWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """Uses ScriptedLoadableModuleWidget base class, available at:
    https://github.com/Slicer/Slicer/blob/main/Base/Python/slicer/ScriptedLoadableModule.py
    """

    def __init__(self, parent: qt.QWidget | None = None) -> None:
        """Called when the user opens the module the first time and the widget is initialized."""
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic: CervicalSpineDetectionLogic | None = None
        self._parameterNode: CervicalSpineDetectionParameterNode | None = None
        self._guiConnection: GuiConnection | None = None
        self._deviceInUse = ""
        # A detection ended while another module was shown.
        self._resultIsNew = False
        # What the last detection was started with.
        self._detectedIn: slicer.vtkMRMLScalarVolumeNode | None = None
        self._isFirstDetection = False

    def setup(self) -> None:
        """Called when the user opens the module the first time and the widget is initialized."""
        ScriptedLoadableModuleWidget.setup(self)
        from CervicalSpineDetectionLib.Panel.CorrectionPanel import CorrectionPanel
        from CervicalSpineDetectionLib.Panel.ModelChoice import ModelChoice
        from CervicalSpineDetectionLib.Panel.ReviewSection import ReviewSection
        from CervicalSpineDetectionLib.Worker.WorkerClient import Cancelled, Failed, Finished, Progress, Ready

        uiWidget = slicer.util.loadUI(self.resourcePath("UI/CervicalSpineDetection.ui"))
        self.layout.addWidget(uiWidget)
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        uiWidget.setMRMLScene(slicer.mrmlScene)
        self.ui.weightsFolderEdit.filters = self.ui.weightsFolderEdit.Dirs
        self.ui.weightsFolderEdit.currentPath = qt.QSettings().value(WEIGHTS_FOLDER_SETTING, "")

        self.logic = CervicalSpineDetectionLogic()
        self.packagesSection = PackagesSection(self.ui)
        self.correctionPanel = CorrectionPanel(self.ui, uiWidget)
        self.reviewSection = ReviewSection(
            self.ui, uiWidget, lambda: self.correctionPanel.corrections,
            lambda: self.correctionPanel.showDetected(isFirst=True))
        self.modelChoice = ModelChoice(self.ui.modelComboBox, self._onModelChosen)

        self._handlers: dict[type, Callable[[Any], None]] = {
            Ready: self._onReady, Progress: self._onProgress, Finished: self._onFinished, Failed: self._onFailed,
            Cancelled: self._onCancelled,
        }
        self.pollTimer = qt.QTimer()
        self.pollTimer.connect("timeout()", self._poll)

        scene = slicer.mrmlScene
        self.addObserver(scene, scene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(scene, scene.EndCloseEvent, self.onSceneEndClose)
        self.addObserver(scene, scene.EndImportEvent, self.onSceneEndImport)
        self.addObserver(scene, scene.NodeAboutToBeRemovedEvent, self.onNodeAboutToBeRemoved)
        self.ui.detectButton.connect("clicked()", self.onDetectButton)
        self.ui.detectFromScratchButton.connect("clicked()", self.onDetectFromScratchButton)
        self.ui.weightsFolderEdit.connect("currentPathChanged(QString)", self.onWeightsFolderChanged)
        # An emptied edit only says that it is not valid.
        self.ui.weightsFolderEdit.connect("validInputChanged(bool)", self.onWeightsFolderChanged)

        # Needed for module reload
        self.initializeParameterNode()
        if self.parent.isEntered:
            self.correctionPanel.watchViews()

    def cleanup(self) -> None:
        """Called when the application closes and the module widget is destroyed."""
        self.pollTimer.stop()
        self.logic.stop()
        self.setParameterNode(None)
        self.correctionPanel.cleanup()
        self.removeObservers()

    def enter(self) -> None:
        """Called each time the user opens this module."""
        self.initializeParameterNode()
        self.correctionPanel.watchViews()
        self._showResult()
        if not self.packagesSection.packages.missing() and self._parameterNode.inputVolume:
            # The first click then starts at once.
            self.logic.warmUp()
            self._pollOften()

    def exit(self) -> None:
        """Called each time the user opens a different module. A running detection goes on."""
        self.correctionPanel.leaveViews()
        self._disconnectParameterNode()

    def onReload(self) -> None:
        """The library is loaded again too, when a developer clicks "Reload"."""
        library = __name__.split(".")[0]
        for name in [name for name in sys.modules if name.split(".")[0] == library]:
            del sys.modules[name]
        ScriptedLoadableModuleWidget.onReload(self)

    # Scene

    def onSceneStartClose(self, caller: vtk.vtkObject, event: str) -> None:
        """Called just before the scene is closed."""
        self.pollTimer.stop()
        self.logic.stop()
        self.setParameterNode(None)
        self._resultIsNew = False
        self._showIdle()
        self.correctionPanel.status.clear()

    def onSceneEndClose(self, caller: vtk.vtkObject, event: str) -> None:
        """Called just after the scene is closed."""
        if self.parent.isEntered:
            self.initializeParameterNode()

    def onSceneEndImport(self, caller: vtk.vtkObject, event: str) -> None:
        """Called just after a scene was loaded."""
        if self.parent.isEntered:
            self.setParameterNode(None)
            self.initializeParameterNode()

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def onNodeAboutToBeRemoved(self, caller: vtk.vtkObject, event: str, node: slicer.vtkMRMLNode) -> None:
        """The CT goes: nothing is left to detect in or to correct."""
        if node is self.logic.volumeNode:
            self.logic.cancel()
        if node is self.correctionPanel.volumeNode:
            self.correctionPanel.setVolume(None)

    # Parameters

    def initializeParameterNode(self) -> None:
        """Ensure parameter node exists and observed."""
        self.setParameterNode(self.logic.getParameterNode())
        if not self._parameterNode.inputVolume:
            # By class name: label maps are scalar volumes too.
            volumeNodes = [node for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
                           if node.GetClassName() == "vtkMRMLScalarVolumeNode" and not node.GetHideFromEditors()]
            if volumeNodes:
                self._parameterNode.inputVolume = volumeNodes[0]

    def setParameterNode(self, inputParameterNode: CervicalSpineDetectionParameterNode | None) -> None:
        """Set and observe parameter node, so that the GUI follows its changes.

        :param inputParameterNode: None to let go of the present one.
        """
        self._disconnectParameterNode()
        self._parameterNode = inputParameterNode
        if self._parameterNode:
            self._guiConnection = GuiConnection(self._parameterNode, self.ui)
            self.addObserver(self._parameterNode, vtk.vtkCommand.ModifiedEvent, self._onParametersModified)
        self._onParametersModified()

    def _disconnectParameterNode(self) -> None:
        if self._parameterNode:
            self._guiConnection.release()
            self._guiConnection = None
            self.removeObserver(self._parameterNode, vtk.vtkCommand.ModifiedEvent, self._onParametersModified)
        self._parameterNode = None

    def _onParametersModified(self, caller: vtk.vtkObject | None = None, event: str | None = None) -> None:
        parameters = self._parameterNode
        self.correctionPanel.setVolume(parameters.inputVolume if parameters else None)
        self.modelChoice.show(self.ui.weightsFolderEdit.currentPath, parameters.weights if parameters else "")
        self.ui.deviceComboBox.setItemText(
            0, _("Auto ({device})").format(device=self._deviceInUse) if self._deviceInUse else _("Auto")
        )
        self._updateDetectButton()

    def _updateDetectButton(self) -> None:
        button = self.ui.detectButton
        canDetect = bool(self._parameterNode and self._parameterNode.inputVolume) and not slicerIsTooOld()
        button.enabled = canDetect or self.logic.isBusy
        self.ui.detectFromScratchButton.enabled = canDetect and not self.logic.isBusy
        self.ui.otherNamingButton.enabled = not self.logic.isBusy
        button.text = _("Cancel") if self.logic.isBusy else _("Detect vertebrae")
        button.toolTip = (
            _("Stop the detection; the scene stays unchanged.") if self.logic.isBusy
            else slicerIsTooOld() or (_("Find and name the vertebrae.") if canDetect else _("Select an input CT."))
        )

    def _onModelChosen(self, path: str) -> None:
        if self._parameterNode:
            self._parameterNode.weights = path

    def onWeightsFolderChanged(self) -> None:
        qt.QSettings().setValue(WEIGHTS_FOLDER_SETTING, self.ui.weightsFolderEdit.currentPath)
        self._onParametersModified()

    # Detection

    def onDetectButton(self) -> None:
        """Run detection when user clicks "Detect vertebrae" button, end it when the user clicks "Cancel"."""
        if not self.logic.isBusy:
            self._detect()
        elif self.logic.elapsed * 1000 > slicer.app.doubleClickInterval:
            # Not the second click of a double click on "Detect vertebrae".
            self.logic.cancel()
            self._poll()

    def onDetectFromScratchButton(self) -> None:
        """Run detection without regard to what is there when user clicks "Detect from scratch" button."""
        self._detect(fromScratch=True)

    def _detect(self, fromScratch: bool = False) -> None:
        parameters = self._parameterNode
        try:
            self.packagesSection.ensure()
            corrections = self.correctionPanel.corrections
            self.logic.startDetection(
                parameters.inputVolume, parameters.device, parameters.orientedBoxes, parameters.weights,
                [] if fromScratch else corrections.confirmedVertebrae(), keepSettled=not fromScratch,
            )
        except (InputError, PackagesMissing) as error:
            slicer.util.errorDisplay(str(error))
            return
        self._detectedIn = parameters.inputVolume
        self._isFirstDetection = not corrections.rows()
        self.ui.progressBar.setRange(0, 0)
        self.ui.progressBar.visible = True
        self._poll()
        self._pollOften()

    def _poll(self) -> None:
        """Show what the worker did since the last time."""
        for event in self.logic.poll():
            self._handlers[type(event)](event)
        self._updateDetectButton()
        if self.logic.isIdle:
            # Still so often that its threads, which need Slicer's Python for it, can say that the worker ended.
            self.pollTimer.setInterval(IDLE_POLL_MILLISECONDS)
            if not self.logic.client.isAlive:
                self.pollTimer.stop()

    def _pollOften(self) -> None:
        self.pollTimer.start(POLL_MILLISECONDS)

    def _onReady(self, event: Ready) -> None:
        if self._parameterNode and self._parameterNode.device == ComputeDevice.AUTO:
            self._deviceInUse = event.device
            self._onParametersModified()

    def _onProgress(self, event: Progress) -> None:
        if event.total > 1:
            self.ui.progressBar.setRange(0, event.total)
            self.ui.progressBar.value = event.done
            step = _("{step}: {done} of {total} slices").format(
                step=inSlicersLanguage(event.step), done=event.done, total=event.total)
        else:
            # One step: how much of it is done is not known.
            self.ui.progressBar.setRange(0, 0)
            step = inSlicersLanguage(event.step)
        self.correctionPanel.status.setProgress(
            _("{step}, {seconds:.0f} s").format(step=step, seconds=self.logic.elapsed)
        )

    def _onFinished(self, event: Finished) -> None:
        self.correctionPanel.refresh()
        self._showIdle(foundIn(event.result, self.logic.elapsed), namesAreDoubtful(event.result))
        self._resultIsNew = True
        if self.parent.isEntered:
            self._showResult()

    def _showResult(self) -> None:
        """The views belong to the user, or to another module, but once after each detection."""
        if self._resultIsNew:
            self._resultIsNew = False
            if self._detectedIn is self.correctionPanel.volumeNode:
                self.correctionPanel.showDetected(self._isFirstDetection)

    def _onFailed(self, event: Failed) -> None:
        self._showIdle(_("Detection failed. The scene is unchanged."))
        slicer.util.errorDisplay(inSlicersLanguage(event.message))

    def _onCancelled(self, event: Cancelled) -> None:
        self._showIdle(_("Canceled. The scene is unchanged."))

    def _showIdle(self, text: str = "", isWarning: bool = False) -> None:
        self.ui.progressBar.visible = False
        self.correctionPanel.status.setProgress("")
        self.correctionPanel.status.say(self._detectedIn, text, isWarning)
