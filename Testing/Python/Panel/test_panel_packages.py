"""Set-up of the Python packages: asked once, nothing without a yes, with and without a network."""

import importlib.metadata
import os
import shutil
import subprocess
import sys
from types import SimpleNamespace

import pytest
import slicer
from panelFixtures import (
    MODULE_SCRIPT,
    REPOSITORY,
    addCt,
    application,
    click,
    client,
    errors,
    module,
    settle,
    ui,
    volumeNode,
)
from PySide6 import QtWidgets

from CervicalSpineDetectionLib.Panel import Packages as packagesModule
from CervicalSpineDetectionLib.Panel.Packages import Packages, PackagesMissing

__all__ = ["application", "client", "errors", "module", "ui", "volumeNode"]


class Machine:
    """Which packages are installed, and what pip was asked for."""

    def __init__(self, monkeypatch):
        self.installed = {"filelock": "3.20", "numpy": "2.0", "safetensors": "0.5", "torch": "2.4",
                          "torchvision": "0.19"}
        self.requires = {"ultralytics": ["numpy>=1.23", "opencv-python>=4.6", "scipy>=1.4", "dvc; extra == 'extra'"]}
        self.asked, self.questions, self.environment = [], [], []
        self.says = True
        monkeypatch.setattr(importlib.metadata, "version", self.version)
        monkeypatch.setattr(importlib.metadata, "requires", self.requires.get)
        monkeypatch.setattr(packagesModule.importlib.util, "find_spec", lambda name: None)
        monkeypatch.setattr(slicer.util, "pip_install", self.pipInstall)
        monkeypatch.setattr(slicer.util, "confirmOkCancelDisplay", self.confirm)
        monkeypatch.setitem(sys.modules, "slicer.packaging", None)

    def version(self, name):
        if name not in self.installed:
            raise importlib.metadata.PackageNotFoundError(name)
        return self.installed[name]

    def pipInstall(self, requirements, **settings):
        if not requirements:
            raise subprocess.CalledProcessError(1, "pip install")  # as pip does
        self.asked.append((requirements, settings))
        self.environment.append({name: os.environ.get(name) for name in ("PIP_NO_INDEX", "PIP_FIND_LINKS")})
        for requirement in requirements:
            if not requirement.startswith("-"):
                self.installed[requirement.split(">")[0].split(";")[0]] = "99.0"

    def confirm(self, text, **settings):
        self.questions.append(text)
        return self.says


@pytest.fixture
def machine(application, monkeypatch):
    monkeypatch.setattr(application, "_testing", False)
    return Machine(monkeypatch)


@pytest.fixture
def packages(module):
    return Packages(module.widget.packagesSection.packages.requirementsPath)


def test_missingPackagesAreNamed(packages, machine):
    machine.installed["torch"] = "1.13"

    assert packages.missing() == ["opencv-python-headless>=4.6", "torch>=2.2", "ultralytics>=8.3"]


def test_anyBuildOfOpenCvWillDo(packages, machine, monkeypatch):
    monkeypatch.setattr(packagesModule.importlib.util, "find_spec", lambda name: name == "cv2" or None)

    assert packages.missing() == ["ultralytics>=8.3"]


def test_nothingIsInstalledWithoutAYes(module, ui, client, volumeNode, machine, errors):
    machine.says = False
    click(ui.detectButton)

    assert machine.asked == [] and client.jobs == []
    assert len(errors) == 1 and "ultralytics" in errors[0] and "Advanced" in errors[0]


def test_oneQuestionNamesPackagesSizeAndLicence(packages, machine):
    packages.ensure()

    assert len(machine.questions) == 1
    for text in ("ultralytics>=8.3", "opencv-python-headless>=4.6", "GB", "AGPL-3.0"):
        assert text in machine.questions[0]


def test_installedMachineIsNotAsked(packages, machine):
    machine.installed.update({"ultralytics": "8.4", "opencv-python-headless": "4.9"})
    packages.ensure()

    assert machine.questions == [] and machine.asked == []


def test_testingModeInstallsNothing(application, packages, machine, monkeypatch):
    monkeypatch.setattr(application, "_testing", True)
    with pytest.raises(PackagesMissing):
        packages.ensure()

    assert machine.questions == [] and machine.asked == []


def test_detectionBeginsAfterTheInstallation(ui, client, volumeNode, machine):
    click(ui.detectButton)

    assert len(client.jobs) == 1
    assert ui.packagesStatusLabel.text == "All installed."


def test_slicer510InstallsUltralyticsWithoutOpenCvsQt(packages, machine):
    packages.ensure()

    asked = [requirements for requirements, _ in machine.asked]
    assert asked == [["opencv-python-headless>=4.6"], ["--no-deps", "ultralytics>=8.3"], ["scipy>=1.4"]]


def test_slicer510InstallsUltralyticsWhereAllThatItAsksForIsThere(packages, machine):
    machine.installed["scipy"] = "1.14"
    packages.ensure()

    assert packages.missing() == []
    assert machine.asked[-1][0] == ["--no-deps", "ultralytics>=8.3"]


def test_newerSlicerInstallsThroughItsOwnPackaging(packages, machine, monkeypatch):
    monkeypatch.setitem(sys.modules, "slicer.packaging", SimpleNamespace(pip_install=machine.pipInstall))
    packages.ensure()

    assert machine.asked == [
        (["opencv-python-headless>=4.6", "ultralytics>=8.3"], {"skip_packages": ["opencv-python"]})
    ]


