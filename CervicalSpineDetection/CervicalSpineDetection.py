import enum
import os
import shutil
import sys
import time

import qt
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
        self.parent.dependencies = ["Markups"]
        self.parent.contributors = ["CervicalSpineDetection contributors"]
        self.parent.helpText = _("""
Finds the cervical vertebrae C1 to C7 in a CT of the neck and adds a named ROI box and a centre point for each of them.
For research use only: check every box and every name before relying on it.
""")
        self.parent.acknowledgementText = _("""
The detector is a YOLOv5 network built and run with Ultralytics, which is licensed under AGPL-3.0.
The training data are listed in the model card that lies beside the weights.
""")
        # The Sample Data module may be discovered later than this one.
        slicer.app.connect("startupCompleted()", registerSampleData)


RESOURCES = os.path.join(os.path.dirname(__file__), "Resources")
REQUIREMENTS = os.path.join(RESOURCES, "requirements.txt")

#
# Sample data
#

SAMPLE_NAME = "Cervical spine phantom"
SAMPLE_SEED = 17


def registerSampleData():
    """Add the phantom to Slicer's Sample Data module."""
    import SampleData

    SampleData.SampleDataLogic.registerCustomSampleDataSource(
        category="Cervical Spine Detection",
        sampleName=SAMPLE_NAME,
        thumbnailFileName=os.path.join(RESOURCES, "Icons", "CervicalSpineDetection.png"),
        customDownloader=makeSample,
    )


