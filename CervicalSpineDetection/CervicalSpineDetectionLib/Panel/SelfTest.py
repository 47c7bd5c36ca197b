"""The test that Slicer runs in itself, by *Reload and Test* and by CTest."""

from __future__ import annotations

import os
import unittest
from typing import TYPE_CHECKING

import slicer
from slicer.i18n import tr as _
from slicer.ScriptedLoadableModule import ScriptedLoadableModuleTest

from CervicalSpineDetectionLib.Panel.ModuleLogic import CervicalSpineDetectionLogic
from CervicalSpineDetectionLib.Panel.Packages import Packages
from CervicalSpineDetectionLib.Panel.ParameterNode import ComputeDevice

if TYPE_CHECKING:
    from CervicalSpineDetectionLib.Phantom.Phantom import Phantom

PHANTOM_SEED = 17


class CervicalSpineDetectionTest(ScriptedLoadableModuleTest):
    """What a user does, on a synthetic CT with exact ground truth and without a network.

    Uses ScriptedLoadableModuleTest base class, available at:
    https://github.com/Slicer/Slicer/blob/main/Base/Python/slicer/ScriptedLoadableModule.py
    """

    def setUp(self) -> None:
        """Reset the state by clearing the scene."""
        slicer.mrmlScene.Clear()
        self.logic = CervicalSpineDetectionLogic()
        self.addCleanup(self.logic.stop)

    def tearDown(self) -> None:
        self.logic.stop()

    def runTest(self) -> None:
        """Run as few or as many tests as needed here."""
        self.setUp()
        try:
            self.test_phantomIsDetectedCorrectedAndSaved()
        except unittest.SkipTest as reason:
            # "Reload and Test" would call it a failure; CTest, which runs the test itself, knows what a skipped one is.
            slicer.util.infoDisplay(_("The test was skipped: {reason}").format(reason=reason))
        finally:
            self.tearDown()

    def test_phantomIsDetectedCorrectedAndSaved(self) -> None:
        if Packages().missing():
            self.skipTest("Python packages are missing; the module installs them at its first run.")
        from CervicalSpineDetectionLib.Phantom.Phantom import makePhantom
        from CervicalSpineDetectionLib.Scene.VolumeNodes import volumeNodeFromImage

        self.delayDisplay("Making a CT")
        phantom = makePhantom(PHANTOM_SEED)
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

    def checkCancel(self, volumeNode: slicer.vtkMRMLScalarVolumeNode | None) -> None:
        from CervicalSpineDetectionLib.Scene.OwnNodes import vertebraNodes
        from CervicalSpineDetectionLib.Worker.WorkerClient import Cancelled

        self.logic.startDetection(volumeNode, ComputeDevice.CPU)
        self.logic.cancel()
        self.assertTrue(any(isinstance(event, Cancelled) for event in self.logic.poll()))
        self.assertFalse(self.logic.isBusy)
        self.assertEqual(list(vertebraNodes(slicer.mrmlScene, volumeNode)), [])

    def checkDetection(self, phantom: Phantom, volumeNode: slicer.vtkMRMLScalarVolumeNode | None) -> None:
        import numpy as np

        from CervicalSpineDetectionLib.Evaluation.Metrics import boxIou
        from CervicalSpineDetectionLib.Scene.VertebraNodes import vertebraeFromNodes
        from CervicalSpineDetectionLib.Spine.Levels import CERVICAL_LEVELS

        found = {vertebra.level: vertebra for vertebra in vertebraeFromNodes(slicer.mrmlScene, volumeNode)}
        whole = [truth for truth in phantom.vertebrae if truth.complete and truth.level in CERVICAL_LEVELS]
        self.assertGreater(len(whole), 4)
        for truth in whole:
            self.assertIn(truth.level, found)
            self.assertLess(np.linalg.norm(found[truth.level].centre - truth.centre), 6.0)
            self.assertGreater(boxIou(found[truth.level].bounds, truth.bounds), 0.5)

    def checkCorrections(self, volumeNode: slicer.vtkMRMLScalarVolumeNode | None) -> None:
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

    def checkSaved(self, volumeNode: slicer.vtkMRMLScalarVolumeNode | None) -> None:
        import numpy as np

        from CervicalSpineDetectionLib.Scene.VertebraNodes import vertebraeFromNodes

        saved = vertebraeFromNodes(slicer.mrmlScene, volumeNode)
        path = os.path.join(slicer.util.tempDirectory(), "self test.mrb")
        self.assertTrue(slicer.util.saveScene(path))
        slicer.mrmlScene.Clear()
        slicer.util.loadScene(path)
        (loadedVolumeNode,) = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
        loaded = vertebraeFromNodes(slicer.mrmlScene, loadedVolumeNode)
        self.assertEqual([vertebra.level for vertebra in loaded], [vertebra.level for vertebra in saved])
        for one, other in zip(loaded, saved):  # noqa: B905
            np.testing.assert_allclose(one.bounds.minimum, other.bounds.minimum, rtol=0, atol=0.01)
