"""The self test Slicer runs, here under the stand-in, with the real network in a real worker."""

import io
import re
import unittest

import pytest
import slicer
from panelFixtures import MODULE_SCRIPT, REPOSITORY, ModuleRepresentation, application, errors

from CervicalSpineDetectionLib.Panel.Packages import Packages

__all__ = ["application", "errors"]


def test_moduleSelfTestPasses(application, errors):
    module = ModuleRepresentation(MODULE_SCRIPT)
    try:
        result = unittest.TestResult()
        module.script.CervicalSpineDetectionTest("test_phantomIsDetectedCorrectedAndSaved").run(result)
    finally:
        module.unload()

    assert result.testsRun == 1 and result.skipped == []
    assert result.wasSuccessful(), result.errors + result.failures


def test_skippedSelfTestIsNotShownAsFailed(application, errors, monkeypatch):
    module = ModuleRepresentation(MODULE_SCRIPT)
    told = []
    monkeypatch.setattr(slicer.util, "infoDisplay", told.append)
    monkeypatch.setattr(Packages, "missing", lambda self: ["torch>=2.2"])
    try:
        module.script.CervicalSpineDetectionTest().runTest()
    except unittest.SkipTest:
        pytest.fail("Slicer shows an exception as a failed test.")
    module.unload()

    assert len(told) == 1 and told[0].startswith("The test was skipped: Python packages are missing")


def test_selfTestWithoutPackagesIsNoSuccessForCTest(application, errors, monkeypatch):
    """Slicer runs it with unittest; CTest looks for what that prints."""
    module = ModuleRepresentation(MODULE_SCRIPT)
    monkeypatch.setattr(Packages, "missing", lambda self: ["torch>=2.2"])
    printed = io.StringIO()
    suite = unittest.TestLoader().loadTestsFromName("CervicalSpineDetection")
    unittest.TextTestRunner(stream=printed, verbosity=2).run(suite)
    module.unload()
    cmake = (REPOSITORY / "CervicalSpineDetection" / "CMakeLists.txt").read_text(encoding="utf-8")
    (skipped,) = re.findall(r'py_\$\{MODULE_NAME\} PROPERTIES SKIP_REGULAR_EXPRESSION "(.*)"', cmake)

    assert re.search(skipped.replace("\\\\", "\\"), printed.getvalue())


def test_selfTestRunsAsReloadAndTestStartsIt(application, errors, monkeypatch):
    """Slicer calls ``runTest`` of an instance made without a method name."""
    module = ModuleRepresentation(MODULE_SCRIPT)
    called = []
    testClass = module.script.CervicalSpineDetectionTest
    monkeypatch.setattr(testClass, "test_phantomIsDetectedCorrectedAndSaved", lambda self: called.append(self))
    testClass().runTest()
    module.unload()

    assert len(called) == 1
