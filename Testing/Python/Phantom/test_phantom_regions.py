"""``makePhantom`` of other regions: foreign ones show no cervical vertebra."""

import numpy as np
import pytest
import SimpleITK as sitk

from CervicalSpineDetectionLib.Phantom.Phantom import makePhantom


@pytest.mark.parametrize("region, most", [("chest", 22), ("abdomen", 24), ("pelvis", 24)])
def test_aForeignRegionShowsVertebraeButNoCervicalOne(region, most):
    phantom = makePhantom(2, region)
    codes = set(np.unique(sitk.GetArrayViewFromImage(phantom.fineLabels)).tolist()) - {0}
    assert codes and min(codes) > 7 and max(codes) <= most
    assert all(vertebra.level.startswith("T") for vertebra in phantom.vertebrae)


def test_theNeckOfASeedHasItsLevels(neckPhantom):
    assert [vertebra.level for vertebra in neckPhantom.vertebrae][:7] == ["C1", "C2", "C3", "C4", "C5", "C6", "C7"]
    codes = np.unique(sitk.GetArrayViewFromImage(neckPhantom.fineLabels))
    assert codes.max() > 11  # T5 is labelled too
