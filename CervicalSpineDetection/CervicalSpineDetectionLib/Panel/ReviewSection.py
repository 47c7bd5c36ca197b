"""The panel's Review section: the CTs of a cohort, the most doubtful first, one after the other."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import qt
import slicer
from slicer.i18n import tr as _

from CervicalSpineDetectionLib.Panel.Events import shortcutOf
from CervicalSpineDetectionLib.Panel.Messages import errorsShown
from CervicalSpineDetectionLib.Panel.Packages import pythonSlicer
from CervicalSpineDetectionLib.Scene.CohortReview import CohortReview, removeScan

if TYPE_CHECKING:
    from CervicalSpineDetectionLib.Panel.Ui import Ui
    from CervicalSpineDetectionLib.Scene.CohortReview import ReviewScan
    from CervicalSpineDetectionLib.Scene.Corrections import Corrections

FOLDER_SETTING = "CervicalSpineDetection/ReviewFolder"
REVIEWER_SETTING = "CervicalSpineDetection/Reviewer"
KEYS = {"Ctrl+PgUp": "previous", "Ctrl+PgDown": "next", "Ctrl+Shift+Return": "confirmAndNext"}


class ReviewSection:
    """:param ui: the panel's widgets by name.
    :param parent: of dialogs, and where the keys work.
    :param corrections: called without arguments, gives the ``Scene.Corrections`` of the shown CT or None.
    :param showInViews: called without arguments when another CT was opened.
    """

    def __init__(self, ui: Ui, parent: qt.QWidget, corrections: Callable[[], Corrections | None],
                 showInViews: Callable[[], object]) -> None:
        self._ui, self._parent, self._corrections, self._showInViews = ui, parent, corrections, showInViews
        self._review: CohortReview | None = None
        self._index = -1
        self._volumeNode: slicer.vtkMRMLScalarVolumeNode | None = None
        ui.reviewerLineEdit.text = str(qt.QSettings().value(REVIEWER_SETTING, ""))
        for name, action in {
            "openReviewButton": self.openFolder, "previousScanButton": self.previous, "nextScanButton": self.next,
            "confirmScanButton": self.confirmAndNext, "reviewDatasetButton": self.makeDataset,
        }.items():
            getattr(ui, name).connect("clicked()", action)
        ui.reviewList.connect("itemActivated(QListWidgetItem*)", lambda item: self.goTo(ui.reviewList.row(item)))
        ui.reviewerLineEdit.connect("editingFinished()", self._keepReviewer)
        self._shortcuts = [shortcutOf(keys, parent, getattr(self, action)) for keys, action in KEYS.items()]
        self._show()

    def openFolder(self) -> None:
        """Choose the folder of a cohort's results, and show its most doubtful CT."""
        folder = qt.QFileDialog.getExistingDirectory(
            self._parent, _("Results of a cohort"), qt.QSettings().value(FOLDER_SETTING, os.path.expanduser("~")))
        if folder:
            qt.QSettings().setValue(FOLDER_SETTING, folder)
            self.open(folder)

    def open(self, folder: str | Path) -> None:
        """:param folder: results of ``cervical-spine cohort``."""
        with errorsShown():
            self._review, self._index = CohortReview(folder), -1
            self._show()
            opened = [self._review.isReviewed(scan) for scan in self._review.scans]
            if opened:
                self.goTo(opened.index(False) if False in opened else 0)

    def previous(self) -> None:
        self.goTo(self._index - 1)

    def next(self) -> None:
        self.goTo(self._index + 1)

    def confirmAndNext(self) -> None:
        """Confirm all vertebrae, save them, mark the CT as reviewed, and go on."""
        corrections = self._corrections()
        if not self._isShown() or corrections is None:
            return
        with errorsShown():
            corrections.confirmAll()
            self._review.save(slicer.mrmlScene, self._volumeNode, self._scan)
            self._review.setReviewed(self._scan, reviewer=self._ui.reviewerLineEdit.text.strip())
            self._show()
            self.next()

    def goTo(self, index: int) -> None:
        """Show another CT in place of the present one, whose corrections are saved."""
        if self._review is None or not 0 <= index < len(self._review.scans) or index == self._index:
            return
        with errorsShown(), slicer.util.WaitCursor():
            self._saveEdits()
            former = self._volumeNode if self._isShown() else None
            node = self._review.open(slicer.mrmlScene, self._review.scans[index])
            self._index, self._volumeNode = index, node
            self._ui.inputSelector.setCurrentNode(node)
            if former:
                removeScan(slicer.mrmlScene, former)
            self._showInViews()
        self._show()

    def makeDataset(self) -> None:
        """Make the data set of all reviewed CTs, in a process of its own and wait for it."""
        with errorsShown(), slicer.util.WaitCursor(), tempfile.TemporaryDirectory() as folder:
            self._saveEdits()
            table = self._review.writeTable(Path(folder))
            target = _freeFolder(self._review.folder / "corrections")
            paths = [str(Path(__file__).resolve().parents[2]), os.environ.get("PYTHONPATH", "")]
            process = slicer.util.launchConsoleProcess(
                [pythonSlicer(), "-m", "CervicalSpineDetectionLib", "corrections", "--cases", str(table), "-o",
                 str(target)],
                useStartupEnvironment=False, updateEnvironment={"PYTHONPATH": os.pathsep.join(filter(None, paths))})
            output = process.communicate()[0]
            if process.returncode:
                raise OSError(_lastLine(output))
            self._ui.reviewStatusLabel.text = _("Data set: {path}").format(path=target)

    def _saveEdits(self) -> None:
        corrections = self._corrections() if self._isShown() else None
        if corrections is not None and corrections.canUndo:
            self._review.save(slicer.mrmlScene, self._volumeNode, self._scan)

    def _isShown(self) -> bool:
        """The CT of the review is still in the scene, and the one that is worked on."""
        return bool(self._volumeNode and self._volumeNode.GetScene()
                    and self._ui.inputSelector.currentNode() is self._volumeNode)

    @property
    def _scan(self) -> ReviewScan:
        return self._review.scans[self._index]

    def _keepReviewer(self) -> None:
        qt.QSettings().setValue(REVIEWER_SETTING, self._ui.reviewerLineEdit.text.strip())

    def _show(self) -> None:
        scans = self._review.scans if self._review else []
        done = [self._review.isReviewed(scan) for scan in scans]
        self._ui.reviewList.clear()
        for scan, reviewed in zip(scans, done, strict=True):
            mark = "\u2713" if reviewed else "\u2003"
            self._ui.reviewList.addItem(_("{mark} {name}  (doubt {doubt:.2f})").format(
                mark=mark, name=scan.title, doubt=scan.doubt))
        self._ui.reviewList.setCurrentRow(self._index)
        self._ui.previousScanButton.enabled = self._index > 0
        self._ui.nextScanButton.enabled = -1 < self._index < len(scans) - 1
        self._ui.confirmScanButton.enabled = self._index >= 0
        self._ui.reviewDatasetButton.enabled = any(done)
        self._ui.reviewStatusLabel.text = _("{done} of {count} reviewed").format(
            done=sum(done), count=len(scans)) if scans else ""


def _freeFolder(folder: Path) -> Path:
    """The folder, or one with a number where that is there already."""
    number, free = 1, folder
    while free.exists():
        number += 1
        free = folder.with_name(f"{folder.name}-{number}")
    return free


def _lastLine(output: str | None) -> str:
    lines = [line for line in (output or "").splitlines() if line.strip()]
    return lines[-1] if lines else _("The data set could not be made.")
