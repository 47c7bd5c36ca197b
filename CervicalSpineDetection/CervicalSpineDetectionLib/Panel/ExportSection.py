"""The panel's Export section: files of what stands in the scene, and the bone segmentation."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

import qt
import slicer
from slicer.i18n import tr as _

from CervicalSpineDetectionLib.Panel.Messages import errorsShown
from CervicalSpineDetectionLib.Scene.SceneExport import addBoneSegmentation, exportScene

if TYPE_CHECKING:
    from CervicalSpineDetectionLib.Panel.Ui import Ui

ENDINGS = {
    "exportJsonButton": ".json", "exportCsvButton": ".csv", "exportMarkupsButton": ".mrk.json",
    "exportLabelsButton": ".nii.gz", "exportBundleButton": ".mrb",
}
FOLDER_SETTING = "CervicalSpineDetection/ExportFolder"


class ExportSection:
    """:param ui: the panel's widgets by name.
    :param parent: of file dialogs.
    """

    def __init__(self, ui: Ui, parent: qt.QWidget) -> None:
        self._ui, self._parent = ui, parent
        self._volumeNode: slicer.vtkMRMLScalarVolumeNode | None = None
        for name, ending in ENDINGS.items():
            getattr(ui, name).connect("clicked()", self._exporter(ending))
        ui.segmentationButton.connect("clicked()", self.addSegmentation)

    def show(self, volumeNode: slicer.vtkMRMLScalarVolumeNode | None, enabled: bool) -> None:
        """:param volumeNode: the CT whose vertebrae are written.
        :param enabled: there are some.
        """
        if volumeNode is not self._volumeNode:
            self._ui.exportStatusLabel.text = ""
        self._volumeNode = volumeNode
        for name in (*ENDINGS, "segmentationButton"):
            getattr(self._ui, name).enabled = enabled

    def export(self, ending: str) -> None:
        name = f"{self._volumeNode.GetName()} vertebrae{ending}"
        folder = qt.QSettings().value(FOLDER_SETTING, os.path.expanduser("~"))
        path = qt.QFileDialog.getSaveFileName(
            self._parent, _("Export vertebrae"), os.path.join(folder, name), f"*{ending}"
        )
        if not path:
            return
        if not path.endswith(ending):
            path += ending
        with errorsShown():
            exportScene(slicer.mrmlScene, self._volumeNode, path)
            qt.QSettings().setValue(FOLDER_SETTING, os.path.dirname(path))
            self._tell(_("Written: {path}").format(path=path))

    def addSegmentation(self) -> None:
        with errorsShown(), slicer.util.WaitCursor():
            node = addBoneSegmentation(slicer.mrmlScene, self._volumeNode)
            self._tell(_("Added: {name}").format(name=node.GetName()))

    def _tell(self, text: str) -> None:
        """Here and in the window's status bar."""
        self._ui.exportStatusLabel.text = text
        slicer.util.showStatusMessage(text)

    def _exporter(self, ending: str) -> Callable[[], None]:
        return lambda: self.export(ending)
