"""What surrounds a scripted module in Slicer: application object, scene, module manager, layout."""

from __future__ import annotations

import importlib.util
import os
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType, SimpleNamespace

import slicer
import slicer.util
from PySide6.QtCore import QObject, QSettings, Signal
from PySide6.QtWidgets import QApplication

from CervicalSpineDetectionLib.Scene.HeadlessScene import headlessScene
from CervicalSpineDetectionLib.Scene.SceneBundle import unpackBundle
from SlicerStandIn import CtkWidgets, MrmlWidgets, PythonQt, SampleData, SlicerBase

# Slicer's sources.
SOURCE_FOLDER = "SLICER_SOURCE"


class ModuleManager(QObject):
    moduleAboutToBeUnloaded = Signal(str)
    _signatures = {"moduleAboutToBeUnloaded(QString)"}


class CoreIOManager:
    """What ``slicer.util.saveScene`` and ``loadScene`` use; scene bundles (.mrb) only."""

    def saveNodes(self, fileType, properties, messages):
        return slicer.mrmlScene.WriteToMRB(properties["fileName"])

    def loadNodes(self, fileType, properties, loadedNodes, messages):
        with tempfile.TemporaryDirectory() as folder:
            slicer.mrmlScene.SetURL(str(unpackBundle(properties["fileName"], folder)))
            return slicer.mrmlScene.Import()


class Application(QApplication):
    """``slicer.app``."""

    startupCompleted = Signal()
    _signatures = {"startupCompleted()"}

    def __init__(self):
        super().__init__(["SlicerStandIn"])
        self._moduleManager = ModuleManager()
        self._layoutManager = None
        self._testing = True
        self._settings = tempfile.TemporaryDirectory()
        self.setOrganizationName("SlicerStandIn")
        self.setApplicationName("Cervical Spine Detection")
        QSettings.setDefaultFormat(QSettings.IniFormat)
        QSettings.setPath(QSettings.IniFormat, QSettings.UserScope, self._settings.name)
        self._context = ExitStack()
        slicer.mrmlScene, self._applicationLogic = self._context.enter_context(headlessScene())
        crosshairNode = slicer.vtkMRMLCrosshairNode()
        crosshairNode.SetCrosshairName("default")
        slicer.mrmlScene.AddNode(crosshairNode)

    def close(self):
        self._context.close()

    def moduleManager(self):
        return self._moduleManager

    def layoutManager(self):
        return self._layoutManager

    def applicationLogic(self):
        return self._applicationLogic

    def coreIOManager(self):
        return CoreIOManager()

    def testingEnabled(self):
        return self._testing

    def userSettings(self):
        return PythonQt.QSettings()

    settings = userSettings

    def translate(self, context, text):
        return text

    @property
    def temporaryPath(self):
        return self._settings.name

    @property
    def majorVersion(self):
        return 5

    @property
    def minorVersion(self):
        return 13

    @property
    def applicationVersion(self):
        return "5.13.0 (stand-in)"


class ModulePanel(MrmlWidgets.qMRMLWidget):
    """Slicer's widget that a scripted module gets as its parent.

    :param representation: ModuleRepresentation.
    """

    def __init__(self, representation):
        super().__init__()
        self._representation = representation
        self._entered = False
        self.setLayout(PythonQt.QVBoxLayout())
        self.setMRMLScene(slicer.mrmlScene)

    @property
    def isEntered(self):
        return self._entered

    def reload(self):
        self._representation.makeWidget()


class ModuleRepresentation:
    """``slicer.modules.<name>``: what Slicer keeps of a loaded scripted module.

    :param path: the module's Python file.
    """

    def __init__(self, path):
        self.path = str(path)
        self.name = Path(path).stem
        self.parent = SimpleNamespace(path=self.path, title="", icon=None, categories=[], dependencies=[])
        setattr(slicer.modules, self.name.lower(), self)
        specification = importlib.util.spec_from_file_location(self.name, self.path)
        sys.modules[self.name] = importlib.util.module_from_spec(specification)
        specification.loader.exec_module(self.script)
        self.instance = getattr(self.script, self.name)(self.parent)
        self.panel = ModulePanel(self)
        self.makeWidget()

    @property
    def script(self):
        return sys.modules[self.name]

    def widgetRepresentation(self):
        return self.panel

    def makeWidget(self):
        """As Slicer does when the user first chooses the module, and when it is loaded again."""
        self.widget = getattr(self.script, self.name + "Widget")(self.panel)
        setattr(slicer.modules, self.name + "Widget", self.widget)
        self.widget.setup()

    def enter(self):
        """The user chooses the module."""
        self.panel._entered = True
        self.widget.enter()

    def exit(self):
        """The user chooses another module."""
        self.panel._entered = False
        self.widget.exit()

    def reload(self):
        """The developer's "Reload" button."""
        self.widget.onReload()

    def unload(self):
        """The application closes."""
        slicer.app.moduleManager().moduleAboutToBeUnloaded.emit(self.name)
        self.panel.deleteLater()


def installModules():
    """Make ``qt``, ``ctk`` and Slicer's module base classes importable.

    Where the environment variable SLICER_SOURCE names a checkout of Slicer, its own ScriptedLoadableModule,
    parameterNodeWrapper, i18n, packaging and SampleData are used instead of the ones here.
    """
    if "qt" in sys.modules:
        return
    sys.modules["qt"] = PythonQt
    sys.modules["ctk"] = CtkWidgets
    for cls in MrmlWidgets.CLASSES:
        setattr(slicer, cls.__name__, cls)
    slicer.modules = sys.modules["slicer.modules"] = ModuleType("slicer.modules")
    source = os.environ.get(SOURCE_FOLDER)
    if source:
        slicer.__path__.append(os.path.join(source, "Base", "Python", "slicer"))
        sys.path.append(os.path.join(source, "Modules", "Scripted", "SampleData"))
        import slicer_core.MRMLCore

        sys.modules["MRMLCorePython"] = slicer_core.MRMLCore
    else:
        SlicerBase.install()
        sys.modules["SampleData"] = SampleData


def start():
    """Make ``slicer.app`` and ``slicer.mrmlScene``, once a process.

    :return: Application.
    """
    installModules()
    if not hasattr(slicer, "app"):
        slicer.app = Application()
    return slicer.app
