"""World positions depend neither on how a CT is stored nor on what stands above it in the scene.

An oracle detector stands in for the network, so that these are tests of the geometry alone. It takes its boxes from the
label map; beside that it checks that the slices it is given show bone where the label map has some.
"""

import itertools

import numpy as np
import pytest
import SimpleITK as sitk
from blockNeck import SIZE, blockNeck
from fuzzing import examples
from hypothesis import given
from hypothesis import strategies as st
from oracleDetector import OracleDetector

from CervicalSpineDetectionLib.Imaging.Resampling import resampleLabels, resampleSagittal
from CervicalSpineDetectionLib.Pipeline import detectVertebrae
from CervicalSpineDetectionLib.Spine.Levels import CERVICAL_LEVELS

PIXEL, SLICE = 1.5, 3.0
GRID = np.array([SLICE, PIXEL, PIXEL])
CT, LABELS = blockNeck()


class SeeingOracle(OracleDetector):
    """:raises AssertionError: the slices show no bone where the labels are."""

    def __init__(self, ct, labels):
        super().__init__(ct, labels, PIXEL, SLICE)
        volume = resampleSagittal(ct, PIXEL, SLICE)
        # A CT of coarse voxels shows edges no better than to half a voxel.
        self._tolerance = 1 + max(ct.GetSpacing()) / 2 / GRID
        self._middle = np.argwhere(resampleLabels(labels, volume) > 0).mean(axis=0)

    def detect(self, slices, progress=None):
        # Half way from soft tissue (40 HU) to bone (600 HU).
        bright = np.argwhere(slices[:, 1] > 255 * (320 - self.window[0]) / (self.window[1] - self.window[0]))
        assert (np.abs(bright.mean(axis=0) - self._middle) < self._tolerance).all()
        return super().detect(slices)


def detected(ct, labels, oracles={}):  # noqa: B006  the same grid gives the same oracle
    volume = resampleSagittal(ct, PIXEL, SLICE)
    grid = (labels.GetOrigin(), labels.GetSize(), volume.voxels.shape, *np.round(volume.origin, 6))
    if grid not in oracles:
        oracles[grid] = SeeingOracle(ct, labels)
    return detectVertebrae(ct, oracles[grid]).vertebrae


REFERENCE = detected(CT, LABELS)


def assertSameBoxes(found, wanted, moved=(0, 0, 0), tolerance=GRID):
    """Boxes and centres agree within the tolerance, mm along (x, y, z), after taking the move back."""
    assert [v.level for v in found] == [v.level for v in wanted]
    for got, expected in zip(found, wanted, strict=True):
        for value, truth in ((got.bounds.minimum, expected.bounds.minimum), (got.centre, expected.centre),
                             (got.bounds.maximum, expected.bounds.maximum)):
            assert (np.abs(value - moved - truth) <= tolerance + 1e-6).all(), got.level
        assert not got.inferred and got.complete == expected.complete


@pytest.fixture(autouse=True, scope="module")
def oneThread():
    """ITK's threads cost more than they bring for thousands of tiny slices, above all on a busy machine."""
    threads = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    yield
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(threads)


def test_theReferenceHasAllLevels():
    assert [v.level for v in REFERENCE] == list(CERVICAL_LEVELS)
    assert all(v.complete for v in REFERENCE)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))), ids=str)
@pytest.mark.parametrize("flips", list(itertools.product((False, True), repeat=3)), ids=str)
def test_allFortyEightAxisOrdersGiveTheSameBoxes(order, flips):
    ct = sitk.Flip(sitk.PermuteAxes(CT, order), flips)

    assertSameBoxes(detected(ct, LABELS), REFERENCE, tolerance=1e-3)


def turned(degrees):
    transform = sitk.Euler3DTransform()
    transform.SetRotation(*np.radians(degrees))
    return np.reshape(transform.GetMatrix(), (3, 3))


