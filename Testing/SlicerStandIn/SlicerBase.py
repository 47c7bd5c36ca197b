"""The contract of Slicer's scripted-module base classes and parameter node wrapper, as far as this extension uses it.

Where Slicer's own files are at hand they take the place of these (see ``Application.start``).
"""

from __future__ import annotations

import enum
import os
import sys
import typing
import unittest
from types import ModuleType

import slicer
import vtk

from SlicerStandIn import PythonQt as qt


class ScriptedLoadableModule:
    def __init__(self, parent):
        self.parent = parent
        self.moduleName = type(self).__name__
        iconPath = self.resourcePath(f"Icons/{self.moduleName}.png")
        parent.icon = qt.QIcon(iconPath) if os.path.isfile(iconPath) else None

    def resourcePath(self, filename):
        return os.path.join(os.path.dirname(self.parent.path), "Resources", filename)


class ScriptedLoadableModuleWidget:
    def __init__(self, parent):
        self.moduleName = type(self).__name__.removesuffix("Widget")
        self.parent = parent
        self.layout = parent.layout()
        slicer.app.moduleManager().connect("moduleAboutToBeUnloaded(QString)", self._onModuleAboutToBeUnloaded)

    def setup(self):
        pass

    def onReload(self):
        slicer.util.reloadScriptedModule(self.moduleName)

    def resourcePath(self, filename):
        return os.path.join(os.path.dirname(slicer.util.modulePath(self.moduleName)), "Resources", filename)

    def _onModuleAboutToBeUnloaded(self, moduleName):
        if moduleName == self.moduleName:
            self.cleanup()
            slicer.app.moduleManager().disconnect("moduleAboutToBeUnloaded(QString)", self._onModuleAboutToBeUnloaded)


class ScriptedLoadableModuleLogic:
    def __init__(self):
        self.moduleName = type(self).__name__.removesuffix("Logic")

    def getParameterNode(self):
        node = slicer.mrmlScene.GetSingletonNode(self.moduleName, "vtkMRMLScriptedModuleNode")
        if node is None:
            node = slicer.mrmlScene.CreateNodeByClass("vtkMRMLScriptedModuleNode")
            node.UnRegister(None)
            node.SetSingletonTag(self.moduleName)
            node.SetAttribute("ModuleName", self.moduleName)
            node.SetName(slicer.mrmlScene.GenerateUniqueName(self.moduleName))
            slicer.mrmlScene.AddNode(node)
        return node


class ScriptedLoadableModuleTest(unittest.TestCase):
    def delayDisplay(self, message):
        slicer.app.processEvents()


def parameterNodeWrapper(cls):
    """Class decorator: annotated members are kept in a vtkMRMLScriptedModuleNode and follow widgets."""
    hints = typing.get_type_hints(cls)
    for name, kind in hints.items():
        setattr(cls, name, _parameter(name, kind, getattr(cls, name, None)))

    def init(self, node):
        self.parameterNode = node
        self._guis = {}

    cls.__init__ = init
    cls.AddObserver = lambda self, event, call, priority=0.0: self.parameterNode.AddObserver(event, call, priority)
    cls.RemoveObserver = lambda self, tag: self.parameterNode.RemoveObserver(tag)
    cls.connectGui = lambda self, gui: _connectGui(self, gui, hints)
    cls.disconnectGui = _disconnectGui
    return cls


def _parameter(name, kind, default):
    isNode = issubclass(kind, slicer.vtkMRMLNode)

    def read(self):
        if isNode:
            return self.parameterNode.GetNodeReference(name)
        text = self.parameterNode.GetParameter(name)
        if not text:
            return default
        if issubclass(kind, enum.Enum):
            return kind[text]
        return text == "True" if kind is bool else kind(text)

    def write(self, value):
        if isNode:
            self.parameterNode.SetNodeReferenceID(name, value.GetID() if value else None)
        else:
            self.parameterNode.SetParameter(name, value.name if isinstance(value, enum.Enum) else str(value))

    return property(read, write)


def _connectGui(self, gui, hints):
    connections = []
    for widget in vars(gui).values():
        name = widget.property("SlicerParameterName")
        if name:
            signature, get, put = _access(widget, hints[name])
            put(getattr(self, name))

            store = _writer(self, name, get)
            widget.connect(signature, store)
            connections.append((widget, signature, store, name, put))

    def show(caller, event):
        for *_, name, put in connections:
            put(getattr(self, name))

    tag = self.AddObserver(vtk.vtkCommand.ModifiedEvent, show)
    self._guis[tag] = connections
    return tag


def _writer(parameters, name, get):
    return lambda: setattr(parameters, name, get())


def _access(widget, kind):
    """Signal, reader and writer of a widget for a parameter of this type."""
    if isinstance(widget, slicer.qMRMLNodeComboBox):
        widget.nodeTypes = [kind.__name__]
        return "currentNodeChanged(vtkMRMLNode*)", widget.currentNode, widget.setCurrentNode
    if isinstance(widget, qt.QCheckBox):
        return "toggled(bool)", lambda: widget.checked, widget.setChecked
    if isinstance(widget, qt.QComboBox) and issubclass(kind, enum.Enum):
        members = list(kind)
        widget.clear()
        widget.addItems([member.label() for member in members])
        return (
            "currentIndexChanged(int)", lambda: members[widget.currentIndex],
            lambda value: widget.setCurrentIndex(members.index(value)),
        )
    raise TypeError(f"No stand-in connects a {type(widget).__name__} to a {kind.__name__}.")


def _disconnectGui(self, tag):
    for widget, signature, store, *_ in self._guis.pop(tag):
        widget.disconnect(signature, store)
    self.RemoveObserver(tag)


def install():
    """Make these importable under the names Slicer's own modules have."""
    contents = {
        "ScriptedLoadableModule": (
            ScriptedLoadableModule, ScriptedLoadableModuleWidget, ScriptedLoadableModuleLogic,
            ScriptedLoadableModuleTest,
        ),
        "parameterNodeWrapper": (parameterNodeWrapper,),
    }
    for name, members in contents.items():
        module = ModuleType(f"slicer.{name}")
        module.__all__ = [member.__name__ for member in members]
        for member in members:
            setattr(module, member.__name__, member)
        sys.modules[module.__name__] = module
        setattr(slicer, name, module)
    i18n = ModuleType("slicer.i18n")
    i18n.tr = lambda text: text
    i18n.translate = lambda context, text: text
    sys.modules[i18n.__name__] = i18n
