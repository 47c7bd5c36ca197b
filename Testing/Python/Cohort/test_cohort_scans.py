"""Cohorts: which scans there are, what they are called, how doubtful a result is."""

import os
import re
import shutil
import sys

import pydicom
import pytest
from cohortFixtures import madeResult, madeVertebra, writeDicom
from pydicom.uid import MediaStorageDirectoryStorage, generate_uid

from CervicalSpineDetectionLib.Cohort.Doubt import conflictsOf, doubtOf, lowestConfidence, reasonsOf
from CervicalSpineDetectionLib.Cohort.Scans import findScans
from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Imaging.DicomSeries import readDicomSeries
from CervicalSpineDetectionLib.Imaging.ReadImage import readImage


def touch(*paths):
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"0")


def sources(scans, root):
    return [scan.path.relative_to(root).as_posix() for scan in scans]


def test_imagesAreFoundInTheWholeTreeInOrder(tmp_path):
    touch(tmp_path / "b.nrrd", tmp_path / "a.nii.gz", tmp_path / "deep" / "er" / "c.mha", tmp_path / "notes.txt",
          tmp_path / ".hidden.nii", tmp_path / ".cache" / "d.nii")

    assert sources(findScans(tmp_path), tmp_path) == ["a.nii.gz", "b.nrrd", "deep/er/c.mha"]


def test_onlyImagesOfThePatternAreTaken(tmp_path):
    touch(tmp_path / "1_ct.nii.gz", tmp_path / "1_structures.nii.gz")

    assert sources(findScans(tmp_path, "*_ct.nii.gz"), tmp_path) == ["1_ct.nii.gz"]


def test_resultsAreNotTakenForScans(tmp_path):
    touch(tmp_path / "a.nrrd", tmp_path / "out" / "scans" / "a" / "labels.nrrd")

    assert sources(findScans(tmp_path, without=tmp_path / "out"), tmp_path) == ["a.nrrd"]


def test_aScanKeepsItsNameWhenOthersComeAndChangesItWithItsData(tmp_path):
    touch(tmp_path / "x" / "neck.nrrd")
    (before,) = findScans(tmp_path)
    touch(tmp_path / "y" / "neck.nrrd", tmp_path / "x_neck.nrrd")
    scans = findScans(tmp_path)
    same = [scan for scan in scans if scan.path == before.path]

    assert same == [before]
    assert len({scan.name for scan in scans}) == 3

    before.path.write_bytes(b"more")
    assert before.name not in {scan.name for scan in findScans(tmp_path)}


@pytest.mark.parametrize("name", ["a b.nrrd", "ä<script>.nrrd", "-x...nrrd", "&%$.nrrd", f"{'long' * 50}.nrrd"])
def test_namesAreSafeFolderNames(tmp_path, name):
    touch(tmp_path / name)
    (scan,) = findScans(tmp_path)

    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}", scan.name)


def test_eachDicomSeriesIsAScanNamedAfterNothingInIt(tmp_path):
    first, second = generate_uid(), generate_uid()
    for number in range(3):
        writeDicom(tmp_path / "Doe_Jane" / f"Doe{number}", first, number)
        writeDicom(tmp_path / "Doe_Jane" / f"Other{number}", second, number)
    touch(tmp_path / "Doe_Jane" / "DICOMDIR")
    scans = findScans(tmp_path)

    assert sources(scans, tmp_path) == ["Doe_Jane/Doe0", "Doe_Jane/Other0"]
    assert all(re.fullmatch(r"dicom-[0-9a-f]{12}", scan.name) for scan in scans)
    assert len({scan.name for scan in scans}) == 2 and not any(scan.leftOut for scan in scans)


