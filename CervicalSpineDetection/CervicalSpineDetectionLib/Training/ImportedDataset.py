"""A public data set of labelled spine CTs as slices and boxes to train on, and as CTs and label maps to evaluate on.

CTs that were done stay done, whatever ends a run; a data set is one only when it is complete.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import json
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import SimpleITK as sitk

from CervicalSpineDetectionLib.AtomicFiles import atomicFile, atomicFolder, ensureWritable
from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Imaging.ReadImage import readImageWithWarnings
from CervicalSpineDetectionLib.SafeChildren import endWithStarter, startingSafely
from CervicalSpineDetectionLib.Spine.Levels import SPINE_LEVELS
from CervicalSpineDetectionLib.Terminal import ProgressDisplay
from CervicalSpineDetectionLib.Training.Dataset import SliceGeometry, writeDescription, writeSlices
from CervicalSpineDetectionLib.Truth.DataSets.DataSetCase import DataSetCase, Source
from CervicalSpineDetectionLib.Truth.DataSets.FirstCase import drawCase
from CervicalSpineDetectionLib.Truth.DataSets.Split import splitByPatient
from CervicalSpineDetectionLib.Truth.Masks import checkLevels, placedOn

SPLITS = ("train", "val", "test")
HELD_OUT = "heldout"  # folder of the CTs and label maps of val and test
CASES = "cases"  # folder of one JSON file a CT: what came of it
PICTURE = "first_case.png"

# Of one CT: "patient", "split", "slices" (how many), "levels" (in view), "notes", "reason" (why it was skipped, or ""),
# "pixelSize" (mm).
Outcome: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class ImportedDataset:
    """What came of all CTs.

    :param used: by file name.
    :param skipped: file name -> reason.
    """

    used: dict[str, Outcome]
    skipped: dict[str, str]

    def patients(self, split: str) -> int:
        """How many there are."""
        return len({outcome["patient"] for outcome in self.used.values() if outcome["split"] == split})

    def slices(self, split: str) -> int:
        """How many there are."""
        return sum(outcome["slices"] for outcome in self.used.values() if outcome["split"] == split)


def importDataset(source: Source, cases: Sequence[DataSetCase], output: Path, geometry: SliceGeometry, slices: int,
                  workers: int) -> ImportedDataset:
    """Write slices, held-out CTs and what came of each CT; ``finish`` then makes it a data set.

    :param slices: of one CT.
    :param workers: processes.
    :raises InputError: the folder holds other CTs, or slices of other pixels.
    :raises OSError: the folder can't be written.
    """
    for part in (CASES, *(f"{HELD_OUT}/{split}" for split in SPLITS[1:]),
                 *(f"{kind}/{split}" for kind in ("images", "labels") for split in SPLITS)):
        ensureWritable(output / part)
    done = _earlier(output / CASES)
    strange = done.keys() - {fileName(case) for case in cases}
    if strange:
        raise InputError(f"{output} holds other CTs already (e.g. {min(strange)}); choose another folder.")
    if any(outcome.get("pixelSize") != geometry.pixelSize for outcome in done.values()):
        raise InputError(f"{output} holds slices for weights with other pixels; choose another folder.")
    (output / "dataset.json").unlink(missing_ok=True)
    # Patients keep the split they had, whoever comes later.
    splits = splitByPatient(cases) | {outcome["patient"]: outcome["split"] for outcome in done.values()}
    # The same CT may come in two years' releases.
    cases = list({fileName(case): case for case in reversed(cases)}.values())[::-1]
    jobs = [partial(_import, source, case, splits[case.patient], output, geometry, slices)
            for case in cases if fileName(case) not in done]
    with concurrent.futures.ProcessPoolExecutor(workers, initializer=endWithStarter) as pool:
        with startingSafely():
            outcomes = pool.map(_call, jobs) if workers > 1 else map(_call, jobs)
        progress = ProgressDisplay("CTs", lines=19)
        for name, outcome in progress.over(outcomes, "Importing", len(jobs)):
            done[name] = outcome
            progress.say(f"{len(done)} of {len(cases)} {name}: " + (
                outcome["reason"] or f"{outcome['slices']} slices, {outcome['split']}, {' '.join(outcome['levels'])}"))
    return ImportedDataset({name: outcome for name, outcome in done.items() if not outcome["reason"]},
                           {name: outcome["reason"] for name, outcome in done.items() if outcome["reason"]})


def finish(source: Source, cases: Sequence[DataSetCase], imported: ImportedDataset, output: Path,
           geometry: SliceGeometry) -> None:
    """Write the card, and a picture of the first CT.

    :raises InputError: no CT could be used.
    """
    if not imported.used:
        raise InputError(f"None of {len(imported.skipped)} CTs could be used; the first was skipped because: "
                         f"{next(iter(imported.skipped.values()))}")
    first = next(case for case in cases if fileName(case) in imported.used)
    ct, labels, _ = _read(source, first)
    note = {
        "sources": [{"name": source.title, "licence": source.licence, "source": source.address,
                     "citation": source.citation}],
        "patients": {split: imported.patients(split) for split in SPLITS},
        "slices": {split: imported.slices(split) for split in SPLITS},
        "cases": {name: {key: outcome[key] for key in ("split", "slices", "levels", "notes")}
                  for name, outcome in imported.used.items()},
        "skipped": imported.skipped,
    }
    with atomicFolder(output, (PICTURE, "dataset.json")) as folder:
        drawCase(ct, labels, geometry, fileName(first)).save(folder / PICTURE)
        writeDescription(folder, geometry, note)


def fileName(case: DataSetCase) -> str:
    return case.name.replace("/", "_")


def _earlier(folder: Path) -> dict[str, Outcome]:
    """Outcomes of an earlier run; what was skipped gets another chance."""
    outcomes: dict[str, Outcome] = {}
    for path in sorted(folder.glob("*.json")):
        # A loss of power leaves damaged ones, whose cases are done again.
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError, RecursionError):
            outcome = json.loads(path.read_text(encoding="utf-8"))
            if not outcome["reason"]:
                outcomes[path.stem] = outcome
    return outcomes


def _read(source: Source, case: DataSetCase) -> tuple[sitk.Image, sitk.Image, list[str]]:
    """:return: (CT in HU, labels on its grid, notes). :raises InputError: the case can't be used."""
    # The labels first: most CTs of the spine show no neck.
    labels = source.labels(case)
    checkLevels(labels)
    read = readImageWithWarnings(case.ct)
    labels, notes = placedOn(read.image, labels, source.headersAgree)
    return read.image, labels, notes + read.warnings


