import numpy as np
import pytest
import SimpleITK as sitk

from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Imaging.HounsfieldUnits import correctHuOffset
from CervicalSpineDetectionLib.Imaging.Resampling import (
    OUTSIDE_HU,
    interpolatedLabels,
    resampleLabels,
    resampleSagittal,
)
from CervicalSpineDetectionLib.Imaging.SagittalVolume import SagittalVolume, windowed, withNeighbours


def ctWithBlock(spacing=(2.0, 2.0, 2.0), size=(60, 60, 60), direction=None, origin=(0, 0, 0)):
    """Body of 40 HU in air with one block of 800 HU that sits off the middle along every axis."""
    voxels = np.full(size, -1000, np.int16)
    voxels[6:-6, 6:-6, 6:-6] = 40
    voxels[26:38, 20:30, 34:38] = 800
    image = sitk.GetImageFromArray(voxels.transpose(2, 1, 0))
    image.SetSpacing(spacing)
    image.SetDirection((np.eye(3) if direction is None else np.asarray(direction, float)).ravel().tolist())
    image.SetOrigin(origin)
    return image


def blockCentre(image):
    middle = [(26 + 37) / 2, (20 + 29) / 2, (34 + 37) / 2]
    return np.array(image.TransformContinuousIndexToPhysicalPoint(middle))


def foundCentre(image):
    volume = resampleSagittal(image)
    return volume.toLps(np.argwhere(volume.voxels > 420).mean(axis=0))


def turned(degrees):
    transform = sitk.Euler3DTransform()
    transform.SetRotation(*np.deg2rad(degrees))
    return np.array(transform.GetMatrix()).reshape(3, 3)


@pytest.mark.parametrize("direction", [
    np.eye(3), np.diag([-1, -1, 1]), np.diag([1, 1, -1]), np.eye(3)[[2, 0, 1]], np.eye(3)[[1, 0, 2]],
    turned((15, -20, 30)),
], ids=["LPS", "RAS", "left-handed", "permuted", "swapped", "oblique"])
def test_aStructureKeepsItsWorldPositionInAnyOrientation(direction):
    image = ctWithBlock(direction=direction, origin=(-50, 20, 300))
    assert np.allclose(foundCentre(image), blockCentre(image), atol=0.6)


def test_anisotropicSpacingIsHonoured():
    image = ctWithBlock(spacing=(0.7, 0.7, 3.0), origin=(5, 6, 7))
    assert np.allclose(foundCentre(image), blockCentre(image), atol=0.8)


