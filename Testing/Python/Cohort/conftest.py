"""Made scans, and the folder for their results."""

import pytest
from cohortFixtures import COUNT, madeScans


@pytest.fixture
def scans(tmp_path):
    return madeScans(tmp_path / "in", COUNT)


@pytest.fixture
def output(tmp_path):
    (tmp_path / "out" / "scans").mkdir(parents=True)
    return tmp_path / "out"
