"""The scans to come are fetched from the disk, once each, whatever is wrong with one of them."""

import os
import queue

import pytest

from CervicalSpineDetectionLib.Cohort import ReadAhead as module
from CervicalSpineDetectionLib.Cohort.ReadAhead import ReadAhead, fetch, filesOf, sourceOf
from CervicalSpineDetectionLib.Cohort.Scans import Scan
from CervicalSpineDetectionLib.Errors import InputError


def test_anImageFileIsFetchedAlone(tmp_path):
    for name in ("a.nii.gz", "b.nii.gz"):
        (tmp_path / name).touch()
    assert filesOf(sourceOf(tmp_path / "a.nii.gz")) == [tmp_path / "a.nii.gz"]


def test_aSeriesIsFetchedWithAllItsSlices(tmp_path):
    for name in ("1", "2", "3"):
        (tmp_path / name).touch()
    assert filesOf(sourceOf(tmp_path / "2")) == filesOf(sourceOf(tmp_path)) == [tmp_path / name for name in "123"]


def test_eachScanIsFetchedOnceAndAMissingOneHoldsUpNone(tmp_path, monkeypatch):
    fetched = queue.SimpleQueue()
    monkeypatch.setattr(module, "fetch", lambda path: path.stat() and fetched.put(path.name) or 0)
    gone, one, two, last = (Scan(name, tmp_path / f"{name}.nrrd") for name in ("gone", "one", "two", "last"))
    for scan in (one, two, last):
        scan.path.touch()
    ahead = ReadAhead()

    for scans in ([gone, one], [one, two], [Scan("slice", tmp_path / "no folder" / "slice"), last]):
        ahead(scans)

    assert [fetched.get(timeout=10) for _ in range(3)] == ["one.nrrd", "two.nrrd", "last.nrrd"]


def test_aFolderOfManySeriesIsFetchedOnceAndNotWhole(tmp_path, monkeypatch):
    fetched = queue.SimpleQueue()
    monkeypatch.setattr(module, "fetch", lambda path: fetched.put(path.name) or module.MOST_BYTES // 2)
    for name in ("1", "2", "3", "4", "last.nrrd"):
        (tmp_path / name).touch()
    ahead = ReadAhead()

    ahead(Scan(name, tmp_path / name) for name in ("1", "2", "3", "last.nrrd"))

    assert [fetched.get(timeout=10) for _ in range(3)] == ["1", "2", "last.nrrd"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_aPipeIsNotWaitedFor(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError):
        fetch(tmp_path / "pipe")