def test_slicesShowAnteriorLeftAndSuperiorUp():
    volume = resampleSagittal(ctWithBlock())
    step = volume.toLps([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
    assert np.allclose(step[1:] - step[0], [[2, 0, 0], [0, 0, -1], [0, 1, 0]])


def test_fromLpsUndoesToLps():
    volume = resampleSagittal(ctWithBlock())
    points = np.array([[3.5, 40, 12], [0, 0, 0]])
    assert np.allclose(volume.fromLps(volume.toLps(points)), points)


def test_onlyTheBodyIsKept():
    volume = resampleSagittal(ctWithBlock())
    low, high = np.sort(volume.toLps([[0, 0, 0], np.array(volume.voxels.shape) - 1]), axis=0)
    # The body spans 11 to 107 mm (voxel faces) on every axis; the coarse search may add one step of 4 mm.
    assert (low >= 11 - 8).all() and (high <= 107 + 8).all()
    assert (low <= 13).all() and (high >= 105).all()


def test_aWideBodyIsCutToTheSpineAroundItsBones():
    voxels = np.full((100, 40, 40), 40, np.int16)
    voxels[60:64, 15:25] = 900
    image = sitk.GetImageFromArray(voxels.T)
    image.SetSpacing((4, 4, 4))
    volume = resampleSagittal(image)
    xs = volume.origin[0] + np.arange(len(volume.voxels)) * 2
    assert xs[0] >= 4 * 61.5 - 72 and xs[-1] <= 4 * 61.5 + 76


@pytest.mark.parametrize("border", [0, 6], ids=["cut by the image", "in air"])
@pytest.mark.parametrize("spacing", [(2.0, 2.0, 2.0), (1.0, 1.0, 4.0), (0.5, 0.5, 1.0)])
def test_theGridDoesNotJumpWhereTheOriginIsRoundedOtherwise(border, spacing):
    # File formats keep origins with 7 or 16 digits; sizes in whole millimetres lie on every edge there is.
    image = ctWithBlock(spacing, origin=(-137, -80, 412))
    image = image[border:-border, border:-border, border:-border] if border else image
    volume, origin = resampleSagittal(image), np.array(image.GetOrigin())
    for shift in np.random.default_rng(0).uniform(-1, 1, (8, 3)) * 1e-5:
        image.SetOrigin((origin + shift).tolist())
        other = resampleSagittal(image)
        assert other.voxels.shape == volume.voxels.shape and np.array_equal(other.inside, volume.inside)
        assert np.abs(other.origin - volume.origin).max() < 2e-5
        assert np.abs(other.voxels - volume.voxels).max() < 0.1


def test_anImageWithoutBodyIsRefused():
    air = sitk.AdditiveGaussianNoise(sitk.Image(20, 20, 20, sitk.sitkInt16) - 1000, 10)
    with pytest.raises(InputError, match="no body"):
        resampleSagittal(air)


def test_aFlatImageIsRefused():
    with pytest.raises(InputError, match="2 dimensions"):
        resampleSagittal(sitk.Image(20, 20, sitk.sitkInt16))


def test_voxelsBeyondATurnedImageAreMarkedAsOutside():
    image = ctWithBlock(direction=turned((0, 0, 30)))
    volume = resampleSagittal(image)
    for index in ([0, 5, 0], [20, 50, 60], [-1, 50, -1]):
        index = np.array(index) % volume.voxels.shape
        position = image.TransformPhysicalPointToContinuousIndex(volume.toLps(index).tolist())
        inImage = bool(np.all(np.array(position) > -0.5) and np.all(np.array(position) < 59.5))
        assert volume.inside[tuple(index)] == inImage


def test_aMissingRescaleInterceptIsCorrectedAndTold():
    image = ctWithBlock()
    corrected, warning = correctHuOffset(image + 1024)
    assert np.array_equal(sitk.GetArrayFromImage(corrected), sitk.GetArrayFromImage(image).astype(np.float32))
    assert "1024" in warning


def test_aRightCtIsNotShifted():
    image = ctWithBlock()
    same, warning = correctHuOffset(image)
    assert same is image and warning is None


def bodyInAir(noise=0.0):
    """Fat around muscle, some bone, and air around them; HU."""
    random = np.random.default_rng(2)
    x, y = np.meshgrid(np.arange(64) - 32, np.arange(64) - 32)
    radius = np.hypot(x, y)
    tissue = np.select([radius < 6, radius < 8, radius < 22, radius < 26], [300.0, 1100.0, 55.0, -100.0], -1000.0)
    voxels = np.repeat(tissue[None], 32, axis=0) + random.normal(0, 15 + noise, (32, 64, 64))
    return voxels.astype(np.int16)


@pytest.mark.shows("Mended", "HU + 1024 with intercept 0, also beside padding or noise",
                   "told by where soft tissue lies; 1024 subtracted where the CT is read, with a note")
@pytest.mark.parametrize(("noise", "padding"), [(0, None), (0, -2000), (0, -1024), (80, None), (80, -2000)])
def test_aMissingInterceptIsToldByTheTissuesNotByTheLowestVoxel(noise, padding):
    voxels = bodyInAir(noise) + 1024
    if padding is not None:
        voxels[:, :3, :3] = padding
    corrected, warning = correctHuOffset(sitk.GetImageFromArray(voxels))
    assert np.array_equal(sitk.GetArrayFromImage(corrected), voxels - 1024.0)
    assert "1024 was subtracted" in warning


@pytest.mark.parametrize("noise", [0, 80])
@pytest.mark.parametrize("range_", [(-1024, 3071), (-1000, 1024), (-3000, 3000)])
def test_hounsfieldUnitsStayAsTheyAre(noise, range_):
    voxels = np.clip(bodyInAir(noise), *range_)
    voxels[:, 0] = range_[0]
    image = sitk.GetImageFromArray(voxels)
    same, warning = correctHuOffset(image)
    assert same is image and warning is None


@pytest.mark.shows("Mended", "grey levels, a cut range of HU, an MR")
@pytest.mark.parametrize("brightness", [300, 600, 900])
def test_anMrIsNotTakenForACtWithAnOffset(brightness):
    random = np.random.default_rng(4)
    tissue = bodyInAir()
    voxels = np.select([tissue > 200, tissue > -50, tissue > -300], [40.0, brightness, 1.9 * brightness], 0.0)
    voxels *= random.normal(1, 0.15, voxels.shape)
    image = sitk.GetImageFromArray((np.abs(voxels + random.normal(0, 10, voxels.shape))).astype(np.int16))
    same, warning = correctHuOffset(image)
    assert same is image and "an MR rather than HU" in warning and "1024" not in warning


@pytest.mark.shows("Mended", "grey levels, a cut range of HU, an MR")
def test_anMrWhoseTissuesLieWhereACtWithAnOffsetHasThemIsToldByItsEvenGreyValues():
    """Bright muscle, darker fat, and a coil that sees the one end better than the other."""
    random = np.random.default_rng(6)
    tissue = bodyInAir()
    voxels = np.select([tissue > 200, tissue > -50, tissue > -300], [850.0, 1000.0, 540.0], 10.0)
    voxels *= np.linspace(0.8, 1.2, 32)[:, None, None] * random.normal(1, 0.03, voxels.shape)
    image = sitk.GetImageFromArray((np.abs(voxels + random.normal(0, 10, voxels.shape))).astype(np.int16))
    same, warning = correctHuOffset(image)
    assert same is image and "an MR rather than HU" in warning


@pytest.mark.shows("Mended", "grey levels, a cut range of HU, an MR",
                   "examined as they are; a note says what the values look like")
@pytest.mark.parametrize(("range_", "told"), [
    ((0, 255), "from 0 to 255, without air"), ((0, 4095), "without air"), ((-160, 240), "from -160 to 240"),
    ((-1024, 300), "Bone is cut off at 300 HU"),
])
def test_whatACutRangeLooksLikeIsTold(range_, told):
    image = sitk.GetImageFromArray(np.clip(bodyInAir(), *range_))
    same, warning = correctHuOffset(image)
    assert same is image and told in warning and "Give the original CT" in warning


@pytest.mark.shows("Mended", "values that are no HU (inverted, scaled, shifted, of another byte order)",
                   "a note says so")
@pytest.mark.parametrize("change", [lambda hu: -2 * hu, lambda hu: 10 * hu, lambda hu: hu - 1024,
                                    lambda hu: hu.byteswap()],
                         ids=["inverted", "times ten", "intercept twice", "other byte order"])
def test_valuesThatNoBodyHasAreTold(change):
    image = sitk.GetImageFromArray(change(bodyInAir(10)))
    same, warning = correctHuOffset(image)
    assert same is image and "the values are no HU" in warning


@pytest.mark.parametrize("kind", [sitk.sitkInt8, sitk.sitkUInt8, sitk.sitkUInt16, sitk.sitkInt16, sitk.sitkInt32,
                                  sitk.sitkUInt32, sitk.sitkInt64, sitk.sitkFloat64])
@pytest.mark.parametrize("spacing", [(2.0, 2.0, 2.0), (0.5, 0.5, 1.0)], ids=["coarse", "fine"])
def test_valuesDoNotDependOnThePixelType(kind, spacing):
    image = sitk.Clamp(ctWithBlock(spacing, direction=turned((0, 0, 30))), sitk.sitkFloat32, 0, 120)
    volume, other = resampleSagittal(image), resampleSagittal(sitk.Cast(image, kind))
    assert other.voxels.dtype == np.float32 and np.array_equal(volume.inside, other.inside)
    # Averages of fine voxels are rounded to whole HU.
    assert np.abs(volume.voxels - other.voxels).max() <= 0.5
    assert (volume.voxels[~volume.inside] == OUTSIDE_HU).all() and 0 < volume.inside.mean() < 1


def test_labelsFallOnTheVoxelsOfTheirStructure():
    image = ctWithBlock(direction=turned((10, 5, -12)))
    volume = resampleSagittal(image)
    labels = resampleLabels(sitk.Cast(image > 420, sitk.sitkUInt8), volume)
    bright = volume.voxels > 420
    assert (labels.astype(bool) & bright).sum() / (labels.astype(bool) | bright).sum() > 0.8


@pytest.mark.parametrize("degrees", [(0, 0, 0), (10, 5, -12)], ids=["straight", "oblique"])
def test_labelsEndBetweenTheirVoxelsWhereTheCtDoes(degrees):
    """A CT that is bright where the labels are, interpolated by SimpleITK; the nearest voxel tells another end."""
    codes = np.zeros((20, 24, 28), np.uint8)
    for code, middle, radius in ((3, (7, 11, 13), 5.5), (4, (13, 13, 12), 4)):
        codes[np.linalg.norm(np.indices(codes.shape).T - middle, axis=3).T < radius] = code
    labels = sitk.GetImageFromArray(codes)
    labels.SetSpacing([2.0, 1.5, 1.0])
    labels.SetDirection(turned(degrees).ravel().tolist())
    grid = SagittalVolume(np.broadcast_to(np.float32(0), (40, 50, 80)), np.zeros(0, bool), np.array([4.3, 1.2, 19.6]),
                          0.4, 0.9)
    found, nearest = interpolatedLabels(labels, grid), resampleLabels(labels, grid)
    places = sitk.Image([40, 80, 50], sitk.sitkUInt8)
    places.SetOrigin(grid.toLps(np.array([0, 49, 0])).tolist())
    places.SetSpacing([0.9, 0.4, 0.4])
    for code in (3, 4):
        bright = sitk.Resample(sitk.Cast(labels == code, sitk.sitkFloat32) * 1000, places)
        bright = sitk.GetArrayFromImage(bright)[::-1].transpose(2, 0, 1)
        isClear = np.abs(bright - 500) > 1
        assert np.array_equal((found == code) & isClear, (bright > 500) & isClear)
        assert ((nearest == code) != (bright > 500)).mean() > 0.05 * (nearest == code).mean()


def test_windowMapsItsEndsToBlackAndWhite():
    volume = resampleSagittal(ctWithBlock())
    pictures = windowed(volume, (40, 800))
    assert pictures[volume.voxels <= 40].max() == 0 and pictures[volume.voxels >= 800].min() == 255


def test_theOwnSliceIsTheMiddleChannel():
    pictures = np.arange(4, dtype=np.uint8)[:, None, None] * np.ones((1, 2, 2), np.uint8)
    channels = withNeighbours(pictures)[:, :, 0, 0]
    assert channels.tolist() == [[0, 0, 1], [0, 1, 2], [1, 2, 3], [2, 3, 3]]
    with pytest.raises(ValueError, match="read-only"):
        withNeighbours(pictures)[:] = 0