def regridded(ct, direction, spacing, padding=0.0):
    """The CT on another grid that holds all of it, air around.

    :param direction: shape (3, 3), columns are the image axes.
    :param padding: mm on every side.
    """
    corners = np.array([ct.TransformIndexToPhysicalPoint([int(n) for n in index]) for index in itertools.product(
        *((0, n - 1) for n in ct.GetSize()))])
    along = corners @ direction
    lower, upper = along.min(axis=0) - padding, along.max(axis=0) + padding
    size = np.ceil((upper - lower) / spacing).astype(int) + 1
    return sitk.Resample(ct, size.tolist(), sitk.Transform(), sitk.sitkLinear, (direction @ lower).tolist(),
                         np.asarray(spacing, float).tolist(), direction.ravel().tolist(), -1000)


# Spacings 0.3 to 6 mm, together at most a million voxels.
SPACINGS = st.tuples(*[st.floats(0.3, 6.0)] * 3).filter(lambda spacing: np.prod(SIZE / np.array(spacing)) < 1e6)
# Not 1e-300: ITK's inverse of a direction matrix gives up on numbers whose squares are zero.
DEGREES = st.tuples(*[st.floats(-45, 45).map(lambda angle: round(angle, 6))] * 3)
SIGNS = st.tuples(*[st.sampled_from((-1.0, 1.0))] * 3)


@examples(12)
@given(DEGREES, st.permutations(range(3)), SIGNS, SPACINGS, st.floats(0, 30))
def test_anyObliqueOrLeftHandedGridOfAnySpacingGivesTheSameBoxes(degrees, order, signs, spacing, padding):
    direction = turned(degrees)[:, list(order)] * signs

    assertSameBoxes(detected(regridded(CT, direction, spacing, padding), LABELS), REFERENCE)


@examples(6)
@given(st.tuples(*[st.floats(-900, 900)] * 3), SIGNS)
def test_boxesMoveWithTheOrigin(moved, signs):
    ct, labels = (sitk.Image(image) for image in (CT, LABELS))
    for image in (ct, labels):
        image.SetOrigin(np.add(image.GetOrigin(), moved).tolist())
    ct = sitk.Flip(ct, [sign < 0 for sign in signs])

    # A label between two pixels may fall to either of them, which the mean over the atlas' slices shows.
    assertSameBoxes(detected(ct, labels), REFERENCE, moved, 0.2)


@examples(10)
@given(st.integers(0, 5), st.integers(0, 5), st.tuples(*[st.integers(0, 5)] * 4), st.integers(0, 40))
def test_croppingChangesNothingOfWhatIsLeft(above, below, sides, padding):
    if above + below > 4:
        above, below = 2, 2
    # In the gaps between the vertebrae: none is cut.
    heights = [(REFERENCE[k].bounds.minimum[2] + REFERENCE[k + 1].bounds.maximum[2]) / 2 for k in range(6)]
    top = heights[above - 1] if above else CT.TransformIndexToPhysicalPoint([0, 0, SIZE[2] - 1])[2]
    bottom = heights[6 - below] if below else CT.GetOrigin()[2]
    first, last = (CT.TransformPhysicalPointToIndex([0.0, 0.0, z])[2] for z in (bottom, top))
    left, right, front, back = sides
    ct, labels = (
        sitk.ConstantPad(image[left : SIZE[0] - right, front : SIZE[1] - back, first : last + 1], [padding] * 3,
                         [padding] * 3, outside)
        for image, outside in ((CT, -1000), (LABELS, 0))
    )

    found = detected(ct, labels)

    wanted = REFERENCE[above : len(REFERENCE) - below]
    assert [v.level for v in found] == [v.level for v in wanted]
    for got, expected in zip(found, wanted, strict=True):
        assert (np.abs(got.bounds.minimum - expected.bounds.minimum) <= GRID + 1e-6).all()
        assert (np.abs(got.bounds.maximum - expected.bounds.maximum) <= GRID + 1e-6).all()


