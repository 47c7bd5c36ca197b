"""The CT of a scene as NRRD: what is read back is what was written."""

import gzip
import io
import zlib

import numpy as np
import pytest
import SimpleITK as sitk

from CervicalSpineDetectionLib.Scene import NrrdWriter
from CervicalSpineDetectionLib.Scene.NrrdWriter import gzipped, writeNrrd

PACKERS = ["zlib", "isal"]


@pytest.fixture(params=PACKERS)
def packer(request, monkeypatch):
    monkeypatch.setattr(NrrdWriter, "packer",
                        zlib if request.param == "zlib" else pytest.importorskip("isal.isal_zlib"))


def noise(count, seed=3):
    return np.random.default_rng(seed).integers(0, 40, count, np.uint8).tobytes()


@pytest.mark.parametrize("count", [0, 1, 999, 1000, 1001, 20_500])
def test_manyPiecesAreOneStream(count, packer, monkeypatch):
    monkeypatch.setattr(NrrdWriter, "PIECE_BYTES", 1000)
    stream = b"".join(gzipped(memoryview(noise(count))))
    # One member, as some readers take the first only.
    unpacking = zlib.decompressobj(wbits=31)
    assert unpacking.decompress(stream) == noise(count) and unpacking.eof and unpacking.unused_data == b""
    assert gzip.decompress(stream) == noise(count)


def test_itIsPacked(packer):
    assert len(b"".join(gzipped(memoryview(noise(100_000))))) < 80_000


@pytest.mark.parametrize("pixelType", ["int16", "uint16", "int32", "uint8", "float32", "float64"])
def test_voxelsAndGeometryAreExact(tmp_path, packer, pixelType):
    image = sitk.GetImageFromArray(np.arange(-30, 30).reshape(3, 4, 5).astype(pixelType))
    image.SetSpacing((0.1 + 0.2, 1 / 3, 2.5))
    image.SetOrigin((-1e-7, 1234.56789012345, 3))
    # Oblique and left-handed.
    image.SetDirection((0.6, 0.8, 0, 0.8, -0.6, 0, 0, 0, 1))
    with open(tmp_path / "CT.nrrd", "wb") as stream:
        writeNrrd(stream, image)
    again = sitk.ReadImage(str(tmp_path / "CT.nrrd"))
    assert again.GetPixelID() == image.GetPixelID()
    assert np.array_equal(sitk.GetArrayViewFromImage(again), sitk.GetArrayViewFromImage(image))
    for field in ("Spacing", "Origin", "Direction"):
        np.testing.assert_allclose(getattr(again, f"Get{field}")(), getattr(image, f"Get{field}")(), rtol=1e-14,
                                   atol=1e-15)


def test_noDateAndNoNameIsInIt():
    first, second = io.BytesIO(), io.BytesIO()
    for stream in (first, second):
        writeNrrd(stream, sitk.Image(4, 4, 4, sitk.sitkInt16))
    assert first.getvalue() == second.getvalue()
