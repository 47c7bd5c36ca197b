"""A YOLO data set of vertebrae that a person confirmed or corrected, split by patient."""

from __future__ import annotations

import csv
import hashlib
import re
import secrets
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol, TypeAlias

import numpy as np
import SimpleITK as sitk

from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Imaging.DicomHeader import isDicom, readDataset
from CervicalSpineDetectionLib.Imaging.DicomSeries import dicomFiles
from CervicalSpineDetectionLib.Imaging.ImageFile import IMAGE_SUFFIXES
from CervicalSpineDetectionLib.Imaging.ImageGeometry import imageGeometry
from CervicalSpineDetectionLib.Imaging.ReadImage import readImage
from CervicalSpineDetectionLib.Results.ResultJson import readJson
from CervicalSpineDetectionLib.SliceDetector.Detector import SliceDetector
from CervicalSpineDetectionLib.Spine.Vertebra import DetectionResult, Vertebra
from CervicalSpineDetectionLib.Terminal import ProgressDisplay, quietLibraries
from CervicalSpineDetectionLib.Training.Corrections import checkGaps, correctedSlices
from CervicalSpineDetectionLib.Training.Dataset import SliceGeometry, writeDescription, writePictures

SCENE_SUFFIXES = (".mrb", ".mrml")
RESULT_NAME = "vertebrae.json"
SPLITS = ("train", "val")
DIGEST_LENGTH = 12


@dataclass(frozen=True)
class CorrectionsFile:
    """One file of corrections.

    :param path: scene, or result as JSON.
    :param ct: CT of a JSON result, None to look beside it.
    :param patient: whose it is, None where that is to be found out.
    """

    path: Path
    ct: Path | None = None
    patient: str | None = None


class CorrectedCt(Protocol):
    """One CT with its vertebrae, in its own frame; what ``Scene.SceneCases.casesOfScene`` gives for a scene.

    :param settled: those that a person confirmed or corrected.
    :param others: those that stand beside them.
    :param patient: DICOM patient ID, None where it is not known.
    """

    @property
    def image(self) -> sitk.Image: ...
    @property
    def settled(self) -> list[Vertebra]: ...
    @property
    def others(self) -> list[Vertebra]: ...
    @property
    def patient(self) -> str | None: ...


ReadScene: TypeAlias = Callable[[Path], Iterable[CorrectedCt]]


class CorrectedCase(NamedTuple):
    """One CT of a file, with what is to be learned from it."""

    source: CorrectionsFile
    patient: str
    image: sitk.Image
    settled: list[Vertebra]
    others: list[Vertebra]


def findSources(inputs: Iterable[str | Path], table: str | Path | None = None) -> list[CorrectionsFile]:
    """Files of corrections.

    :param inputs: paths of files and folders.
    :param table: path of a CSV file with the columns path, ct and patient; paths may be relative to it.
    :return: list of CorrectionsFile. In a folder with a scene and a JSON result the scene counts: it holds the
        corrections.
    :raises InputError: there is none, or a path is none.
    """
    sources = [source for text in inputs for source in _sourcesOf(Path(text))]
    if table:
        sources += _sourcesOfTable(Path(table))
    if not sources:
        raise InputError(f"No scene and no {RESULT_NAME} was found; give files or folders with them, or --cases.")
    return sources


def _sourcesOf(path: Path) -> list[CorrectionsFile]:
    if path.is_file():
        return [CorrectionsFile(path)]
    if not path.is_dir():
        raise InputError(f"{path} is not there; give a scene, a {RESULT_NAME} or a folder.")
    scenes = sorted(file for file in path.rglob("*") if file.suffix.lower() in SCENE_SUFFIXES)
    folders = {file.parent for file in scenes}
    results = sorted(file for file in path.rglob(RESULT_NAME) if file.parent not in folders)
    return [CorrectionsFile(file) for file in scenes + results]


def _sourcesOfTable(path: Path) -> list[CorrectionsFile]:
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"The table {path} can't be read ({error}); save it as CSV in UTF-8.") from error
    if not rows or "path" not in rows[0]:
        raise InputError(f'The table {path} has no column "path"; name its columns path, ct, patient.')
    return [CorrectionsFile(path.parent / row["path"], path.parent / row["ct"] if row.get("ct") else None,
                   row.get("patient") or None) for row in rows]


