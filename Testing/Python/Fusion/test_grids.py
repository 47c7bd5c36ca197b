"""The fusion gives the same answers on any grid that a model card may name."""

import numpy as np
import pytest
from blockNeck import blockNeck
from oracleDetector import OracleDetector, sliceDetections

from CervicalSpineDetectionLib.Fusion.Candidates import candidatesOf
from CervicalSpineDetectionLib.Fusion.Fuse import fuse
from CervicalSpineDetectionLib.Fusion.SliceBoxes import sliceBoxesOf
from CervicalSpineDetectionLib.Imaging.Resampling import resampleSagittal
from CervicalSpineDetectionLib.SliceDetector.Detector import BODY_CLASS

GRIDS = [(pixelSize, sliceSpacing) for pixelSize in (0.5, 0.75, 1.0) for sliceSpacing in (1.0, 2.0, 3.0)]
TUNED = (1.0, 2.0)


def fused(neck, pixelSize, sliceSpacing):
    ct, labels = neck
    detector = OracleDetector(ct, labels, pixelSize, sliceSpacing)
    volume = resampleSagittal(ct, pixelSize, sliceSpacing)
    return fuse(detector.detect(volume.voxels), volume)


@pytest.fixture(scope="module")
def neck():
    return blockNeck()


@pytest.fixture(scope="module")
def tuned(neck):
    return fused(neck, *TUNED)


@pytest.mark.parametrize("grid", GRIDS, ids=lambda grid: f"{grid[0]} mm pixels, {grid[1]} mm slices")
def test_aNeckIsTheSameOnEveryGrid(neck, tuned, grid):
    found = fused(neck, *grid)
    assert [vertebra.level for vertebra in found.vertebrae] == [vertebra.level for vertebra in tuned.vertebrae]
    assert [link.candidate.body is not None for link in found.links] == [True] * 7
    assert found.leftOvers == []
    for one, other in zip(found.vertebrae, tuned.vertebrae, strict=True):
        assert np.linalg.norm(one.centre - other.centre) < 1.5
        # A face lies anywhere between two slices.
        assert np.abs(one.bounds.minimum - other.bounds.minimum).max() <= 1 + grid[1] / 2
        assert np.abs(one.bounds.maximum - other.bounds.maximum).max() <= 1 + grid[1] / 2
        assert one.confidence == pytest.approx(other.confidence, abs=0.02)
        assert (one.complete, one.inferred) == (other.complete, other.inferred)


def bentNeck(pixelSize, sliceSpacing):
    """C3 to C6 of a neck bent forward, 20 mm wide, whose bodies stand 6 mm below their vertebrae's tops."""
    boxes = []
    for number, level in enumerate((2, 3, 4, 5)):
        top, front = 10 + 18 * number, 20 + 5 * number
        boxes += [(level, front, top, front + 45, top + 24), (BODY_CLASS, front, top + 6, front + 16, top + 20)]
    slices = [sliceDetections([(kind, *(edge / pixelSize for edge in corners)) for kind, *corners in boxes])]
    return slices * int(20 / sliceSpacing)


@pytest.mark.parametrize("grid", GRIDS, ids=lambda grid: f"{grid[0]} mm pixels, {grid[1]} mm slices")
def test_theBodiesOfABentNeckFindTheirVertebraeOnEveryGrid(grid):
    candidates = candidatesOf(sliceBoxesOf(bentNeck(*grid), grid[0]), grid[1])
    offsets = [candidate.body.boxes[0, 1] - candidate.track.boxes[0, 1] for candidate in candidates if candidate.body]
    assert np.allclose(offsets, [6, 6, 6, 6])


@pytest.mark.parametrize("sliceSpacing", [1.0, 2.0, 3.0])
def test_whatIsSeenOverAFewMillimetresIsAsDoubtfulAtAnySliceSpacing(sliceSpacing):
    """Six millimetres of a sure box are little, whatever the number of slices."""
    seen = sliceDetections([(3, 20, 20, 60, 40)])
    nothing = sliceDetections([])
    count = int(6 / sliceSpacing)
    (candidate,) = candidatesOf(sliceBoxesOf([nothing] + [seen] * count + [nothing], 1.0), sliceSpacing)
    assert candidate.track.evidence == pytest.approx(5.4)
