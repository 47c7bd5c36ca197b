"""DICOM folders with something odd in them."""

import struct

import numpy as np
import pydicom
import SimpleITK as sitk
from dicomSeries import ORIGIN, SLICES, storedValues, writeFrames, writeSeries
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian, MediaStorageDirectoryStorage, generate_uid

EXPECTED = np.array([storedValues(k) - 1024.0 for k in range(SLICES)])
SR_CLASS, PR_CLASS = "1.2.840.10008.5.1.4.1.1.88.33", "1.2.840.10008.5.1.4.1.1.11.1"
PRIVATE_CLASS = "1.3.12.2.1107.5.9.1"
REFERENCE_AXES = np.array([[0.0, 1, 0], [0, 0, -1], [-1, 0, 0]])


def beside(folder, name="000.dcm", **tags):
    """A file of another kind, without pixels, of the same series as one of the folder."""
    dataset = pydicom.dcmread(folder / name)
    for tag in ("PixelData", "Rows", "Columns", "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"):
        delattr(dataset, tag)
    for tag, value in tags.items():
        setattr(dataset, tag, value)
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    return dataset


def withObject(folder, **tags):
    beside(folder, **tags).save_as(folder / "object")
    return folder


def index(folder, name):
    dataset = beside(folder, SOPClassUID=MediaStorageDirectoryStorage, DirectoryRecordSequence=[Dataset()])
    del dataset.SeriesInstanceUID
    dataset.save_as(folder / name)
    return folder


def changedFiles(folder, change):
    for path in folder.iterdir():
        path.write_bytes(change(path.read_bytes()))
    return folder


def inSyntax(folder, syntax):
    for path in folder.iterdir():
        dataset = pydicom.dcmread(path)
        if syntax == ExplicitVRBigEndian:
            dataset.PixelData = np.frombuffer(dataset.PixelData, "<u2").astype(">u2").tobytes()
        dataset.file_meta.TransferSyntaxUID = syntax
        pydicom.dcmwrite(path, dataset, implicit_vr=syntax == ImplicitVRLittleEndian,
                         little_endian=syntax != ExplicitVRBigEndian)
    return folder


def without(data):
    """A file without preamble and file meta information."""
    end = 132 + 12 + struct.unpack("<I", data[140:144])[0]
    return data[end:]


def moved(folder, names, below):
    (folder / below).mkdir(parents=True)
    for name in names:
        (folder / name).rename(folder / below / name)
    return folder


NAMES = [f"{k:03d}.dcm" for k in range(SLICES)]


def numbered(numbers):
    return lambda k, dataset: setattr(dataset, "AcquisitionNumber", numbers[k])


def inTwoParts(tag, first="1.2.3", second="1.2.4"):
    return lambda k, dataset: setattr(dataset, tag, first if k < 3 else second)


def ofOwnSeries(folder):
    for path in folder.iterdir():
        dataset = pydicom.dcmread(path)
        dataset.SeriesInstanceUID = generate_uid()
        dataset.save_as(path)
    return folder


def withPicture(folder, axes=REFERENCE_AXES, **tags):
    """One more picture in the series."""
    own = pydicom.dcmread(folder / "000.dcm").SeriesInstanceUID
    return writeSeries(folder, [ORIGIN], axes, names=["picture"], SeriesInstanceUID=own, **tags)


def only(which, tag, value=None):
    """Changes one tag of some slices; None takes it out."""
    def change(k, dataset):
        if k in which:
            delattr(dataset, tag) if value is None else setattr(dataset, tag, value)
    return change


def frames(folder, change):
    """:param change: called with what each frame's values become HU by."""
    path = writeFrames(folder / "frames.dcm")
    dataset = pydicom.dcmread(path)
    for item in [dataset.SharedFunctionalGroupsSequence[0], *dataset.PerFrameFunctionalGroupsSequence]:
        for transformation in item.get("PixelValueTransformationSequence", []):
            change(transformation)
    dataset.save_as(path)
    return path


def onlyObject(folder):
    withObject(writeSeries(folder), SOPClassUID=SR_CLASS, Modality="SR")
    for name in NAMES:
        (folder / name).unlink()
    return folder


def writeJpegSlice(path, values, compressor, tags=()):
    """A slice as GDCM compresses it.

    :param values: shape (rows, columns).
    :param compressor: "JPEG" or "JPEG2000".
    :param tags: e.g. {"0028|1053": "1"}.
    """
    image = sitk.GetImageFromArray(values[None])
    for tag, value in {"0008|0016": "1.2.840.10008.5.1.4.1.1.2", "0008|0060": "CT", "0020|000e": "1.2.3",
                       **dict(tags)}.items():
        image.SetMetaData(tag, value)
    writer = sitk.ImageFileWriter()
    writer.SetImageIO("GDCMImageIO")
    writer.KeepOriginalImageUIDOn()
    writer.UseCompressionOn()
    writer.SetCompressor(compressor)
    writer.SetFileName(str(path))
    writer.Execute(image)