@pytest.mark.parametrize(("changes", "reason"), [
    ({"Modality": "RTSTRUCT"}, "RTSTRUCT"), ({"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, "Localizer"),
])
def test_whatIsNoCtInADicomTreeIsLeftOutWithItsReason(tmp_path, changes, reason):
    writeDicom(tmp_path / "a", generate_uid(), **changes)
    (scan,) = findScans(tmp_path)

    assert reason in scan.leftOut


def test_aScoutInTheSeriesOfACtIsNotTakenForIt(tmp_path):
    series = generate_uid()
    writeDicom(tmp_path / "a", series, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    for number in range(3):
        writeDicom(tmp_path / f"b{number}", series, number)
    (scan,) = findScans(tmp_path)

    assert scan.path == tmp_path / "b0" and not scan.leftOut


def test_structureSetWithTheUidOfItsCtIsAScanOfItsOwn(tmp_path):
    series = generate_uid()
    for number in range(3):
        writeDicom(tmp_path / f"b{number}", series, number)
    writeDicom(tmp_path / "a", series, Modality="RTSTRUCT", SOPClassUID="1.2.840.10008.5.1.4.1.1.481.3", Rows=None,
               Columns=None, PixelData=None)
    left, scan = findScans(tmp_path)

    assert scan.path == tmp_path / "b0" and not scan.leftOut
    assert left.leftOut == "DICOM of modality RTSTRUCT, not CT."


def test_slicesThatAreEachASeriesAreOneScan(tmp_path):
    for number in range(3):
        writeDicom(tmp_path / f"b{number}", generate_uid(), number, StudyInstanceUID="1.2", FrameOfReferenceUID="1.3")
    (scan,) = findScans(tmp_path)

    assert scan.path == tmp_path / "b0" and not scan.leftOut


def test_indexOfADiskUnderAnyNameIsNoScan(tmp_path):
    writeDicom(tmp_path / "DIRFILE", None, SOPClassUID="1.2.840.10008.1.3.10", Rows=None, Columns=None, PixelData=None)
    os.mkfifo(tmp_path / "pipe")

    assert findScans(tmp_path) == []


def test_nothingOfAStrangeModalityIsShown(tmp_path):
    writeDicom(tmp_path / "a", generate_uid(), Modality="DOE")
    (scan,) = findScans(tmp_path)

    assert scan.leftOut == "DICOM of modality unknown, not CT."


def test_aDamagedDicomFileIsAScanThatReadingWillRefuse(tmp_path):
    touch(tmp_path / "cut")
    (tmp_path / "cut").write_bytes(bytes(128) + b"DICM" + b"\xff" * 20)
    (scan,) = findScans(tmp_path)

    assert scan.path == tmp_path / "cut" and not scan.leftOut


def test_whatCannotBeOpenedIsAScanThatReadingWillRefuse(tmp_path, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied")

    touch(tmp_path / "closed")
    (tmp_path / "nowhere.nrrd").symlink_to(tmp_path / "none.nrrd")
    monkeypatch.setattr("CervicalSpineDetectionLib.Cohort.Scans.isDicom", refuse)

    assert sources(findScans(tmp_path), tmp_path) == ["nowhere.nrrd", "closed"]


def test_aFolderThatCannotBeReadIsNotPassedOver(tmp_path, monkeypatch):
    (tmp_path / "closed").mkdir()
    scan = os.scandir

    def scandir(path):
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(InputError, match="closed can't be read"):
        findScans(tmp_path)


# Trees as they come


def writeSeries(folder, series, numbers=range(4), **changes):
    for number in numbers:
        writeDicom(folder / f"slice{number}", series, number, **changes)


@pytest.mark.shows("Mended", "linked folders of patients in `cohort`", "followed, each once")
def test_linkedFoldersOfPatientsAreFollowedOnce(tmp_path):
    writeSeries(tmp_path / "store" / "one", generate_uid())
    touch(tmp_path / "store" / "two" / "neck.nrrd")
    root = tmp_path / "study"
    root.mkdir()
    for name in ("one", "two"):
        (root / name).symlink_to(tmp_path / "store" / name)
    (root / "two" / "up").symlink_to(root)  # and around
    (root / "again").symlink_to(tmp_path / "store")

    assert sources(findScans(root), root) == ["again/one/slice0", "again/two/neck.nrrd"]  # the first path to each


def test_theResultsAreNotSearchedThroughALink(tmp_path):
    touch(tmp_path / "in" / "a.nrrd", tmp_path / "out" / "scans" / "labels.nrrd")
    (tmp_path / "in" / "results").symlink_to(tmp_path / "out")

    assert sources(findScans(tmp_path / "in", without=tmp_path / "out"), tmp_path / "in") == ["a.nrrd"]


def test_aLinkThatLeadsNowhereIsAScanThatReadingWillRefuse(tmp_path):
    (tmp_path / "patient 7").symlink_to(tmp_path / "not mounted")
    (scan,) = findScans(tmp_path)

    assert scan.path == tmp_path / "patient 7" and "7" not in scan.name.split("-")[0]
    with pytest.raises(InputError, match="can't be read"):
        readImage(scan.path)


@pytest.mark.shows("Mended", "a scout as first file of a CT's series in `cohort`", "the CT is taken")
def test_aScoutAsFirstFileDoesNotLeaveItsCtOut(tmp_path):
    series = generate_uid()
    writeDicom(tmp_path / "0scout", series, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    writeSeries(tmp_path, series)
    (scan,) = findScans(tmp_path)

    assert not scan.leftOut and scan.path.name == "slice0"


@pytest.mark.shows("Mended", "DIRFILE, DICOMDIR among the slices in `cohort`", "passed over")
def test_indexesAndReportsAmongTheSlicesAreNoScans(tmp_path):
    writeSeries(tmp_path, generate_uid())
    index = pydicom.dcmread(tmp_path / "slice0")
    for tag in ("Rows", "Columns", "PixelData", "SeriesInstanceUID", "Modality"):
        del index[tag]
    index.SOPClassUID = index.file_meta.MediaStorageSOPClassUID = MediaStorageDirectoryStorage
    for name in ("DIRFILE", "INDEX", "DICOMDIR"):
        index.save_as(tmp_path / name)

    assert sources(findScans(tmp_path), tmp_path) == ["slice0"]


def test_slicesThatEachStateToBeASeriesAreOneScan(tmp_path):
    for number in range(5):
        writeDicom(tmp_path / f"slice{number}", generate_uid(), number, StudyInstanceUID="1.2",
                   FrameOfReferenceUID="1.3")

    assert sources(findScans(tmp_path), tmp_path) == ["slice0"]


@pytest.mark.shows("Mended", "a series over two folders in `cohort`", "one CT, or told that it can't be")
def test_aSeriesOverTwoFoldersIsOneScan(tmp_path):
    series = generate_uid()
    writeSeries(tmp_path / "ct" / "a", series, range(4))
    writeSeries(tmp_path / "ct" / "b", series, range(4, 9))
    touch(tmp_path / "neck.nrrd")
    scans = findScans(tmp_path)

    assert sources(scans, tmp_path) == ["neck.nrrd", "ct"] and not any(scan.leftOut for scan in scans)
    assert readDicomSeries(scans[1].path)[0].GetSize()[2] == 9


@pytest.mark.shows("Mended", "a series over two folders in `cohort`")
def test_aSeriesOverFoldersOfOtherCtsIsToldOf(tmp_path):
    series = generate_uid()
    writeSeries(tmp_path / "a", series, range(4))
    writeSeries(tmp_path / "b", series, range(4, 9))
    writeSeries(tmp_path / "c", generate_uid())

    assert ["several folders" in scan.leftOut for scan in findScans(tmp_path)] == [True, False]


def test_copiesOfASeriesAreScansOfTheirOwn(tmp_path):
    writeSeries(tmp_path / "a", generate_uid())
    shutil.copytree(tmp_path / "a", tmp_path / "b")

    assert sources(findScans(tmp_path), tmp_path) == ["a/slice0", "b/slice0"]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere file names are always text")
def test_aLatin1FileNameIsAScan(tmp_path):
    name = os.fsdecode("Müller.nrrd".encode("latin-1"))
    touch(tmp_path / name)
    (scan,) = findScans(tmp_path)

    assert scan.path.name == name and scan.name.isascii()


def test_aPipeHoldsNobodyUp(tmp_path):
    os.mkfifo(tmp_path / "x.nii.gz")
    os.mkfifo(tmp_path / "slice")

    assert sources(findScans(tmp_path), tmp_path) == ["x.nii.gz"]
    with pytest.raises(InputError, match="plain file"):
        readImage(tmp_path / "x.nii.gz")


def chain(*levels, step=18.0, **flags):
    return [madeVertebra(level, -step * index, **flags) for index, level in enumerate(levels)]


def test_aSureChainHasNoConflictAndHardlyDoubt():
    result = madeResult(*chain("C3", "C4", "C5", "C6"))

    assert conflictsOf(result) == [] and reasonsOf(result) == []
    assert doubtOf(result) == pytest.approx(0.05)


@pytest.mark.parametrize(("vertebrae", "conflict"), [
    (chain("C3", "C5", step=36), "Between C3 and C5 a level is missing"),
    (chain("C3", "C4", step=-18), "C4 lies above C3"),
    (chain("C3", "C4", step=40), "C3 and C4 are 40 mm apart"),
    (chain("C3", "C4", step=9), "C3 and C4 are 9 mm apart"),
])
def test_whatCannotBeIsAConflict(vertebrae, conflict):
    (found,) = conflictsOf(madeResult(*vertebrae))

    assert found.startswith(conflict)


def test_doubtGrowsFromLowConfidenceToUnseenLevelsToConflictsToNothing():
    unsure = madeResult(*chain("C3", "C4", confidence=0.4))
    unseen = madeResult(madeVertebra("C3"), madeVertebra("C4", -18, inferred=True))
    conflict = madeResult(*chain("C3", "C5", step=9, inferred=True))
    nothing = madeResult()
    doubts = [doubtOf(result) for result in (madeResult(madeVertebra()), unsure, unseen, conflict, nothing)]

    assert doubts == sorted(doubts) and len(set(doubts)) == 5
    assert lowestConfidence(nothing) == 0


def test_reasonsNameTheLevel():
    result = madeResult(madeVertebra("C3", inferred=True), warnings=["Tilted."])

    assert reasonsOf(result) == ["C3: interpolated (not detected).", "Tilted."]
