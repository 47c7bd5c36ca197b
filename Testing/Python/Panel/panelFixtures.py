"""The module in the stand-in for Slicer, with a worker that does what the test says."""

import importlib.util
import os
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]
MODULE_SCRIPT = REPOSITORY / "CervicalSpineDetection" / "CervicalSpineDetection.py"

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
sys.path.insert(0, str(REPOSITORY / "Testing"))
if importlib.util.find_spec("PySide6") is None:
    pytest.skip('needs PySide6: pip install ".[preview]"', allow_module_level=True)

import slicer  # noqa: E402
from PySide6 import QtCore, QtTest, QtWidgets  # noqa: E402
from sceneFixtures import madeImage, madeResult  # noqa: E402
from SlicerStandIn.Application import ModuleRepresentation, installModules, start  # noqa: E402

from CervicalSpineDetectionLib.Scene.OwnNodes import vertebraNodes  # noqa: E402
from CervicalSpineDetectionLib.Scene.VertebraNodes import addVertebrae  # noqa: E402
from CervicalSpineDetectionLib.Scene.VolumeNodes import volumeNodeFromImage  # noqa: E402
from CervicalSpineDetectionLib.Worker import WorkerClient  # noqa: E402

installModules()

CONTROL, SHIFT, ALT = QtCore.Qt.ControlModifier, QtCore.Qt.ShiftModifier, QtCore.Qt.AltModifier
# More than the interval at which the panel asks the worker.
POLLED = 80
LEVELS = ["C2", "C3", "C4", "C5", "C6"]


class FakeClient:
    """As ``Worker.WorkerClient.WorkerClient``; what ``say`` gets, ``poll`` gives."""

    def __init__(self, *arguments):
        self.isBusy = self.isAlive = False
        self.jobs, self.starts, self.stops = [], 0, 0
        self._events = []

    def say(self, *events):
        self._events.extend(events)

    def start(self):
        self.starts += not self.isAlive
        self.isAlive = True

    def detect(self, image, **settings):
        self.start()
        self.isBusy = True
        self.jobs.append({"image": image, **settings})

    def poll(self):
        events, self._events = self._events, []
        endings = WorkerClient.Finished | WorkerClient.Failed | WorkerClient.Cancelled
        if any(isinstance(event, endings) for event in events):
            self.isBusy = False
        return events

    def cancel(self):
        if self.isBusy:
            self.isBusy = False
            self.say(WorkerClient.Cancelled())

    def stop(self):
        self.stops += 1
        self.isAlive = self.isBusy = False
        self._events = []


@pytest.fixture(scope="session")
def application():
    return start()


@pytest.fixture
def errors(application, monkeypatch):
    """What the user was told in error messages; an exception in a slot fails the test."""
    shown, raised = [], []
    monkeypatch.setattr(slicer.util, "errorDisplay", lambda text, *_, **__: shown.append(text))
    monkeypatch.setattr(sys, "excepthook", lambda kind, value, traceback: raised.append(value))
    yield shown
    if raised:
        raise raised[0]


@pytest.fixture
def module(application, errors, monkeypatch):
    """The module as the user has just chosen it, its window open, in an empty scene."""
    monkeypatch.setattr(WorkerClient, "WorkerClient", FakeClient)
    slicer.mrmlScene.Clear()
    representation = ModuleRepresentation(MODULE_SCRIPT)
    representation.panel.resize(600, 1000)
    representation.panel.show()
    representation.panel.activateWindow()
    QtTest.QTest.qWaitForWindowActive(representation.panel)
    representation.enter()
    yield representation
    representation.unload()
    representation.panel.close()
    settle()


@pytest.fixture
def libraryKept(monkeypatch):
    """Other tests go on with the library as they imported it."""
    for name in [name for name in sys.modules if name.startswith("CervicalSpineDetection")]:
        monkeypatch.setitem(sys.modules, name, sys.modules[name])


@pytest.fixture
def ui(module):
    return module.widget.ui


@pytest.fixture
def client(module):
    return module.widget.logic.client


@pytest.fixture
def volumeNode(module):
    """A CT, chosen as the input."""
    return addCt(module)


@pytest.fixture
def detected(module, volumeNode):
    """C2 to C6 of the CT, as a detection left them."""
    addVertebrae(slicer.mrmlScene, madeResult(LEVELS), volumeNode)
    settle()
    return volumeNode


@pytest.fixture
def row(module, detected):
    """Chooses rows of the table with the mouse."""
    from CervicalSpineDetectionLib.Panel.VertebraTable import SIZE

    table = module.widget.ui.vertebraTable

    def choose(*rows):
        for index, number in enumerate(rows):
            clickCell(table, number, SIZE, *([CONTROL] if index else []))

    return choose


def addCt(module, name="CT", **settings):
    settings = {"size": (90, 90, 90), **settings}
    node = volumeNodeFromImage(slicer.mrmlScene, madeImage(**settings), name)
    module.widget.ui.inputSelector.setCurrentNode(node)
    return node


def settle(milliseconds=0):
    """Let timers run and widgets follow."""
    if milliseconds:
        QtTest.QTest.qWait(milliseconds)
    for _ in range(5):
        slicer.app.processEvents()


def click(widget):
    """With the mouse."""
    assert widget.enabled and widget.isVisible(), f"{widget.objectName} can't be clicked"
    # A wide check box reacts on its square only.
    place = QtCore.QPoint(8, widget.height // 2) if isinstance(widget, QtWidgets.QCheckBox) else QtCore.QPoint()
    QtTest.QTest.mouseClick(widget, QtCore.Qt.LeftButton, QtCore.Qt.NoModifier, place)
    settle()


def press(widget, key, *modifiers):
    """On the keyboard."""
    combined = QtCore.Qt.NoModifier
    for modifier in modifiers:
        combined |= modifier
    QtTest.QTest.keyClick(widget, key, combined)
    settle()


def chooseInBox(box, index):
    """Open a combo box and choose an entry with the keyboard."""
    assert box.enabled
    box.setFocus()
    box.showPopup()
    settle()
    for key in [QtCore.Qt.Key_Home, *[QtCore.Qt.Key_Down] * index, QtCore.Qt.Key_Return]:
        QtTest.QTest.keyClick(box.view(), key)
    settle()


def clickCell(table, row, column, *modifiers, onTick=False):
    rectangle = table.visualItemRect(table.item(row, column))
    combined = QtCore.Qt.NoModifier
    for modifier in modifiers:
        combined |= modifier
    place = QtCore.QPoint(rectangle.left() + 10, rectangle.center().y()) if onTick else rectangle.center()
    QtTest.QTest.mouseClick(table.viewport(), QtCore.Qt.LeftButton, combined, place)
    settle()


def levelsInTable(ui):
    from CervicalSpineDetectionLib.Panel.VertebraTable import LEVEL

    return [ui.vertebraTable.cellWidget(row, LEVEL).currentText for row in range(ui.vertebraTable.rowCount)]


def textInTable(ui, row, column):
    return ui.vertebraTable.item(row, column).text()


def rowsOf(module):
    return module.widget.correctionPanel.corrections.rows()


def detect(ui, client, result):
    """Click, and let the worker find something."""
    click(ui.detectButton)
    client.say(WorkerClient.Finished(result))
    settle(POLLED)


def boxNodes(volumeNode):
    """ROI nodes of a CT, from top to bottom."""
    nodes = [node for node in vertebraNodes(slicer.mrmlScene, volumeNode) if node.IsA("vtkMRMLMarkupsROINode")]
    return sorted(nodes, key=lambda node: -node.GetObjectToNodeMatrix().GetElement(2, 3))
