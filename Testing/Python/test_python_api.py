"""What notebooks import: ``detectVertebrae`` and ``toDataFrame``."""

import doctest
import subprocess
import sys

import pytest
import SimpleITK as sitk
from cohortFixtures import madeResult, madeVertebra
from oracleDetector import OracleDetector
from publicDataSets import madeNeck

import CervicalSpineDetectionLib
from CervicalSpineDetectionLib import Api, detectVertebrae, readImage, toDataFrame
from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Results.ResultTable import COLUMNS, writeCsv


@pytest.fixture
def loaded(monkeypatch):
    """Choices a detector was loaded for; the detector is the choice itself."""
    loaded = []

    def loadDetector(weights=None, device="auto"):
        loaded.append((weights, device))
        return loaded[-1]

    monkeypatch.setattr("CervicalSpineDetectionLib.SliceDetector.YoloDetector.loadDetector", loadDetector)
    Api._detector.cache_clear()
    yield loaded
    Api._detector.cache_clear()


def test_theDocumentedExampleRuns(tmp_path, monkeypatch):
    ct, labels = madeNeck()
    monkeypatch.setattr(Api, "_detector", lambda weights, device: OracleDetector(ct, labels))
    sitk.WriteImage(ct, str(tmp_path / "neck.nii.gz"))
    monkeypatch.chdir(tmp_path)
    (example,) = doctest.DocTestFinder(recurse=False).find(Api.detectVertebrae, "detectVertebrae", globs={})

    results = doctest.DocTestRunner(verbose=False).run(example)
    assert results.attempted == 6 and results.failed == 0


def test_theResultIsThatOfThePipeline(loaded, monkeypatch):
    monkeypatch.setattr("CervicalSpineDetectionLib.Pipeline.detectVertebrae", lambda *given: given)

    assert detectVertebrae("image", "mine", "cpu", "progress", "settled") == (
        "image", ("mine", "cpu"), "progress", "settled")


def test_theNetworkIsLoadedOnceForOneChoice(loaded, monkeypatch):
    monkeypatch.setattr("CervicalSpineDetectionLib.Pipeline.detectVertebrae", lambda *given: given)
    for _ in range(2):
        detectVertebrae("image")
    detectVertebrae("image", device="cpu")

    assert loaded == [(None, "auto"), (None, "cpu")]


def test_weightsThatAreNotThereAreTold():
    with pytest.raises(InputError, match="No weights called nonsense"):
        detectVertebrae(sitk.Image(9, 9, 9, sitk.sitkInt16), weights="nonsense")


def test_theTableHoldsTheSameAsTheCsv(tmp_path):
    import pandas

    result = madeResult(madeVertebra("C3", inferred=True), madeVertebra("C4", -18.126))
    table = toDataFrame(result)
    writeCsv(tmp_path / "vertebrae.csv", result)

    pandas.testing.assert_frame_equal(table, pandas.read_csv(tmp_path / "vertebrae.csv", keep_default_na=False))
    assert table["inferred"].dtype == bool and table["centreS_mm"].tolist() == [0.0, -18.13]


def test_theTableOfNothingHasItsColumns():
    table = toDataFrame(madeResult())

    assert len(table) == 0 and tuple(table.columns) == tuple(COLUMNS)


def test_importingThePackageWaitsForNoLibrary():
    code = ("import sys, CervicalSpineDetectionLib; "
            "print({'numpy', 'SimpleITK', 'torch', 'pandas', 'slicer'} & set(sys.modules))")
    run = subprocess.run([sys.executable, "-c", f"import sys; sys.path[:] = {sys.path!r}; {code}"],
                         capture_output=True, text=True, check=True)

    assert run.stdout.strip() == "set()"


def test_publicNamesAreListedAndOthersAreNone():
    assert {"detectVertebrae", "readImage", "toDataFrame", "__version__"} <= set(dir(CervicalSpineDetectionLib))
    assert readImage.__module__ == "CervicalSpineDetectionLib.Imaging.ReadImage"
    with pytest.raises(AttributeError, match="no attribute 'divine'"):
        CervicalSpineDetectionLib.divine  # noqa: B018
