"""The best boxes of a picture, as torchvision's non-maximum suppression chooses them."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from CervicalSpineDetectionLib.SliceDetector.BoxSelection import SAME_BODY_IOU, SAME_VERTEBRA_IOU, suppress


@pytest.mark.parametrize("iou", [SAME_VERTEBRA_IOU, SAME_BODY_IOU])
def test_theSameBoxesAreKeptAsByTorchvision(iou):
    ops = pytest.importorskip("torchvision.ops")
    random = np.random.default_rng(7)
    for count in (0, 1, 2, 30, 300):
        # Whole pixels: many boxes overlap by exactly the limit, some are empty.
        corner, size = random.integers(0, 60, (count, 2)), random.integers(0, 25, (count, 2))
        corners = np.concatenate([corner, corner + size], axis=1).astype(np.float32)
        falling = torch.linspace(1, 0.1, count)
        expected = ops.nms(torch.from_numpy(corners), falling, iou).numpy()
        assert suppress(corners, iou).tolist() == expected.tolist()


def test_aBoxThatIsSuppressedSuppressesNone():
    corners = np.array([[0, 0, 10, 10], [0, 4, 10, 14], [0, 8, 10, 18]], np.float32)
    assert suppress(corners, 0.3).tolist() == [0, 2]


def test_aDetectionDoesNotWaitForTorchvision():
    # Its import takes as long as a whole detection.
    code = ("import sys, numpy; from CervicalSpineDetectionLib.SliceDetector.YoloDetector import loadDetector; "
            "loadDetector(device='cpu').detect(numpy.zeros((2, 3, 64, 64), numpy.uint8)); "
            "sys.exit('torchvision' in sys.modules)")
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
