"""The module's panel beside three slice views and a 3D view, in one window, without Slicer."""

import tempfile
from pathlib import Path

import slicer
import vtk
from PySide6 import QtCore, QtGui, QtWidgets

from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Imaging.ReadImage import readImage
from CervicalSpineDetectionLib.Scene.SceneBundle import unpackBundle
from CervicalSpineDetectionLib.Scene.VolumeNodes import volumeNodeFromImage
from SlicerStandIn.Application import ModuleRepresentation
from SlicerStandIn.SampleCt import SampleCt
from SlicerStandIn.Views import ViewPane, layoutManager

MODULE_SCRIPT = Path(__file__).resolve().parents[2] / "CervicalSpineDetection" / "CervicalSpineDetection.py"
TITLE = "Cervical Spine Detection: preview, not 3D Slicer"
NOTICE = "Preview: this is not 3D Slicer. For research use only; check every box and every name before relying on it."
SAMPLE_NAME = "Cervical spine phantom"
PLACES = {"Red": (0, 0), "1": (0, 1), "Green": (1, 0), "Yellow": (1, 1)}
LARGEST_SIZE = QtCore.QSize(1500, 950)
# Of the window's frame and title, which the system adds.
FRAME = QtCore.QSize(20, 60)
PANEL_WIDTH = 560