def test_torchComesFromThePyTorchExtensionWhereItIsPresent(packages, machine, monkeypatch):
    calls = []

    class PyTorchUtilsLogic:
        def installTorch(self, **settings):
            calls.append(settings)
            machine.installed.update(torch="2.4", torchvision="0.19")

    del machine.installed["torch"], machine.installed["torchvision"]
    monkeypatch.setitem(sys.modules, "PyTorchUtils", SimpleNamespace(PyTorchUtilsLogic=PyTorchUtilsLogic))
    packages.ensure()

    assert calls == [{
        "askConfirmation": False, "torchVersionRequirement": ">=2.2", "torchvisionVersionRequirement": ">=0.17"
    }]
    assert not any("torch" in line for requirements, _ in machine.asked for line in requirements)


def test_failedInstallationIsSaidWithTheWayOut(ui, client, volumeNode, machine, monkeypatch, errors):
    def fail(requirements, **settings):
        raise RuntimeError("no route to host")

    monkeypatch.setattr(slicer.util, "pip_install", fail)
    click(ui.detectButton)

    assert client.jobs == []
    assert len(errors) == 1 and "no route to host" in errors[0] and "Offline installation" in errors[0]


def test_installationFromAFolderUsesNoNetwork(module, ui, machine, monkeypatch, tmp_path):
    monkeypatch.setattr(QtWidgets.QFileDialog, "getExistingDirectory", staticmethod(lambda *_: str(tmp_path)))
    ui.advancedCollapsibleButton.collapsed = False
    module.widget.packagesSection.show()
    settle()
    assert "ultralytics" in ui.packagesStatusLabel.text
    click(ui.installOfflineButton)

    assert machine.environment and all(
        each == {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path)} for each in machine.environment
    )
    assert "PIP_NO_INDEX" not in os.environ
    assert ui.packagesStatusLabel.text == "All installed."


def test_installButtonInstalls(module, ui, machine):
    ui.advancedCollapsibleButton.collapsed = False
    module.widget.packagesSection.show()
    settle()
    click(ui.installButton)

    assert len(machine.questions) == 1
    assert ui.packagesStatusLabel.text == "All installed."
    assert not ui.installButton.enabled


@pytest.mark.parametrize(("platform", "executable", "start"), [
    ("linux", "/opt/Slicer 5.10.0/bin/PythonSlicer", "'/opt/Slicer 5.10.0/bin/PythonSlicer' -m pip "),
    ("win32", r"C:\Slicer 5.10.0\bin\PythonSlicer.exe", r'"C:\Slicer 5.10.0\bin\PythonSlicer.exe" -m pip '),
])
def test_offlineHelpGivesTheExactCommands(ui, packages, monkeypatch, platform, executable, start):
    shown = []
    monkeypatch.setattr(slicer.util, "infoDisplay", lambda text, **_: shown.append(text))
    monkeypatch.setattr(sys, "executable", executable)
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    ui.advancedCollapsibleButton.collapsed = False
    settle()
    click(ui.offlineHelpButton)

    commands = [line.strip() for line in shown[0].splitlines() if " -m pip " in line]
    assert len(commands) == 4 and all(command.startswith(start) for command in commands)
    # A ">" that is not quoted writes into a file.
    quoted = {line: f'"{line}"' if platform == "win32" else f"'{line}'" for line in packages.requirements()}
    assert commands[0].removeprefix(start) == "download --dest wheels " + " ".join(quoted.values())
    assert commands[1].removeprefix(start) == "install --no-index --find-links wheels " + " ".join(quoted.values())


def test_sampleAsksForThePackagesFirst(module, machine, errors):
    machine.says = False

    assert module.script.makeSample() is None
    assert len(errors) == 1 and "ultralytics" in errors[0]
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode") == 0


OPEN_WITHOUT_PACKAGES = """
import sys
sys.modules.update(dict.fromkeys(["torch", "torchvision", "ultralytics", "safetensors", "cv2"]))
from SlicerStandIn.Application import ModuleRepresentation, start
import slicer
start()
from sceneFixtures import madeImage, madeResult
from CervicalSpineDetectionLib.Scene.VertebraNodes import addVertebrae
from CervicalSpineDetectionLib.Scene.VolumeNodes import volumeNodeFromImage
addVertebrae(slicer.mrmlScene, madeResult(), volumeNodeFromImage(slicer.mrmlScene, madeImage(), "CT"))
module = ModuleRepresentation(sys.argv[1])
module.enter()
module.widget.ui.shiftDownButton.click()
print(module.widget.ui.vertebraTable.rowCount, module.widget.ui.exportJsonButton.enabled)
module.unload()
"""


def test_panelOpensAndCorrectsInASlicerWithoutThePackages():
    tests = REPOSITORY / "Testing"
    folders = [REPOSITORY / "CervicalSpineDetection", tests, tests / "Python" / "Panel", tests / "Python" / "Scene"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, folders))}
    run = subprocess.run(
        [sys.executable, "-c", OPEN_WITHOUT_PACKAGES, str(MODULE_SCRIPT)], env=environment, capture_output=True,
        text=True,
    )

    assert run.returncode == 0, run.stderr
    assert run.stdout.split() == ["3", "True"]


def test_missingPackagesDoNotStartTheWorkerWhenTheModuleIsEntered(module, client, machine):
    addCt(module)
    module.exit()
    module.enter()

    assert client.starts == 0
