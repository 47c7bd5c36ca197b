import numpy as np

from CervicalSpineDetectionLib.Phantom.Implants import METAL_HU, addPlate


def neck():
    """Three bodies, C4 to C6, of 20 x 16 x 14 voxels, one above the other with 4 between."""
    tissues = np.zeros((60, 80, 90), np.uint8)
    for code, top in ((4, 70), (5, 52), (6, 34)):
        tissues[20:40, 30:46, top - 14 : top] = code
    return tissues


def test_thePlateLiesBeforeItsBodiesAndTheScrewsInThem():
    tissues = neck()
    hu = np.zeros(tissues.shape, np.float32)
    codes = addPlate(hu, tissues, 1.0, np.random.default_rng(0))
    metal = hu >= METAL_HU[0]
    assert len(codes) >= 1 and set(codes) <= {4, 5, 6}
    for code in (4, 5, 6):
        rows = np.flatnonzero((tissues == code).any(axis=(0, 1)))
        before = metal[:, :30, rows[0] : rows[-1] + 1].any()
        assert before == (code in codes)
    assert metal[:, 30:46].any() and not metal[:, 46:].any()


def test_withoutCervicalBodiesNothingIsChanged():
    hu = np.zeros((10, 10, 10), np.float32)
    assert addPlate(hu, np.zeros((10, 10, 10), np.uint8), 1.0, np.random.default_rng(0)) == [] and not hu.any()
