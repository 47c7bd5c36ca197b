"""Slicer's qMRML widgets this extension uses, on PySide6."""

from PySide6 import QtWidgets
from PySide6.QtCore import Property, Signal

from SlicerStandIn import PythonQt as qt


class qMRMLWidget(qt.QWidget):
    mrmlSceneChanged = Signal(object)
    _signatures = {"mrmlSceneChanged(vtkMRMLScene*)"}

    def __init__(self, parent=None):
        super().__init__(parent)
        self._scene = None

    def mrmlScene(self):
        return self._scene

    def setMRMLScene(self, scene):
        if scene is not self._scene:
            self._scene = scene
            self.mrmlSceneChanged.emit(scene)


def _forget(observations):
    for scene, tag in observations:
        scene.RemoveObserver(tag)
    observations.clear()


class qMRMLNodeComboBox(qMRMLWidget):
    currentNodeChanged = Signal(object)
    _signatures = {"currentNodeChanged(vtkMRMLNode*)", "currentNodeChanged(bool)"}

    def __init__(self, parent=None):
        super().__init__(parent)
        self._node = None
        self._nodeTypes = []
        self._options = dict(noneEnabled=False, addEnabled=True, removeEnabled=True, showChildNodeTypes=True)
        self._observations = observations = []
        self.destroyed.connect(lambda: _forget(observations))
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self._box = QtWidgets.QComboBox()
        self._box.activated.connect(lambda row: self.setCurrentNode(self._scene.GetNodeByID(self._box.itemData(row))))
        layout.addWidget(self._box)

    def setMRMLScene(self, scene):
        _forget(self._observations)
        super().setMRMLScene(scene)
        events = (scene.NodeAddedEvent, scene.NodeRemovedEvent, scene.EndBatchProcessEvent, scene.EndCloseEvent,
                  scene.EndImportEvent)
        self._observations.extend((scene, scene.AddObserver(event, lambda *_: self._follow())) for event in events)
        self._follow()

    def currentNode(self):
        return self._node

    def setCurrentNode(self, node):
        node = node if any(node is each for each in self._nodes()) else None
        changed = node is not self._node
        self._node = node
        self._show()
        if changed:
            self.currentNodeChanged.emit(node)

    def nodeCount(self):
        return len(self._nodes())

    def _nodes(self):
        if self._scene is None:
            return []
        nodes = (self._scene.GetNthNode(n) for n in range(self._scene.GetNumberOfNodes()))
        return [node for node in nodes if not node.GetHideFromEditors() and any(map(node.IsA, self._nodeTypes))
                and (self._options["showChildNodeTypes"] or node.GetClassName() in self._nodeTypes)]

    def _follow(self):
        """Slicer's box without a "None" entry takes the first node when it has none."""
        if self._scene and self._scene.IsBatchProcessing():
            return
        nodes = self._nodes()
        kept = any(node is self._node for node in nodes)
        self.setCurrentNode(self._node if kept else nodes[0] if nodes and not self._options["noneEnabled"] else None)

    def _show(self):
        self._box.clear()
        for node in self._nodes():
            self._box.addItem(node.GetName(), node.GetID())
        self._box.setCurrentIndex(self._box.findData(self._node.GetID()) if self._node else -1)

    def _setNodeTypes(self, nodeTypes):
        self._nodeTypes = list(nodeTypes)

    def _option(name):
        return Property(bool, lambda self: self._options[name], lambda self, on: self._options.update({name: on}))

    nodeTypes = Property("QStringList", lambda self: self._nodeTypes, _setNodeTypes)
    noneEnabled = _option("noneEnabled")
    addEnabled = _option("addEnabled")
    removeEnabled = _option("removeEnabled")
    showChildNodeTypes = _option("showChildNodeTypes")


# Named by Slicer's own parameterNodeWrapper, used by no panel here.
class qMRMLSliderWidget(qt.QWidget):
    pass


class qMRMLRangeWidget(qt.QWidget):
    pass


class qMRMLSpinBox(qt.QWidget):
    pass


class qMRMLSubjectHierarchyTreeView(qt.QWidget):
    pass


class qMRMLSubjectHierarchyComboBox(qt.QWidget):
    pass


CLASSES = (
    qMRMLWidget, qMRMLNodeComboBox, qMRMLSliderWidget, qMRMLRangeWidget, qMRMLSpinBox, qMRMLSubjectHierarchyTreeView,
    qMRMLSubjectHierarchyComboBox,
)
for _class in (qMRMLWidget, qMRMLNodeComboBox):
    qt.QUiLoader.standIns[_class.__name__] = _class
