"""Stand-ins for the cohort's tests: made scans, and an analysis that reads no CT."""

from __future__ import annotations

import csv
import os
import signal
import time
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from CervicalSpineDetectionLib.Cohort.Run import runCohort
from CervicalSpineDetectionLib.Cohort.Scans import Scan
from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Results.ResultJson import writeJson
from CervicalSpineDetectionLib.Spine.Boxes import Bounds, OrientedBox
from CervicalSpineDetectionLib.Spine.Vertebra import DetectionResult, Vertebra

LOG_FILE = "analysed.txt"
COUNT = 6  # of made scans


def madeVertebra(level="C4", height=0.0, confidence=0.95, **flags):
    centre = np.array([0.0, 0.0, height])
    half = np.array([28.0, 25.0, 9.0])
    return Vertebra(level, confidence, centre, Bounds(centre - half, centre + half),
                    OrientedBox(centre, 2 * half, np.eye(3)), **flags)


def madeResult(*vertebrae, warnings=()):
    image = {"size": [9, 9, 9], "spacing": [1.0] * 3, "origin": [0.0] * 3, "direction": np.eye(3).ravel().tolist()}
    return DetectionResult(list(vertebrae), list(warnings), image, {"name": "made", "sha256": "0" * 64},
                           {"network": 1.0})


def madeScans(folder, count):
    """Scans whose files, of no CT, are there."""
    folder.mkdir(parents=True, exist_ok=True)
    scans = [Scan(f"scan{number:02d}", folder / f"scan{number:02d}.nrrd") for number in range(count)]
    for scan in scans:
        scan.path.touch()
    return scans


def analyse(scan, folder):
    """Notes itself in a log beside the scan, and writes a result."""
    with open(scan.path.parent / LOG_FILE, "a") as log:
        log.write(f"{scan.name} {os.getpid()}\n")
    writeJson(folder / "vertebrae.json", madeResult(madeVertebra(), warnings=[f"Result of {scan.name}."]))


def analysed(folder):
    """(name, process) of all calls of ``analyse`` for the scans of a folder."""
    log = Path(folder) / LOG_FILE
    return [tuple(line.split()) for line in log.read_text().splitlines()] if log.exists() else []


def refuse(scan, folder):
    raise InputError(f"{scan.path} is damaged; copy it again.")


def dieOnce(scan, folder):
    """As ``analyse``, but the process is killed half-way through scan02, the first time."""
    analyse(scan, folder)
    marker = scan.path.parent / "died"
    if scan.name == "scan02" and not marker.exists():
        marker.touch()
        (folder / "half.txt").write_text("half")
        os.kill(os.getpid(), signal.SIGKILL)


def dieAlways(scan, folder):
    if scan.name == "scan02":
        os.kill(os.getpid(), signal.SIGKILL)
    analyse(scan, folder)


def hang(scan, folder):
    """As ``analyse``, but scan02 never ends."""
    analyse(scan, folder)
    if scan.name == "scan02":
        time.sleep(600)


def tellAndHang(scan):
    print(os.getpid(), flush=True)
    time.sleep(600)


def cannotPrepare():
    raise InputError("There are no weights; give some.")


def fillDisk(scan, folder):
    """As ``analyse``, until the disk is full."""
    if scan.name == "scan02":
        raise OSError(28, "No space left on device")
    analyse(scan, folder)


def writeDicom(path, series, number=0, **changes):
    """A CT slice of 4 x 4 pixels of a patient called Doe."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    values = {
        "SOPClassUID": CTImageStorage, "SOPInstanceUID": meta.MediaStorageSOPInstanceUID, "Modality": "CT",
        "PatientName": "Doe^Jane", "PatientID": "MRN4711", "SeriesInstanceUID": series,
        "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"], "Rows": 4, "Columns": 4, "PixelSpacing": [1, 1],
        "ImagePositionPatient": [0, 0, number], "ImageOrientationPatient": [1, 0, 0, 0, 1, 0], "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2", "BitsAllocated": 16, "BitsStored": 16, "HighBit": 15,
        "PixelRepresentation": 1, "RescaleSlope": 1, "RescaleIntercept": 0, "PixelData": bytes(32), **changes,
    }
    slice_ = pydicom.Dataset()
    for tag, value in values.items():
        setattr(slice_, tag, value)
    slice_.file_meta = meta
    path.parent.mkdir(parents=True, exist_ok=True)
    slice_.save_as(path, enforce_file_format=True)


def cohort(scans, output, analysis=analyse, **options):
    return runCohort(scans, scans[0].path.parent, output, analysis, **options)


def table(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def statuses(output):
    return {row["scan"]: row["status"] for row in table(output / "scans.csv")}


def assertAllDoneAndWhole(output):
    assert statuses(output) == {f"scan{number:02d}": "done" for number in range(COUNT)}
    assert {path.name for path in (output / "scans").iterdir()} == set(statuses(output))
    for folder in (output / "scans").iterdir():
        assert [path.name for path in folder.iterdir()] == ["vertebrae.json"]
    assert {row["scan"] for row in table(output / "vertebrae.csv")} == set(statuses(output))
