"""The panel's Python packages: what is missing, and the buttons that install it."""

from __future__ import annotations

from collections.abc import Callable

import qt
import slicer
from slicer.i18n import tr as _

from CervicalSpineDetectionLib.Panel.Packages import Packages, PackagesMissing
from CervicalSpineDetectionLib.Panel.Ui import Ui


class PackagesSection:
    """:param ui: the panel's widgets by name."""

    def __init__(self, ui: Ui) -> None:
        self.ui = ui
        self.packages = Packages()
        ui.installButton.connect("clicked()", self.install)
        ui.installOfflineButton.connect("clicked()", self.installFromFolder)
        ui.offlineHelpButton.connect("clicked()", self.showOfflineHelp)
        self.show()

    def ensure(self) -> None:
        """Install what is missing, after asking.

        :raises PackagesMissing: the detection can't run.
        """
        self.packages.ensure()
        self.show()

    def install(self) -> None:
        """Install missing packages when user clicks "Install..." button."""
        self._try(self.packages.ensure)

    def installFromFolder(self) -> None:
        """Install missing packages from a folder the user chooses."""
        folder = qt.QFileDialog.getExistingDirectory(self.ui.installOfflineButton, _("Folder of wheels"))
        if folder:
            self._try(lambda: self.packages.install(self.packages.missing(), folder))

    def showOfflineHelp(self) -> None:
        """Say how to install without a network."""
        # The commands are to be copied.
        slicer.util.infoDisplay(self.packages.offlineHelp(), textInteractionFlags=qt.Qt.TextSelectableByMouse)

    def show(self) -> None:
        missing = self.packages.missing()
        self.ui.packagesStatusLabel.text = (
            _("Missing: {names}").format(names=", ".join(missing)) if missing else _("All installed.")
        )
        self.ui.installButton.enabled = self.ui.installOfflineButton.enabled = bool(missing)

    def _try(self, install: Callable[[], None]) -> None:
        try:
            install()
        except PackagesMissing as error:
            slicer.util.errorDisplay(str(error))
        self.show()
