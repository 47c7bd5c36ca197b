"""The scans to come are fetched from the disk, once each, whatever is wrong with one of them."""

import os
import queue

import pytest

from CervicalSpineDetectionLib.Cohort import ReadAhead as module
from CervicalSpineDetectionLib.Cohort.ReadAhead import ReadAhead, fetch, filesOf
from CervicalSpineDetectionLib.Cohort.Scans import Scan
from CervicalSpineDetectionLib.Errors import InputError


def test_anImageFileIsFetchedAlone(tmp_path):
    for name in ("a.nii.gz", "b.nii.gz"):
        (tmp_path / name).touch()
    assert list(filesOf(tmp_path / "a.nii.gz")) == [tmp_path / "a.nii.gz"]


def test_aSeriesIsFetchedWithAllItsSlices(tmp_path):
    for name in ("1", "2", "3"):
        (tmp_path / name).touch()
    assert list(filesOf(tmp_path / "2")) == list(filesOf(tmp_path)) == [tmp_path / name for name in "123"]


def test_eachScanIsFetchedOnceAndAMissingOneHoldsUpNone(tmp_path, monkeypatch):
    fetched = queue.SimpleQueue()
    monkeypatch.setattr(module, "fetch", lambda path: path.stat() and fetched.put(path.name))
    gone, one, two, last = (Scan(name, tmp_path / f"{name}.nrrd") for name in ("gone", "one", "two", "last"))
    for scan in (one, two, last):
        scan.path.touch()
    ahead = ReadAhead()

    for scans in ([gone, one], [one, two], [Scan("slice", tmp_path / "no folder" / "slice"), last]):
        ahead(scans)

    assert [fetched.get(timeout=10) for _ in range(3)] == ["one.nrrd", "two.nrrd", "last.nrrd"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_aPipeIsNotWaitedFor(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError):
        fetch(tmp_path / "pipe")
