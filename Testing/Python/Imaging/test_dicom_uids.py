"""The standard's UIDs, and that reading a plain series does not wait for pydicom, which has them all."""

import subprocess
import sys

import pydicom.uid
from dicomSeries import writeSeries

from CervicalSpineDetectionLib.Imaging import DicomUids


def test_theyAreThoseOfTheStandard():
    expected = {keyword.replace("_", "").upper(): uid for uid, (*_, keyword) in pydicom.uid.UID_dictionary.items()}
    named = {name: value for name, value in vars(DicomUids).items() if name.isupper() and name != "STANDARD_ROOT"}

    assert {name: expected[name.replace("_", "")] for name in named} == named
    assert all(uid.startswith(DicomUids.STANDARD_ROOT) for uid in named.values())


def test_aPlainSeriesIsReadWithoutPydicom(tmp_path):
    # Its import takes longer than reading the headers of a series.
    folder = writeSeries(tmp_path / "ct")
    code = ("import sys; from CervicalSpineDetectionLib.Imaging.ReadImage import readImage; readImage(sys.argv[1]); "
            "sys.exit('pydicom' in sys.modules)")
    assert subprocess.run([sys.executable, "-c", code, folder]).returncode == 0