def makeSample(source=None):
    """A made neck CT, without a download.

    :param source: given by the Sample Data module, not needed.
    :return: vtkMRMLScalarVolumeNode; None where Python packages are missing, which the user is told.
    """
    from CervicalSpineDetectionLib.Panel.Packages import Packages, PackagesMissing
    from CervicalSpineDetectionLib.Scene.VolumeNodes import volumeNodeFromImage

    try:
        Packages(REQUIREMENTS).ensure()
    except PackagesMissing as error:
        slicer.util.errorDisplay(str(error))
        return None
    with slicer.util.WaitCursor():
        from CervicalSpineDetectionLib.Phantom.Phantom import makePhantom

        node = volumeNodeFromImage(slicer.mrmlScene, makePhantom(SAMPLE_SEED).ct, SAMPLE_NAME)
    slicer.util.setSliceViewerLayers(background=node, fit=True)
    return node


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
    weights - Path of the network's weights, empty for the default ones.
    """

    inputVolume: vtkMRMLScalarVolumeNode
    device: ComputeDevice = ComputeDevice.AUTO
    orientedBoxes: bool = True
    weights: str = ""


#
# CervicalSpineDetectionWidget
#

# How often the worker is asked for news.
POLL_MILLISECONDS = 10
WEIGHTS_FOLDER_SETTING = "CervicalSpineDetection/WeightsFolder"


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
        self._deviceInUse = ""

    def setup(self) -> None:
        """Called when the user opens the module the first time and the widget is initialized."""
        ScriptedLoadableModuleWidget.setup(self)
        from CervicalSpineDetectionLib.Panel.CorrectionPanel import CorrectionPanel
        from CervicalSpineDetectionLib.Panel.ModelChoice import ModelChoice
        from CervicalSpineDetectionLib.Panel.Packages import Packages

        uiWidget = slicer.util.loadUI(self.resourcePath("UI/CervicalSpineDetection.ui"))
        self.layout.addWidget(uiWidget)
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        uiWidget.setMRMLScene(slicer.mrmlScene)
        self.ui.weightsFolderEdit.filters = self.ui.weightsFolderEdit.Dirs
        self.ui.weightsFolderEdit.currentPath = qt.QSettings().value(WEIGHTS_FOLDER_SETTING, "")

        self.logic = CervicalSpineDetectionLogic()
        self.packages = Packages(REQUIREMENTS)
        self.correctionPanel = CorrectionPanel(self.ui, uiWidget)
        self.modelChoice = ModelChoice(self.ui.modelComboBox, self._onModelChosen)

        self.pollTimer = qt.QTimer()
        self.pollTimer.setInterval(POLL_MILLISECONDS)
        self.pollTimer.connect("timeout()", self._poll)

        scene = slicer.mrmlScene
        self.addObserver(scene, scene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(scene, scene.EndCloseEvent, self.onSceneEndClose)
        self.addObserver(scene, scene.EndImportEvent, self.onSceneEndImport)
        self.addObserver(scene, scene.NodeAboutToBeRemovedEvent, self.onNodeAboutToBeRemoved)
        self.ui.detectButton.connect("clicked()", self.onDetectButton)
        self.ui.weightsFolderEdit.connect("currentPathChanged(QString)", self.onWeightsFolderChanged)
        self.ui.installButton.connect("clicked()", self.onInstallButton)
        self.ui.installOfflineButton.connect("clicked()", self.onInstallOfflineButton)
        self.ui.offlineHelpButton.connect("clicked()", self.onOfflineHelpButton)

        self._showPackages()
        # Needed for module reload
        self.initializeParameterNode()

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
        if not self.packages.missing() and self._parameterNode.inputVolume:
            # The first click then starts at once.
            self.logic.warmUp()
            self.pollTimer.start()

    def exit(self) -> None:
        """Called each time the user opens a different module. A running detection goes on."""
        self.correctionPanel.leaveViews()
        self._disconnectParameterNode()

    # Scene

    def onSceneStartClose(self, caller, event) -> None:
        """Called just before the scene is closed."""
        self.pollTimer.stop()
        self.logic.stop()
        self.setParameterNode(None)
        self._showIdle("")

    def onSceneEndClose(self, caller, event) -> None:
        """Called just after the scene is closed."""
        if self.parent.isEntered:
            self.initializeParameterNode()

    def onSceneEndImport(self, caller, event) -> None:
        """Called just after a scene was loaded."""
        if self.parent.isEntered:
            self.setParameterNode(None)
            self.initializeParameterNode()

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def onNodeAboutToBeRemoved(self, caller, event, node) -> None:
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
            firstVolumeNode = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLScalarVolumeNode")
            if firstVolumeNode:
                self._parameterNode.inputVolume = firstVolumeNode

    def setParameterNode(self, inputParameterNode) -> None:
        """Set and observe parameter node, so that the GUI follows its changes.

        :param inputParameterNode: None to let go of the present one.
        """
        self._disconnectParameterNode()
        self._parameterNode = inputParameterNode
        if self._parameterNode:
            self._parameterNodeGuiTag = self._parameterNode.connectGui(self.ui)
            self.addObserver(self._parameterNode, vtk.vtkCommand.ModifiedEvent, self._onParametersModified)
        self._onParametersModified()

    def _disconnectParameterNode(self):
        if self._parameterNode:
            self._parameterNode.disconnectGui(self._parameterNodeGuiTag)
            self.removeObserver(self._parameterNode, vtk.vtkCommand.ModifiedEvent, self._onParametersModified)
        self._parameterNode = None

    def _onParametersModified(self, caller=None, event=None) -> None:
        parameters = self._parameterNode
        self.correctionPanel.setVolume(parameters.inputVolume if parameters else None)
        self.modelChoice.show(self.ui.weightsFolderEdit.currentPath, parameters.weights if parameters else "")
        self.ui.deviceComboBox.setItemText(
            0, _("Auto ({device})").format(device=self._deviceInUse) if self._deviceInUse else _("Auto")
        )
        self._updateDetectButton()

    def _updateDetectButton(self):
        from CervicalSpineDetectionLib.Panel.Packages import slicerIsTooOld

        button = self.ui.detectButton
        canDetect = bool(self._parameterNode and self._parameterNode.inputVolume) and not slicerIsTooOld()
        button.enabled = canDetect or self.logic.isBusy
        button.text = _("Cancel") if self.logic.isBusy else _("Detect vertebrae")
        button.toolTip = (
            _("End the detection; the scene stays as it is.") if self.logic.isBusy
            else slicerIsTooOld() or (_("Find and name the vertebrae.") if canDetect else _("Select an input CT."))
        )

    def _onModelChosen(self, path):
        if self._parameterNode:
            self._parameterNode.weights = path

    def onWeightsFolderChanged(self, path) -> None:
        qt.QSettings().setValue(WEIGHTS_FOLDER_SETTING, path)
        self._onParametersModified()

    # Detection

    def onDetectButton(self) -> None:
        """Run detection when user clicks "Detect vertebrae" button, end it when the user clicks "Cancel"."""
        from CervicalSpineDetectionLib.Errors import InputError
        from CervicalSpineDetectionLib.Panel.Packages import PackagesMissing

        if self.logic.isBusy:
            self.logic.cancel()
            self._poll()
            return
        parameters = self._parameterNode
        try:
            self.packages.ensure()
            self._showPackages()
            corrections = self.correctionPanel.corrections
            self.logic.startDetection(
                parameters.inputVolume, parameters.device, parameters.orientedBoxes, parameters.weights,
                corrections.confirmedVertebrae() if corrections else [],
            )
        except (InputError, PackagesMissing) as error:
            slicer.util.errorDisplay(str(error))
            return
        self.ui.progressBar.setRange(0, 0)
        self.ui.progressBar.visible = True
        self._poll()
        self.pollTimer.start()

    def _poll(self) -> None:
        """Show what the worker did since the last time."""
        for event in self.logic.poll():
            getattr(self, "_on" + type(event).__name__)(event)
        self._updateDetectButton()
        if self.logic.isIdle:
            self.pollTimer.stop()

    def _onReady(self, event):
        if self._parameterNode and self._parameterNode.device == ComputeDevice.AUTO:
            self._deviceInUse = event.device
            self._onParametersModified()

    def _onProgress(self, event):
        self.ui.progressBar.setRange(0, event.total)
        self.ui.progressBar.value = event.done
        self.ui.statusLabel.text = _("{step}: {done} of {total}, {seconds:.0f} s").format(
            step=event.step, done=event.done, total=event.total, seconds=self.logic.elapsed
        )

    def _onFinished(self, event):
        self._showIdle(_summary(event.result, self.logic.elapsed))
        self.correctionPanel.refresh()
        self.correctionPanel.selectMiddle()

    def _onFailed(self, event):
        self._showIdle(_("Not detected. The scene is as it was."))
        slicer.util.errorDisplay(event.message)

    def _onCancelled(self, event):
        self._showIdle(_("Cancelled. The scene is as it was."))

    def _showIdle(self, text):
        self.ui.progressBar.visible = False
        self.ui.statusLabel.text = text

    # Python packages

    def onInstallButton(self) -> None:
        """Install missing packages when user clicks "Install..." button."""
        self._install(self.packages.ensure)

    def onInstallOfflineButton(self) -> None:
        """Install missing packages from a folder the user chooses."""
        folder = qt.QFileDialog.getExistingDirectory(self.ui.installOfflineButton, _("Folder of wheels"))
        if folder:
            self._install(lambda: self.packages.install(self.packages.missing(), folder))

    def onOfflineHelpButton(self) -> None:
        """Say how to install without a network."""
        slicer.util.infoDisplay(self.packages.offlineHelp())

    def _install(self, install):
        from CervicalSpineDetectionLib.Panel.Packages import PackagesMissing

        try:
            install()
        except PackagesMissing as error:
            slicer.util.errorDisplay(str(error))
        self._showPackages()

    def _showPackages(self):
        missing = self.packages.missing()
        self.ui.packagesStatusLabel.text = (
            _("Missing: {names}").format(names=", ".join(missing)) if missing else _("All installed.")
        )
        self.ui.installButton.enabled = self.ui.installOfflineButton.enabled = bool(missing)


def _summary(result, seconds):
    """Levels found and what to look at, for the status line."""
    if not result.vertebrae:
        return "\n".join([_("No vertebra found."), *result.warnings])
    found = _("Found in {seconds:.0f} s: {levels}").format(
        seconds=seconds, levels=", ".join(vertebra.level for vertebra in result.vertebrae)
    )
    return "\n".join([found, *result.warnings])


#
# CervicalSpineDetectionLogic
#


class CervicalSpineDetectionLogic(ScriptedLoadableModuleLogic):
    """Detection in a worker process, without the panel.

    Uses ScriptedLoadableModuleLogic base class, available at:
    https://github.com/Slicer/Slicer/blob/main/Base/Python/slicer/ScriptedLoadableModule.py
    """

    def __init__(self):
        ScriptedLoadableModuleLogic.__init__(self)
        self._client = None
        self._orientedBoxes = True
        self._started = self._warmUpUntil = 0.0
        # The CT in which a detection runs.
        self.volumeNode = None

    def getParameterNode(self):
        return CervicalSpineDetectionParameterNode(super().getParameterNode())

    @property
    def client(self):
        """Of the worker process, made when first needed. ``Worker.WorkerClient.WorkerClient``, or the like in tests."""
        if self._client is None:
            from CervicalSpineDetectionLib.Worker.WorkerClient import WorkerClient

            python = shutil.which("PythonSlicer") or sys.executable
            self._client = WorkerClient([python, "-m", "CervicalSpineDetectionLib.Worker"])
        return self._client

    @client.setter
    def client(self, client):
        self._client = client

    @property
    def isBusy(self):
        """A detection runs."""
        return self._client is not None and self._client.isBusy

    @property
    def isIdle(self):
        """No news are to be expected."""
        return not self.isBusy and time.monotonic() > self._warmUpUntil

    @property
    def elapsed(self):
        """Seconds since the detection began."""
        return time.monotonic() - self._started

    def warmUp(self):
        """Start the worker, if it does not run."""
        if not self.client.isAlive:
            self._warmUpUntil = time.monotonic() + 60
            self.client.start()

    def startDetection(self, inputVolume, device=ComputeDevice.AUTO, orientedBoxes=True, weights="", confirmed=()):
        """Begin to detect the vertebrae of a CT; ``poll`` puts them into the scene.

        :param inputVolume: vtkMRMLScalarVolumeNode in HU.
        :param orientedBoxes: boxes turned with the curve of the spine, else aligned with the patient axes.
        :param weights: path of a safetensors file, empty for the default.
        :param confirmed: Vertebra objects that a person settled, see ``Scene.Corrections``.
        :raises InputError: the volume can't be used.
        """
        from CervicalSpineDetectionLib.Scene.VolumeNodes import arrayFromVolumeNode

        volume = arrayFromVolumeNode(inputVolume)
        self.volumeNode, self._orientedBoxes, self._started = inputVolume, orientedBoxes, time.monotonic()
        self.client.detect(volume, device=device.torchName(), weights=weights or None, confirmed=confirmed)

    def poll(self):
        """To be called often while a detection runs.

        :return: events of the worker since the last call; where one is Finished, its vertebrae are in the scene.
        """
        from CervicalSpineDetectionLib.Scene.VertebraNodes import addVertebrae
        from CervicalSpineDetectionLib.Worker.WorkerClient import Finished, Ready

        events = self._client.poll() if self._client else []
        for event in events:
            if isinstance(event, Finished):
                addVertebrae(slicer.mrmlScene, event.result, self.volumeNode, oriented=self._orientedBoxes)
            if isinstance(event, Ready):
                self._warmUpUntil = 0.0
        if not self.isBusy:
            self.volumeNode = None
        return events

    def cancel(self):
        """End a running detection; the scene stays as it is."""
        if self.isBusy:
            self._warmUpUntil = time.monotonic() + 60
            self.client.cancel()

    def stop(self):
        """End the worker process, and a detection with it."""
        if self._client is not None:
            self._client.stop()
        self.volumeNode = None

    def detect(self, inputVolume, **settings):
        """As ``startDetection``, and wait; for scripts. The application goes on meanwhile.

        :return: ``Detection.Vertebra.DetectionResult``, coordinates in LPS mm.
        :raises InputError: the volume can't be used, or the detection failed or was cancelled.
        """
        from CervicalSpineDetectionLib.Errors import InputError
        from CervicalSpineDetectionLib.Worker.WorkerClient import Cancelled, Failed, Finished

        self.startDetection(inputVolume, **settings)
        while True:
            for event in self.poll():
                if isinstance(event, Finished):
                    return event.result
                if isinstance(event, Failed):
                    raise InputError(event.message)
                if isinstance(event, Cancelled):
                    raise InputError(_("The detection was cancelled."))
            slicer.app.processEvents()
            time.sleep(POLL_MILLISECONDS / 1000)


#
# CervicalSpineDetectionTest
#


class CervicalSpineDetectionTest(ScriptedLoadableModuleTest):
    """What a user does, on a made CT with exact ground truth and without a network.

    Uses ScriptedLoadableModuleTest base class, available at:
    https://github.com/Slicer/Slicer/blob/main/Base/Python/slicer/ScriptedLoadableModule.py
    """

    def setUp(self):
        """Reset the state by clearing the scene."""
        slicer.mrmlScene.Clear()
        self.logic = CervicalSpineDetectionLogic()
        self.addCleanup(self.logic.stop)

    def tearDown(self):
        self.logic.stop()

    def runTest(self):
        """Run as few or as many tests as needed here."""
        self.setUp()
        try:
            self.test_phantomIsDetectedCorrectedAndSaved()
        finally:
            self.tearDown()

    def test_phantomIsDetectedCorrectedAndSaved(self):
        from CervicalSpineDetectionLib.Panel.Packages import Packages

        if Packages(REQUIREMENTS).missing():
            self.skipTest("Python packages are missing; the module installs them at its first run.")
        from CervicalSpineDetectionLib.Phantom.Phantom import makePhantom
        from CervicalSpineDetectionLib.Scene.VolumeNodes import volumeNodeFromImage

        self.delayDisplay("Making a CT")
        phantom = makePhantom(SAMPLE_SEED)
        volumeNode = volumeNodeFromImage(slicer.mrmlScene, phantom.ct, "Phantom")

        self.delayDisplay("Cancelling a detection")
        self.checkCancel(volumeNode)
        self.delayDisplay("Detecting the vertebrae")
        self.logic.detect(volumeNode, device=ComputeDevice.CPU, orientedBoxes=False)
        self.checkDetection(phantom, volumeNode)
        self.delayDisplay("Correcting")
        self.checkCorrections(volumeNode)
        self.delayDisplay("Saving and loading")
        self.checkSaved(volumeNode)
        self.delayDisplay("Test passed")

    def checkCancel(self, volumeNode):
        from CervicalSpineDetectionLib.Scene.VertebraNodes import vertebraNodes
        from CervicalSpineDetectionLib.Worker.WorkerClient import Cancelled

        self.logic.startDetection(volumeNode, ComputeDevice.CPU)
        self.logic.cancel()
        self.assertTrue(any(isinstance(event, Cancelled) for event in self.logic.poll()))
        self.assertFalse(self.logic.isBusy)
        self.assertEqual(list(vertebraNodes(slicer.mrmlScene, volumeNode)), [])

    def checkDetection(self, phantom, volumeNode):
        import numpy as np

        from CervicalSpineDetectionLib.Detection.Anatomy import CERVICAL_LEVELS
        from CervicalSpineDetectionLib.Evaluation.Metrics import boxIou
        from CervicalSpineDetectionLib.Scene.VertebraNodes import vertebraeFromNodes

        found = {vertebra.level: vertebra for vertebra in vertebraeFromNodes(slicer.mrmlScene, volumeNode)}
        whole = [truth for truth in phantom.vertebrae if truth.complete and truth.level in CERVICAL_LEVELS]
        self.assertGreater(len(whole), 4)
        for truth in whole:
            self.assertIn(truth.level, found)
            self.assertLess(np.linalg.norm(found[truth.level].centre - truth.centre), 6.0)
            self.assertGreater(boxIou(found[truth.level].bounds, truth.bounds), 0.5)

    def checkCorrections(self, volumeNode):
        from CervicalSpineDetectionLib.Scene.Corrections import Corrections

        corrections = Corrections(slicer.mrmlScene, volumeNode)
        self.addCleanup(corrections.release)
        detected = [row.level for row in corrections.rows()]
        corrections.shift(1)
        shifted = [row.level for row in corrections.rows()]
        self.assertEqual(shifted[:-1], detected[1:])
        corrections.undo()
        self.assertEqual([row.level for row in corrections.rows()], detected)
        corrections.redo()
        self.assertEqual([row.level for row in corrections.rows()], shifted)
        corrections.undo()

        row = corrections.rows()[2]
        roi = slicer.mrmlScene.GetNodeByID(row.nodeId)
        roi.SetSize(roi.GetSize()[0] + 10, *roi.GetSize()[1:])
        self.assertAlmostEqual(corrections.rows()[2].size[0], row.size[0] + 10)
        self.assertTrue(corrections.rows()[2].edited)

    def checkSaved(self, volumeNode):
        import numpy as np

        from CervicalSpineDetectionLib.Scene.VertebraNodes import vertebraeFromNodes

        saved = vertebraeFromNodes(slicer.mrmlScene, volumeNode)
        path = os.path.join(slicer.util.tempDirectory(), "self test.mrb")
        self.assertTrue(slicer.util.saveScene(path))
        slicer.mrmlScene.Clear()
        slicer.util.loadScene(path)
        loaded = vertebraeFromNodes(
            slicer.mrmlScene, slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLScalarVolumeNode")
        )
        self.assertEqual([vertebra.level for vertebra in loaded], [vertebra.level for vertebra in saved])
        for one, other in zip(loaded, saved):  # noqa: B905
            np.testing.assert_allclose(one.bounds.minimum, other.bounds.minimum, rtol=0, atol=0.01)