class PreviewWindow(QtWidgets.QMainWindow):
    def __init__(self):
        super().__init__()
        # By this name slicer.util finds the window for its messages.
        self.setObjectName("qSlicerMainWindow")
        self.setWindowTitle(TITLE)
        self.resize(LARGEST_SIZE.boundedTo(self.screen().availableGeometry.size() - FRAME))
        slicer.app._layoutManager = self.layoutManager = layoutManager()
        self.panes = {name: ViewPane(view, name) for name, view in self.layoutManager.views.items()}
        self.module = ModuleRepresentation(MODULE_SCRIPT)
        self.sample = SampleCt(self._showSampleProgress, self._showSample, self._sayNoSample)
        self._fillToolBar()
        self._fillCentre()
        self._busyBar = QtWidgets.QProgressBar()
        self._busyBar.setRange(0, 0)
        self._busyBar.setFixedWidth(200)
        self._busyBar.hide()
        self.statusBar().addPermanentWidget(self._busyBar)
        self.module.enter()
        # Opened by the module itself, in a review.
        self.module.widget.ui.inputSelector.currentNodeChanged.connect(
            lambda node: self._views.setCurrentIndex(0) if node else None)

    def _fillToolBar(self):
        toolBar = self.addToolBar("File")
        toolBar.setMovable(False)
        for text, slot in (
            ("Open CT file...", self._openFile), ("Open DICOM folder...", self._openFolder),
            ("Sample CT", self.openSample), ("Open scene...", self._openScene), ("Save scene...", self._save),
            ("Close scene", self._closeScene),
        ):
            toolBar.addAction(text).triggered.connect(slot)

    def _fillCentre(self):
        scroll = self._scroll = QtWidgets.QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setWidget(self.module.panel)
        grid = QtWidgets.QWidget()
        views = QtWidgets.QGridLayout(grid)
        views.setSpacing(3)
        views.setContentsMargins(0, 0, 0, 0)
        for name, place in PLACES.items():
            views.addWidget(self.panes[name], *place)
        self._hint = QtWidgets.QLabel()
        self._hint.setAlignment(QtCore.Qt.AlignCenter)
        self._hint.setWordWrap(True)
        self._views = QtWidgets.QStackedWidget()
        for page in (grid, self._hint):
            self._views.addWidget(page)
        self._showNoCt()
        splitter = self._splitter = QtWidgets.QSplitter()
        splitter.setChildrenCollapsible(False)
        for widget in (scroll, self._views):
            splitter.addWidget(widget)
        self._sharePanelAndViews(self.width)
        # Where the window grows, the views do.
        splitter.setStretchFactor(1, 1)
        notice = QtWidgets.QLabel(NOTICE)
        notice.setStyleSheet("background: #fff3c4; color: black; padding: 4px;")
        central = QtWidgets.QWidget()
        column = QtWidgets.QVBoxLayout(central)
        column.addWidget(notice)
        column.addWidget(splitter, 1)
        self.setCentralWidget(central)

    def resizeTo(self, size):
        """:param size: QSize or (width, height), pixels; panel and views share it as at first."""
        size = QtCore.QSize(size) if isinstance(size, QtCore.QSize) else QtCore.QSize(*size)
        self.resize(size)
        self._sharePanelAndViews(size.width())

    def _sharePanelAndViews(self, width):
        # With a large font the panel needs more; most of the window stays for the views where it can.
        bar = self._scroll.verticalScrollBar().sizeHint().width() + 2 * self._scroll.frameWidth
        needed = self.module.panel.minimumSizeHint().width() + bar
        panel = max(min(PANEL_WIDTH, width * 2 // 5), min(needed, width * 3 // 5))
        self._splitter.setSizes([panel, width - panel])

    def scrollTo(self, widget):
        """Scroll the panel until a widget of it is seen."""
        self._scroll.ensureWidgetVisible(widget)

    def openCt(self, path, name=None):
        """:param path: as ``cervical-spine detect`` takes it.
        :param name: of the node, by default the file's.
        """
        self.statusBar().showMessage(f"Reading {Path(path).name}...")
        try:
            with slicer.util.WaitCursor():
                image = readImage(Path(path))
                node = volumeNodeFromImage(slicer.mrmlScene, image, name or Path(path).name.split(".")[0])
        except (InputError, OSError) as error:
            self.statusBar().clearMessage()
            slicer.util.errorDisplay(str(error))
            return
        self.statusBar().clearMessage()
        self.show_(node)

    def openSample(self):
        """Show the synthetic CT; it is there at once, or half a minute after the first time."""
        self.sample.get()

    def openScene(self, path):
        """Show a saved scene (.mrb) in place of the present one, which stays if the file is no scene."""
        with tempfile.TemporaryDirectory() as folder, slicer.util.WaitCursor():
            try:
                sceneFile = unpackBundle(path, folder)
            except InputError as error:
                slicer.util.errorDisplay(str(error))
                return
            slicer.mrmlScene.Clear()
            slicer.mrmlScene.SetURL(str(sceneFile))
            slicer.mrmlScene.Import()
        volumeNode = self.module.widget.ui.inputSelector.currentNode()
        if volumeNode:
            self.show_(volumeNode)
        else:
            self._showNoCt()

    def show_(self, volumeNode):
        """Choose a CT and fit the views to it."""
        self._views.setCurrentIndex(0)
        slicer.app.processEvents()
        slicer.util.setSliceViewerLayers(background=volumeNode, fit=True)
        self.module.widget.ui.inputSelector.setCurrentNode(volumeNode)
        # As Slicer does when the user comes to the module with a CT: the worker warms up.
        self.module.enter()

    def closeEvent(self, event):
        if not self._mayDiscard():
            event.ignore()
            return
        self.sample.stop()
        self.module.unload()
        for pane in self.panes.values():
            pane.release()
        slicer.app._layoutManager = None
        self.setObjectName("")
        super().closeEvent(event)

    def _showNoCt(self):
        self._hint.setText("Open a CT, a scene, or the sample CT.")
        self._views.setCurrentIndex(1)

    def _showSampleProgress(self, seconds):
        self._busyBar.show()
        text = f"Making a sample CT, which takes about half a minute the first time: {seconds} s"
        self.statusBar().showMessage(text)
        self._hint.setText(text)

    def _showSample(self, path):
        self._busyBar.hide()
        self.openCt(path, SAMPLE_NAME)

    def _sayNoSample(self, reason):
        self._busyBar.hide()
        self.statusBar().clearMessage()
        self._showNoCt()
        slicer.util.errorDisplay(f"The sample CT could not be made ({reason}). Open a CT instead.")

    def _openFile(self):
        path, _ = QtWidgets.QFileDialog.getOpenFileName(self, "Open CT", "", "CT (*.nrrd *.nii *.nii.gz *.mha *.dcm)")
        if path:
            self.openCt(path)

    def _openFolder(self):
        path = QtWidgets.QFileDialog.getExistingDirectory(self, "Open DICOM folder")
        if path:
            self.openCt(path)

    def _openScene(self):
        path, _ = QtWidgets.QFileDialog.getOpenFileName(self, "Open scene", "", "Slicer scene (*.mrb)")
        if path and self._mayDiscard():
            self.openScene(path)

    def _save(self):
        """:return: whether the scene is saved now."""
        path, _ = QtWidgets.QFileDialog.getSaveFileName(self, "Save scene", "scene.mrb", "Slicer scene (*.mrb)")
        if not path:
            return False
        path = path if path.endswith(".mrb") else path + ".mrb"
        with slicer.util.WaitCursor():
            saved = slicer.util.saveScene(path)
        if saved:
            self.statusBar().showMessage(f"Saved: {path}")
        else:
            slicer.util.errorDisplay(f"The scene could not be saved as {path}; choose another folder.")
        return saved

    def _closeScene(self):
        if self._mayDiscard():
            slicer.mrmlScene.Clear()
            self._showNoCt()

    def _mayDiscard(self):
        """As in Slicer a changed scene is not dropped without a question."""
        if slicer.app.testingEnabled() or not sceneIsModified():
            return True
        buttons = QtWidgets.QMessageBox
        answer = buttons.warning(
            self, "Save the scene?", "The scene holds vertebrae that were not saved. Save it now?",
            buttons.Save | buttons.Discard | buttons.Cancel, buttons.Cancel,
        )
        return answer == buttons.Discard or answer == buttons.Save and self._save()


def sceneIsModified():
    """Whether vertebrae were found, corrected or drawn since the scene was saved or loaded."""
    modified = vtk.vtkCollection()
    slicer.mrmlScene.GetModifiedSinceRead(modified)
    nodes = (modified.GetItemAsObject(index) for index in range(modified.GetNumberOfItems()))
    return any(node.IsA("vtkMRMLMarkupsNode") for node in nodes)


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
