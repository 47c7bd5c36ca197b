"""The results of a cohort, looked through one after the other: opened, corrected, saved beside what was detected.

In a scan's folder ``reviewed.json`` holds the vertebrae as a person left them, in the format of ``vertebrae.json``. In
the results' folder ``reviewed.json`` says which scans were reviewed, when, and by whom; the cohort's page saves such a
list too.
"""

from __future__ import annotations

import csv
import json
import re
import tempfile
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

import SimpleITK as sitk

from CervicalSpineDetectionLib.AtomicFiles import atomicFile
from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Imaging.ReadImage import readImage
from CervicalSpineDetectionLib.Results.ResultJson import readJson
from CervicalSpineDetectionLib.Scene.SceneBundle import unpackBundle
from CervicalSpineDetectionLib.Scene.SceneExport import exportScene
from CervicalSpineDetectionLib.Scene.Translation import tr as _
from CervicalSpineDetectionLib.Scene.VertebraNodes import addVertebrae, writeStates
from CervicalSpineDetectionLib.Scene.VolumeNodes import volumeNodeFromImage

if TYPE_CHECKING:
    import slicer

SCANS_FILE, SCANS_FOLDER, REVIEWED_FILE = "scans.csv", "scans", "reviewed.json"
RESULT_FILE, SCENE_FILE = "vertebrae.json", "scene.mrb"


@dataclass(frozen=True)
class ReviewScan:
    """One CT of a cohort.

    :param name: of its folder.
    :param doubt: how much it needs a person, see ``Cohort.Doubt``.
    :param levels: e.g. "C1 C2 C3".
    """

    name: str
    doubt: float
    levels: str

    @property
    def title(self) -> str:
        """Without the digest that makes the folder's name unique."""
        return re.sub(r"-[0-9a-f]{8,}$", "", self.name)


class CohortReview:
    """:param folder: results of ``cervical-spine cohort``.
    :raises InputError: it holds none.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        try:
            with open(self.folder / SCANS_FILE, newline="", encoding="utf-8") as file:
                rows = list(csv.DictReader(file))
            scans = [ReviewScan(row["scan"], float(row["doubt"]), row["levels"]) for row in rows if row["doubt"]]
        except (OSError, KeyError, ValueError, csv.Error):
            raise InputError(_("{folder} holds no results of a cohort: choose the folder that cervical-spine cohort "
                               "wrote, with {name} in it.").format(folder=self.folder, name=SCANS_FILE)) from None
        # Names come from a file: none may lead elsewhere.
        self.scans = sorted((scan for scan in scans if re.fullmatch(r"[\w.-]*\w[\w.-]*", scan.name)),
                            key=lambda scan: (-scan.doubt, scan.name))
        self._reviewed = self._readReviewed()

    def isReviewed(self, scan: ReviewScan) -> bool:
        return scan.name in self._reviewed

    def setReviewed(self, scan: ReviewScan, reviewed: bool = True, reviewer: str = "") -> None:
        """Write down that a person has looked at a scan, and when.

        :raises OSError: the folder can't be written.
        """
        if reviewed:
            now = datetime.now(timezone.utc).isoformat(timespec="seconds")
            self._reviewed[scan.name] = {"at": now, **({"by": reviewer} if reviewer else {})}
        else:
            self._reviewed.pop(scan.name, None)
        with atomicFile(self.folder / REVIEWED_FILE) as temporary:
            temporary.write_text(json.dumps(self._reviewed, indent=1) + "\n", encoding="utf-8")

    def open(self, scene: slicer.vtkMRMLScene, scan: ReviewScan) -> slicer.vtkMRMLScalarVolumeNode:
        """Add the CT with its vertebrae, corrected ones where they were saved.

        :return: vtkMRMLScalarVolumeNode.
        :raises InputError: a file is missing or damaged.
        """
        folder = self._folderOf(scan)
        saved = folder / REVIEWED_FILE
        result = readJson(saved if saved.is_file() else folder / RESULT_FILE)
        volumeNode = volumeNodeFromImage(scene, self._image(scan), scan.title)
        addVertebrae(scene, result, volumeNode)
        return volumeNode

    def save(self, scene: slicer.vtkMRMLScene, volumeNode: slicer.vtkMRMLScalarVolumeNode | None,
             scan: ReviewScan) -> None:
        """Write the vertebrae of a CT as they are in the scene.

        :raises InputError: they contradict each other, or there is none.
        :raises OSError: the file can't be written.
        """
        exportScene(scene, volumeNode, self._folderOf(scan) / REVIEWED_FILE)

    def writeTable(self, folder: Path) -> Path:
        """What ``cervical-spine corrections --cases`` reads: corrected results and, in ``folder``, their CTs.

        :return: path of the table.
        :raises InputError: no scan was reviewed and saved, or a CT is missing.
        """
        scans = [scan for scan in self.scans
                 if self.isReviewed(scan) and (self._folderOf(scan) / REVIEWED_FILE).is_file()]
        if not scans:
            raise InputError(_("No CT was reviewed yet: correct and confirm the vertebrae of at least one."))
        table = folder / "cases.csv"
        with open(table, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["path", "ct", "patient"])
            for scan in scans:
                ct = self._unpackedCt(scan, folder / scan.name)
                writer.writerow([(self._folderOf(scan) / REVIEWED_FILE).absolute(), ct.absolute(), scan.name])
        return table

    def _readReviewed(self) -> dict:
        try:
            entries = json.loads((self.folder / REVIEWED_FILE).read_text(encoding="utf-8"))
            # The page's list has the time alone.
            return {name: entry if isinstance(entry, dict) else {"at": str(entry)} for name, entry in entries.items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, AttributeError):
            raise InputError(_("{path} can't be read: restore it, or move it elsewhere to begin again.").format(
                path=self.folder / REVIEWED_FILE)) from None

    def _folderOf(self, scan: ReviewScan) -> Path:
        return self.folder / SCANS_FOLDER / scan.name

    def _image(self, scan: ReviewScan) -> sitk.Image:
        with tempfile.TemporaryDirectory() as folder:
            return readImage(self._unpackedCt(scan, Path(folder)))

    def _unpackedCt(self, scan: ReviewScan, folder: Path) -> Path:
        bundle = self._folderOf(scan) / SCENE_FILE
        if not bundle.is_file():
            raise InputError(_("{name} has no {scene}, which holds its CT: run the cohort with --scenes all.").format(
                name=scan.name, scene=SCENE_FILE))
        folder.mkdir(parents=True, exist_ok=True)
        unpackBundle(bundle, folder)
        found = sorted(folder.rglob("*.nrrd"))
        if len(found) != 1:
            raise InputError(_("{path} holds {count} CTs instead of one: detect again.").format(
                path=bundle, count=len(found)))
        return found[0]


def removeScan(scene: slicer.vtkMRMLScene, volumeNode: slicer.vtkMRMLScalarVolumeNode | None) -> None:
    """Remove a CT with its vertebrae from the scene."""
    writeStates(scene, volumeNode, [])
    scene.RemoveNode(volumeNode)
