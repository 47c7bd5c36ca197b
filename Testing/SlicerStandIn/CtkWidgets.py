"""Slicer's ``ctk`` module: the few widgets this extension uses, on PySide6."""

from PySide6 import QtWidgets
from PySide6.QtCore import Property, Qt, Signal

from SlicerStandIn import PythonQt as qt

HEADER_STYLE = "QToolButton { font-weight: bold; text-align: left; padding: 3px; border: none; }"


class ctkCollapsibleButton(qt.QWidget):
    """A header over a layout that it shows or hides."""

    contentsCollapsed = Signal(bool)
    _signatures = {"contentsCollapsed(bool)"}

    def __init__(self, parent=None):
        super().__init__(parent)
        self._header = QtWidgets.QToolButton(self)
        self._header.setCheckable(True)
        self._header.setChecked(True)
        self._header.setToolButtonStyle(Qt.ToolButtonTextBesideIcon)
        self._header.setStyleSheet(HEADER_STYLE)
        self._header.toggled.connect(self._show)
        self._headerHeight = self._header.sizeHint().height() + 4
        self.setContentsMargins(0, self._headerHeight, 0, 0)
        self._show(True)

    def resizeEvent(self, event):
        self._header.setGeometry(0, 0, self.width, self._headerHeight)
        super().resizeEvent(event)

    def showEvent(self, event):
        self._show(self._header.checked)
        super().showEvent(event)

    def _show(self, shown):
        self._header.setArrowType(Qt.DownArrow if shown else Qt.RightArrow)
        for child in self.children():
            if isinstance(child, QtWidgets.QWidget) and child is not self._header:
                child.setVisible(shown)
        self.setMaximumHeight(16777215 if shown else self._headerHeight)
        self.contentsCollapsed.emit(not shown)

    text = Property(str, lambda self: self._header.text, lambda self, text: self._header.setText(text))
    collapsed = Property(
        bool, lambda self: not self._header.checked, lambda self, collapsed: self._header.setChecked(not collapsed)
    )


class ctkPathLineEdit(qt.QWidget):
    """An empty path is not valid, and ``currentPathChanged`` tells valid ones only."""

    currentPathChanged = Signal(str)
    validInputChanged = Signal(bool)
    _signatures = {"currentPathChanged(QString)", "validInputChanged(bool)"}
    Dirs = 0x001
    Files = 0x002

    def __init__(self, parent=None):
        super().__init__(parent)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self._edit = QtWidgets.QLineEdit()
        self._edit.textChanged.connect(self._onText)
        self._hasValidInput = False
        self._browse = QtWidgets.QToolButton()
        self._browse.setText("...")
        self._browse.clicked.connect(self._choose)
        self._filters = self.Files
        layout.addWidget(self._edit)
        layout.addWidget(self._browse)

    def _onText(self, text):
        before, self._hasValidInput = self._hasValidInput, bool(text)
        if self._hasValidInput:
            self.currentPathChanged.emit(text)
        if self._hasValidInput != before:
            self.validInputChanged.emit(self._hasValidInput)

    def _choose(self):
        path = QtWidgets.QFileDialog.getExistingDirectory(self)
        if path:
            self._edit.setText(path)

    def _setFilters(self, filters):
        self._filters = filters

    currentPath = Property(str, lambda self: self._edit.text, lambda self, path: self._edit.setText(path))
    filters = Property(int, lambda self: self._filters, _setFilters)


class ctkMessageBox(qt.QMessageBox):
    pass


# Named by Slicer's own parameterNodeWrapper, used by no panel here.
class ctkCheckBox(qt.QCheckBox):
    pass


class ctkComboBox(qt.QComboBox):
    pass


class ctkCheckablePushButton(qt.QPushButton):
    pass


class ctkSliderWidget(qt.QWidget):
    pass


class ctkDoubleSpinBox(qt.QDoubleSpinBox):
    pass


class ctkDoubleSlider(qt.QWidget):
    pass


class ctkRangeWidget(qt.QWidget):
    pass


class ctkDoubleRangeSlider(qt.QWidget):
    pass


class ctkDirectoryButton(qt.QPushButton):
    pass


class ctkColorPickerButton(qt.QPushButton):
    pass


for _class in (ctkCollapsibleButton, ctkPathLineEdit):
    qt.QUiLoader.standIns[_class.__name__] = _class
