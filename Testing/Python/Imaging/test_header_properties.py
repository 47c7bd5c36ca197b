"""Headers of any words and bytes: read or refused, and DICOM elements found where pydicom finds them."""

import io

import pydicom
import pytest
from fuzzing import examples
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Imaging.DicomElements import readElements
from CervicalSpineDetectionLib.Imaging.DicomHeader import TAGS, readDicomHeader
from CervicalSpineDetectionLib.Imaging.ImageFile import readImageFile, readImageHeader

WORDS = st.one_of(
    st.sampled_from(["8", "7 6", "-1", "0", "1e9", "nan", "inf", "(1,0,0)", "none", '"mm"', "LIST", "%03d", "%s", "raw",
                     "gzip", "little", "short", "MET_SHORT", "True", "LOCAL", "999999999", "1_0", ".5", "1,5"]),
    st.integers(-3, 70_000).map(str), st.text(max_size=5))
VALUES = st.lists(WORDS, max_size=9).map(" ".join)
NRRD_NAMES = ("type", "dimension", "sizes", "encoding", "endian", "space", "space directions", "space origin",
              "spacings", "space units", "units", "byte skip", "line skip", "data file", "kinds")
META_NAMES = ("NDims", "DimSize", "ElementType", "ElementSpacing", "ElementSize", "TransformMatrix", "Offset",
              "HeaderSize", "BinaryData", "CompressedData", "ElementNumberOfChannels", "DistanceUnits",
              "ElementDataFile")
NRRD = {"type": "short", "dimension": "3", "sizes": "8 7 6", "encoding": "raw", "endian": "little",
        "space": "left-posterior-superior", "space directions": "(1,0,0) (0,1,0) (0,0,1)"}
META = {"ObjectType": "Image", "NDims": "3", "BinaryData": "True", "DimSize": "8 7 6", "ElementType": "MET_SHORT",
        "ElementSpacing": "1 1 1", "TransformMatrix": "1 0 0 0 1 0 0 0 1", "ElementDataFile": "LOCAL"}


def readOrRefused(read, path):
    try:
        return read(path)
    except InputError as error:
        assert str(error).endswith(".") and "\n" not in str(error)
        return None


@examples(60)
@given(st.dictionaries(st.sampled_from(NRRD_NAMES), VALUES, max_size=4), st.binary(max_size=700))
def test_nrrdOfAnyWordsIsReadOrRefused(tmp_path_factory, changes, data):
    path = tmp_path_factory.getbasetemp() / "any.nrrd"
    lines = [f"{name}: {value}" for name, value in {**NRRD, **changes}.items()]
    path.write_bytes("\n".join(["NRRD0005", *lines]).encode("utf-8", "replace") + b"\n\n" + data)

    readOrRefused(readImageFile, path)


@examples(60)
@given(st.dictionaries(st.sampled_from(META_NAMES), VALUES, max_size=4), st.binary(max_size=700))
def test_metaImageOfAnyWordsIsReadOrRefused(tmp_path_factory, changes, data):
    path = tmp_path_factory.getbasetemp() / "any.mha"
    fields = {**META, **changes}
    fields["ElementDataFile"] = fields.pop("ElementDataFile")
    lines = [f"{name} = {value}" for name, value in fields.items()]
    path.write_bytes("\n".join(lines).encode("utf-8", "replace") + b"\n" + data)

    readOrRefused(readImageFile, path)


@examples(60)
@given(st.binary(max_size=400))
@pytest.mark.parametrize("name", ["any.nii", "any.nrrd", "any.mha"])
def test_anyBytesAreNoImage(tmp_path_factory, name, data):
    path = tmp_path_factory.getbasetemp() / name
    path.write_bytes(data)

    readOrRefused(readImageHeader, path)


@examples(100)
@given(st.binary(max_size=400), st.booleans())
def test_anyBytesAreADicomHeaderOrRefused(tmp_path_factory, data, hasPreamble):
    path = tmp_path_factory.getbasetemp() / "any.dcm"
    path.write_bytes((bytes(128) + b"DICM" if hasPreamble else b"") + data)

    readOrRefused(readDicomHeader, path)


def madeDataset(texts, depth):
    """Texts of some elements, between them sequences in sequences."""
    dataset = Dataset()
    for tag, text in texts.items():
        dataset.add_new(tag, "LO", text)
    inner = dataset
    for level in range(depth):
        item = Dataset()
        item.add_new(0x00081030, "LO", f"inner {level}")
        item.is_undefined_length_sequence_item = bool(level % 2)
        inner.add_new(0x00081140, "SQ", [item])
        inner[0x00081140].is_undefined_length = not level % 3
        inner = item
    return dataset


@examples(60)
@given(st.dictionaries(st.sampled_from([0x00080080, 0x00081010, 0x00100010, 0x00181030, 0x0020000E, 0x00281052]),
                       st.text("ABC 123", max_size=20), min_size=1), st.integers(0, 8), st.booleans(), st.booleans())
def test_elementsAreThoseOfPydicom(texts, depth, isImplicit, isLittleEndian):
    buffer = io.BytesIO()
    dataset = madeDataset(texts, depth)
    pydicom.dcmwrite(buffer, dataset, implicit_vr=isImplicit and isLittleEndian, little_endian=isLittleEndian,
                     enforce_file_format=False)
    meta = b"" if isLittleEndian else (
        b"\x02\x00\x10\x00UI\x14\x001.2.840.10008.1.2.2\x00")

    found = readElements(meta + buffer.getvalue(), set(texts) | set(TAGS))

    assert {tag: found.values[tag].decode().strip() for tag in texts} == {
        tag: text.strip() for tag, text in texts.items()}
    assert found.end == len(meta) + len(buffer.getvalue())
