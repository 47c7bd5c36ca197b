"""The self test Slicer runs, here under the stand-in, with the real network in a real worker."""

import unittest

from panelFixtures import MODULE_SCRIPT, ModuleRepresentation, application, errors

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


def test_selfTestRunsAsReloadAndTestStartsIt(application, errors, monkeypatch):
    """Slicer calls ``runTest`` of an instance made without a method name."""
    module = ModuleRepresentation(MODULE_SCRIPT)
    called = []
    testClass = module.script.CervicalSpineDetectionTest
    monkeypatch.setattr(testClass, "test_phantomIsDetectedCorrectedAndSaved", lambda self: called.append(self))
    testClass().runTest()
    module.unload()

    assert len(called) == 1