def writeDataset(folder: Path, sources: Iterable[CorrectionsFile], detector: SliceDetector, random: np.random.Generator,
                 takeAll: bool = False, validation: float = 0.2, slices: int = 40, keepNames: bool = False,
                 readScene: ReadScene | None = None) -> Counter[tuple[str, str]]:
    """Pictures, boxes and ``dataset.json``.

    :param folder: existing, empty.
    :param readScene: path of a scene -> its cases.
    :return: counts of (split, "patients", "pictures" or "vertebrae").
    """
    cases = _casesOf(sources, takeAll, readScene)
    # Whoever knows a patient's ID can't tell by hashing it whether the patient is in the set: the salt is forgotten.
    salt = secrets.token_bytes(32)
    digests = [hashlib.sha256(salt + case.patient.encode()).hexdigest()[:DIGEST_LENGTH] for case in cases]
    splitOf = _split(sorted(set(digests)), validation)
    for kind in ("images", "labels"):
        for split in SPLITS:
            (folder / kind / split).mkdir(parents=True)
    geometry = SliceGeometry(detector.pixelSize, detector.sliceSpacing, detector.window)
    counts: Counter[tuple[str, str]] = Counter()
    levels: Counter[str] = Counter()
    ofPatient: Counter[str] = Counter()
    for (source, _, image, settled, others), digest in ProgressDisplay("CTs").over(
            zip(cases, digests, strict=True), "Writing", len(cases)):
        ofPatient[digest] += 1
        name = f"{_safe(source.path) + '-' if keepNames else ''}{digest}-{ofPatient[digest]}"
        split = splitOf[digest]
        with quietLibraries():
            counts[split, "pictures"] += _writeCase(folder, split, name, image, settled, others, detector, geometry,
                                                    random, slices)
        counts[split, "vertebrae"] += len(settled)
        levels.update(vertebra.level for vertebra in settled)
    for split in splitOf.values():
        counts[split, "patients"] += 1
    writeDescription(folder, geometry, {
        "sources": [{"name": f"vertebrae confirmed or corrected by a person in {len(cases)} CTs",
                     "licence": "that of the CTs", "source": "cervical-spine corrections"}],
        "split": "by patient", "patients": {split: counts[split, "patients"] for split in SPLITS},
        "pictures": {split: counts[split, "pictures"] for split in SPLITS},
        "vertebrae": {level: levels[level] for level in sorted(levels)},
        "boxes": "the detector's own, moved to the corrected 3D box; where it saw none, those of a usual vertebra",
        "detector": dict(detector.model),
        "identifiers": "pictures are named after the input files" if keepNames else "none",
    })
    return counts


def _casesOf(sources: Iterable[CorrectionsFile], takeAll: bool, readScene: ReadScene) -> list[CorrectedCase]:
    """What can be used of the files; what can't is printed.

    :raises InputError: nothing can be used.
    """
    cases, reasons = [], []
    sources = list(sources)
    for source in ProgressDisplay("files").over(sources, "Reading", len(sources)):
        try:
            isScene = source.path.suffix.lower() in SCENE_SUFFIXES
            found = _casesOfScene(source, readScene) if isScene else [_caseOfJson(source)]
            if takeAll:
                found = [case._replace(settled=case.settled + case.others, others=[]) for case in found]
            found = [case for case in found if case.settled]
            if not found:
                raise InputError(f"No vertebra in {source.path} is confirmed or corrected; confirm them in 3D Slicer, "
                                 "or take all of them with --all.")
            for case in found:
                checkGaps(case.settled + case.others)
            cases += found
        except InputError as error:
            reasons.append(str(error))
    if not cases:
        raise InputError(reasons[0])
    for reason in reasons:
        print("Left out:", reason)
    return cases


def _casesOfScene(source: CorrectionsFile, readScene: ReadScene) -> list[CorrectedCase]:
    return [CorrectedCase(source, source.patient or case.patient or str(source.path.resolve()), case.image,
                          case.settled, case.others) for case in readScene(source.path)]


def _caseOfJson(source: CorrectionsFile) -> CorrectedCase:
    """Its vertebrae are others, but those that it says a person confirmed or corrected."""
    result = readJson(source.path)
    ct = source.ct or _ctBeside(source.path)
    with quietLibraries():
        image = readImage(ct)
    _checkBelongs(source.path, result, image)
    isSettled = {vertebra.level: bool(vertebra.review and vertebra.review.settled) for vertebra in result.vertebrae}
    settled = [vertebra for vertebra in result.vertebrae if isSettled[vertebra.level]]
    others = [vertebra for vertebra in result.vertebrae if not isSettled[vertebra.level]]
    patient = source.patient or _patientOf(ct) or str(source.path.resolve())
    return CorrectedCase(source, patient, image, settled, others)


def _ctBeside(path: Path) -> Path:
    images = [file for file in path.parent.iterdir() if file.name.lower().endswith(IMAGE_SUFFIXES)]
    if len(images) != 1:
        raise InputError(f"Beside {path} lie {len(images)} images instead of its CT alone; name the CT in a table "
                         "(--cases).")
    return images[0]


def _checkBelongs(path: Path, result: DetectionResult, image: sitk.Image) -> None:
    for name, value in imageGeometry(image).items():
        if not np.allclose(value, result.image.get(name, np.nan), rtol=0, atol=1e-3):
            raise InputError(f"{path} was made from another CT ({name} differs); name the right one in a table "
                             "(--cases).")


def _patientOf(ct: Path) -> str | None:
    """DICOM patient ID of a CT, None for other files."""
    path = next(iter(dicomFiles(ct)), None) if ct.is_dir() else ct if isDicom(ct) else None
    return str(readDataset(path, ["PatientID"]).get("PatientID") or "") if path else None


def _split(digests: Sequence[str], validation: float) -> dict[str, str]:
    """Digest -> split. Digests are random, so their order is."""
    held = round(validation * len(digests))
    if validation and len(digests) > 1:
        held = min(max(held, 1), len(digests) - 1)
    return {digest: SPLITS[index < held] for index, digest in enumerate(digests)}


def _writeCase(folder: Path, split: str, name: str, image: sitk.Image, settled: Sequence[Vertebra],
               others: Sequence[Vertebra], detector: SliceDetector, geometry: SliceGeometry,
               random: np.random.Generator, slices: int) -> int:
    pictures, boxes = correctedSlices(image, settled, others, detector)
    return writePictures(folder, split, name, pictures, boxes, geometry.pictureSize, random, slices)


def _safe(path: Path) -> str:
    return re.sub(r"[^A-Za-z0-9_-]+", "_", path.stem if path.name != RESULT_NAME else path.parent.name)