def transformNode(scene, kind):
    """A transform with its function RAS -> RAS (VTK's)."""
    import slicer
    import vtk

    if kind == "linear":
        matrix = np.eye(4)
        matrix[:3, :3] = turned((20, -35, 40))
        matrix[:3, 3] = [12, -300, 55]
        node = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
        node.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(matrix))
        return node
    node = scene.AddNewNodeByClass("vtkMRMLTransformNode")
    if kind == "gantry tilt":
        # As Slicer's DICOM reader puts above the volume of a tilted gantry: a grid transform that shears.
        grid = vtk.vtkImageData()
        grid.SetDimensions(2, 2, 2)
        grid.SetSpacing(400, 400, 400)
        grid.SetOrigin(-200, -200, -200)
        grid.AllocateScalars(vtk.VTK_DOUBLE, 3)
        for index in itertools.product(range(2), repeat=3):
            for axis, value in enumerate((0, 0.3 * (400 * index[2] - 200), 0)):
                grid.SetScalarComponentFromDouble(*index, axis, value)
        transform = slicer.vtkOrientedGridTransform()
        transform.SetDisplacementGridData(grid)
    else:
        transform = vtk.vtkThinPlateSplineTransform()
        transform.SetBasisToR()
        source, target = vtk.vtkPoints(), vtk.vtkPoints()
        random = np.random.default_rng(3)
        for point in itertools.product((-60.0, 60.0), repeat=3):
            source.InsertNextPoint(point)
            target.InsertNextPoint(point + random.normal(0, 12, 3))
        transform.SetSourceLandmarks(source)
        transform.SetTargetLandmarks(target)
    node.SetAndObserveTransformToParent(transform)
    return node


@pytest.mark.parametrize("kind", ["linear", "gantry tilt", "thin plate"])
def test_transformsAboveTheVolumeMoveTheBoxesAsTheyMoveTheCt(kind):
    pytest.importorskip("slicer", reason="needs slicer-core")
    import vtk

    from CervicalSpineDetectionLib.Scene.HeadlessScene import headlessScene
    from CervicalSpineDetectionLib.Scene.VertebraNodes import addVertebrae, vertebraeFromNodes
    from CervicalSpineDetectionLib.Scene.VolumeNodes import LPS_TO_RAS, imageFromVolumeNode, volumeNodeFromImage
    from CervicalSpineDetectionLib.Spine.Vertebra import DetectionResult

    with headlessScene() as (scene, _):
        volumeNode = volumeNodeFromImage(scene, CT, "CT")
        transform = transformNode(scene, kind)
        volumeNode.SetAndObserveTransformNodeID(transform.GetID())
        toWorld = vtk.vtkGeneralTransform()
        transform.GetTransformToWorld(toWorld)

        found = detected(imageFromVolumeNode(volumeNode), LABELS)
        *boxNodes, centresNode = addVertebrae(scene, DetectionResult(found), volumeNode)

        assertSameBoxes(found, REFERENCE, tolerance=1e-3)
        assertSameBoxes(vertebraeFromNodes(scene, volumeNode), REFERENCE, tolerance=1e-3)
        for index, (boxNode, vertebra) in enumerate(zip(boxNodes, REFERENCE, strict=True)):
            point = np.zeros(3)
            centresNode.GetNthControlPointPositionWorld(index, point)
            np.testing.assert_allclose(point, toWorld.TransformPoint(LPS_TO_RAS @ vertebra.centre), atol=1e-3)
            boxNode.GetCenterWorld(point)
            middle = toWorld.TransformPoint(LPS_TO_RAS @ vertebra.orientedBox.centre)
            np.testing.assert_allclose(point, middle, atol=1e-3)
        assert np.linalg.norm(np.subtract(toWorld.TransformPoint(0, 50, 50), (0, 50, 50))) > 5
