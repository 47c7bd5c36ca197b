"""The shipped weights find on two stored phantoms what they found before.

Where the change is wanted: ``python Testing/Python/goldenResults.py`` shows it and stores the new results.
"""

import copy

import pytest
from goldenResults import CASES, detected, differences, stored

from CervicalSpineDetectionLib.SliceDetector.YoloDetector import loadDetector
from CervicalSpineDetectionLib.Spine.Levels import CERVICAL_LEVELS


@pytest.fixture(scope="module")
def detector():
    return loadDetector(device="cpu", precision="single")


@pytest.mark.parametrize("case", CASES)
def test_resultIsTheStoredOne(detector, case):
    lines = differences(stored(case), detected(case, detector))

    assert not lines, "\n".join([*lines, "if that is right: python Testing/Python/goldenResults.py"])


@pytest.mark.parametrize("case", CASES)
def test_storedResultHasAllLevels(case):
    assert [vertebra["level"] for vertebra in stored(case)["vertebrae"]] == list(CERVICAL_LEVELS)


def test_whatChangesIsTold():
    before = stored("straight")
    after = copy.deepcopy(before)
    del after["vertebrae"][6]
    after["vertebrae"][0]["centre"][2] += 0.6
    after["vertebrae"][1]["confidence"] -= 0.03
    after["vertebrae"][2]["inferred"] = True
    after["vertebrae"][3]["bounds"]["max"][1] += 0.4  # within the tolerance
    after["model"] = {"name": "other"}

    lines = differences(before, after)

    assert [line.split(":")[0] for line in lines] == [
        "model", "C7", "C1 centre", "C2 confidence", "C3 inferred"]
    assert lines[2].endswith("moved by +0.00, +0.00, +0.60 mm")