def _import(source: Source, case: DataSetCase, split: str, output: Path, geometry: SliceGeometry,
            count: int) -> tuple[str, Outcome]:
    """Write one case's slices, its CT and labels if it is held out, then its outcome; the same case gives the same.

    :return: (file name, outcome).
    """
    name = fileName(case)
    outcome: Outcome = {"patient": case.patient, "split": split, "slices": 0, "levels": [], "notes": [], "reason": "",
               "pixelSize": geometry.pixelSize}
    try:
        ct, labels, outcome["notes"] = _read(source, case)
        random = np.random.default_rng(zlib.crc32(name.encode()))
        outcome["slices"] = writeSlices(output, split, name, ct, labels, geometry, random, count)
        if split != "train":
            # As ``evaluate --cases`` reads them.
            whole = sitk.Cast(sitk.Round(sitk.Cast(ct, sitk.sitkFloat32)), sitk.sitkInt16)
            for image, suffix in ((whole, ""), (labels, "_labels")):
                sitk.WriteImage(image, str(output / HELD_OUT / split / f"{name}{suffix}.nii.gz"), useCompression=True)
        outcome["levels"] = [SPINE_LEVELS[code - 1] for code in np.unique(sitk.GetArrayViewFromImage(labels)) if code]
    except InputError as error:
        outcome["reason"] = str(error)
    with atomicFile(output / CASES / f"{name}.json") as temporary:
        temporary.write_text(json.dumps(outcome, indent=1), encoding="utf-8")
    return name, outcome


def _call(job: Callable[[], tuple[str, Outcome]]) -> tuple[str, Outcome]:
    return job()
