"""How the vertebrae look in the views: names in all slices, how opaque the boxes are filled."""

from __future__ import annotations

from typing import TYPE_CHECKING

import qt
import slicer

from CervicalSpineDetectionLib.Scene.Looks import applyLooks

if TYPE_CHECKING:
    from CervicalSpineDetectionLib.Panel.Ui import Ui

NAMES_SETTING = "CervicalSpineDetection/NamesInAllSlices"
FILL_SETTING = "CervicalSpineDetection/FillPercent"
DEFAULT_FILL_PERCENT = 5


class ViewOptions:
    """:param ui: the panel's widgets by name."""

    def __init__(self, ui: Ui) -> None:
        self._ui = ui
        self._volumeNode = None
        settings = qt.QSettings()
        # QSettings files hold text.
        ui.namesCheckBox.checked = str(settings.value(NAMES_SETTING, True)).lower() == "true"
        ui.fillSlider.value = int(settings.value(FILL_SETTING, DEFAULT_FILL_PERCENT))
        ui.namesCheckBox.connect("toggled(bool)", self._onChanged)
        ui.fillSlider.connect("valueChanged(int)", self._onChanged)

    def apply(self, volumeNode: slicer.vtkMRMLScalarVolumeNode | None) -> None:
        """:param volumeNode: the CT whose boxes are to look like this."""
        self._volumeNode = volumeNode
        if volumeNode:
            applyLooks(slicer.mrmlScene, volumeNode, self._ui.namesCheckBox.checked, self._ui.fillSlider.value / 100)

    def _onChanged(self) -> None:
        settings = qt.QSettings()
        settings.setValue(NAMES_SETTING, self._ui.namesCheckBox.checked)
        settings.setValue(FILL_SETTING, self._ui.fillSlider.value)
        self.apply(self._volumeNode)
