"""The module's panel beside three slice views and a 3D view, in one window, without Slicer."""

from pathlib import Path

import slicer
from PySide6 import QtCore, QtGui, QtWidgets

from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Imaging.ReadImage import readImage
from CervicalSpineDetectionLib.Scene.VolumeNodes import volumeNodeFromImage
from SlicerStandIn.Application import ModuleRepresentation
from SlicerStandIn.Views import ViewPane, layoutManager

MODULE_SCRIPT = Path(__file__).resolve().parents[2] / "CervicalSpineDetection" / "CervicalSpineDetection.py"
TITLE = "Cervical Spine Detection: preview, not 3D Slicer"
NOTICE = "Preview: this is not 3D Slicer. For research use only; check every box and every name before relying on it."
PLACES = {"Red": (0, 0), "1": (0, 1), "Green": (1, 0), "Yellow": (1, 1)}


class PreviewWindow(QtWidgets.QMainWindow):
    def __init__(self):
        super().__init__()
        self.setWindowTitle(TITLE)
        self.resize(1500, 950)
        slicer.app._layoutManager = self.layoutManager = layoutManager()
        self.panes = {name: ViewPane(view, name) for name, view in self.layoutManager.views.items()}
        self.module = ModuleRepresentation(MODULE_SCRIPT)
        scroll = QtWidgets.QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setFixedWidth(560)
        scroll.setWidget(self.module.panel)
        views = QtWidgets.QGridLayout()
        views.setSpacing(3)
        for name, place in PLACES.items():
            views.addWidget(self.panes[name], *place)
        row = QtWidgets.QHBoxLayout()
        row.addWidget(scroll)
        row.addLayout(views, 1)
        notice = QtWidgets.QLabel(NOTICE)
        notice.setStyleSheet("background: #fff3c4; color: black; padding: 4px;")
        central = QtWidgets.QWidget()
        column = QtWidgets.QVBoxLayout(central)
        column.addWidget(notice)
        column.addLayout(row, 1)
        self.setCentralWidget(central)
        toolBar = self.addToolBar("File")
        toolBar.setMovable(False)
        for text, slot in (
            ("Open CT file...", self._openFile), ("Open DICOM folder...", self._openFolder),
            ("Sample CT", self.openSample), ("Save scene...", self._save), ("Close scene", self._closeScene),
        ):
            toolBar.addAction(text).triggered.connect(slot)
        self.module.enter()

    def openCt(self, path):
        """:param path: as ``cervical-spine detect`` takes it."""
        try:
            image = readImage(Path(path))
        except (InputError, OSError) as error:
            slicer.util.errorDisplay(str(error))
            return
        self.show_(volumeNodeFromImage(slicer.mrmlScene, image, Path(path).name.split(".")[0]))

    def openSample(self):
        self.statusBar().showMessage("Making a CT...")
        slicer.app.processEvents()
        self.show_(self.module.script.makeSample())
        self.statusBar().clearMessage()

    def show_(self, volumeNode):
        """Choose a CT and fit the views to it."""
        slicer.util.setSliceViewerLayers(background=volumeNode, fit=True)
        self.module.widget.ui.inputSelector.setCurrentNode(volumeNode)
        # As Slicer does when the user comes to the module with a CT: the worker warms up.
        self.module.enter()

    def closeEvent(self, event):
        self.module.unload()
        for pane in self.panes.values():
            pane.release()
        slicer.app._layoutManager = None
        super().closeEvent(event)

    def _openFile(self):
        path, _ = QtWidgets.QFileDialog.getOpenFileName(self, "Open CT", "", "CT (*.nrrd *.nii *.nii.gz *.mha *.dcm)")
        if path:
            self.openCt(path)

    def _openFolder(self):
        path = QtWidgets.QFileDialog.getExistingDirectory(self, "Open DICOM folder")
        if path:
            self.openCt(path)

    def _save(self):
        path, _ = QtWidgets.QFileDialog.getSaveFileName(self, "Save scene", "scene.mrb", "Slicer scene (*.mrb)")
        if path:
            slicer.util.saveScene(path if path.endswith(".mrb") else path + ".mrb")

    def _closeScene(self):
        slicer.mrmlScene.Clear()


def grab(window, path):
    """Write a picture of the window as it is now."""
    for pane in window.panes.values():
        pane.draw()
    slicer.app.processEvents()
    QtGui.QPixmap(window.grab()).save(str(path))


def waitFor(condition, seconds):
    """Let the application go on until a condition holds.

    :raises TimeoutError: it didn't in time.
    """
    clock = QtCore.QElapsedTimer()
    clock.start()
    while not condition():
        if clock.elapsed() > seconds * 1000:
            raise TimeoutError(f"nothing came within {seconds} s")
        slicer.app.processEvents(QtCore.QEventLoop.AllEvents, 20)
