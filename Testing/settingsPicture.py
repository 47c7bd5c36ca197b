"""The picture of Slicer's Application Settings, page Modules, with numbers where to click.

    python Testing/settingsPicture.py --slicer FOLDER --ctk FOLDER

loads the dialog's own definitions (.ui) from checkouts of Slicer/Slicer and commontk/CTK, which are no part of this
repository, and puts plain Qt widgets in the place of those that only Slicer and CTK have. What is in the lists and on
the other pages is set by Slicer's C++ code; here the list of paths holds an example, the rest is left out.
"""

import argparse
import os
import sys
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PySide6.QtCore import QPoint, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QTransform
from PySide6.QtUiTools import QUiLoader
from PySide6.QtWidgets import (
    QApplication,
    QListWidget,
    QPushButton,
    QStyle,
    QToolButton,
    QTreeWidgetItem,
    QWidget,
)

PANEL = Path("Base", "QTGUI", "Resources", "UI", "qSlicerSettingsModulesPanel.ui")
DIALOG = Path("Libs", "Widgets", "Resources", "UI", "ctkSettingsDialog.ui")
PICTURE = Path(__file__).resolve().parents[1] / "Resources" / "Screenshots" / "module-paths.png"
# As ``qSlicerApplication`` adds them.
PAGES = ("General", "Modules", "Appearance", "Views", "User", "Extensions", "Cache", "Internationalization", "Python",
         "Developer")
EXAMPLE = "…/SlicerCervicalSpineDetection/CervicalSpineDetection"
SIZE = QSize(800, 600)
MARK, MARK_RADIUS = QColor("#b4420f"), 11


class Loader(QUiLoader):
    """Makes plain widgets of Slicer's and CTK's classes."""

    def createWidget(self, name, parent=None, objectName=""):
        widget = super().createWidget(self._plain(name), parent, objectName)
        if name == "ctkExpandButton":
            widget.setAutoRaise(True)
            widget.setCheckable(True)
        return widget

    @staticmethod
    def _plain(name):
        return {"ctkSettingsPanel": "QWidget", "qSlicerDirectoryListView": "QListWidget",
                "qSlicerModulesListView": "QListWidget", "ctkDirectoryButton": "QPushButton",
                "ctkExpandButton": "QToolButton", "ctkCheckablePushButton": "QPushButton",
                "ctkSearchBox": "QLineEdit"}.get(name, name)


def settingsDialog(slicer, ctk):
    """The dialog with the page Modules, as it is after the arrow was clicked and a folder added."""
    loader = Loader()
    dialog, page = loader.load(str(ctk / DIALOG)), loader.load(str(slicer / PANEL))
    tree = dialog.findChild(QWidget, "SettingsTreeWidget")
    for name in PAGES:
        tree.addTopLevelItem(QTreeWidgetItem([f"{name}*" if name == "Modules" else name]))
    tree.setCurrentItem(tree.topLevelItem(PAGES.index("Modules")))
    tree.setFixedWidth(tree.sizeHintForColumn(0) + tree.indentation())
    stack = dialog.findChild(QWidget, "SettingsStackedWidget")
    stack.addWidget(page)
    stack.setCurrentWidget(page)
    # As the dialog says it once a path has changed.
    dialog.findChild(QWidget, "RestartRequiredLabel").setText(
        '<b style="color:red">Restart required!</b><br><small>The application must be restarted to take into account '
        "the new values of the following properties:<br>&nbsp;&nbsp;Additional module paths</small>")
    page.findChild(QListWidget, "AdditionalModulePathsView").addItem(EXAMPLE)
    style = dialog.style()
    for button, icon in ((page.findChild(QToolButton, "FavoritesMoveLeftButton"), QStyle.SP_ArrowLeft),
                         (page.findChild(QToolButton, "FavoritesMoveRightButton"), QStyle.SP_ArrowRight)):
        button.setIcon(style.standardIcon(icon))
    arrow = style.standardPixmap(QStyle.SP_ToolBarHorizontalExtensionButton)
    for name in ("AdditionalModulePathMoreButton", "FilterMoreButton", "FavoritesMoreButton"):
        button = page.findChild(QToolButton, name)
        button.setChecked(name == "AdditionalModulePathMoreButton")
        # Points back where there is something to fold in.
        button.setIcon(arrow.transformed(QTransform.fromScale(-1, 1)) if button.isChecked() else arrow)
    page.findChild(QPushButton, "TemporaryDirectoryButton").setText("…")
    page.findChild(QPushButton, "HomeModuleButton").setText("Welcome to Slicer")
    dialog.resize(SIZE)
    return dialog


def numbered(dialog):
    """Picture of the dialog with a number at each place to click."""
    tree = dialog.findChild(QWidget, "SettingsTreeWidget")
    modules = tree.visualItemRect(tree.topLevelItem(PAGES.index("Modules")))
    ok = next(button for button in dialog.findChildren(QPushButton) if button.text().replace("&", "") == "OK")
    places = [tree.viewport().mapTo(dialog, QPoint(modules.right() - 12, modules.center().y()))]
    # Beside the words.
    for widget, x, y in ((dialog.findChild(QWidget, "AdditionalModulePathMoreButton"), 0.5, -0.7),
                         (dialog.findChild(QWidget, "AddAdditionalModulePathButton"), 0.85, -1.0), (ok, -0.2, 0.5)):
        places.append(widget.mapTo(dialog, QPoint(round(x * widget.width()), round(y * widget.height()))))
    picture = dialog.grab()
    painter = QPainter(picture)
    painter.setRenderHint(QPainter.Antialiasing)
    font = painter.font()
    font.setBold(True)
    painter.setFont(font)
    for number, place in enumerate(places, 1):
        circle = QRectF(place.x() - MARK_RADIUS, place.y() - MARK_RADIUS, 2 * MARK_RADIUS, 2 * MARK_RADIUS)
        painter.setPen(Qt.NoPen)
        painter.setBrush(MARK)
        painter.drawEllipse(circle)
        painter.setPen(Qt.white)
        painter.drawText(circle, Qt.AlignCenter, str(number))
    painter.end()
    return picture


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slicer", type=Path, required=True, help="checkout of Slicer/Slicer")
    parser.add_argument("--ctk", type=Path, required=True, help="checkout of commontk/CTK")
    parser.add_argument("-o", "--output", type=Path, default=PICTURE, help=f"PNG file (default {PICTURE.name})")
    arguments = parser.parse_args()
    for path in (arguments.slicer / PANEL, arguments.ctk / DIALOG):
        if not path.is_file():
            parser.error(f"{path} is not there; give the checkout's folder.")
    application = QApplication(sys.argv[:1])
    application.setStyle("Fusion")
    dialog = settingsDialog(arguments.slicer, arguments.ctk)
    dialog.show()
    for _ in range(5):
        application.processEvents()
    if not numbered(dialog).save(str(arguments.output)):
        parser.error(f"{arguments.output} can't be written.")
    print(arguments.output)


if __name__ == "__main__":
    main()
