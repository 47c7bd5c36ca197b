"""A small CT as DICOM series or as frames of an enhanced CT, with tags of one's own."""

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Imaging.ReadImage import readImage

ROWS, COLUMNS, SLICES = 10, 8, 7
SPACING = (0.5, 0.8, 3.0)
STRAIGHT = np.eye(3)
ORIGIN = np.array([-12.5, 30.25, -140.0])


def storedValues(k):
    """Pixels of slice k as stored: every slice and every pixel differs."""
    return (1000 + 100 * k + np.arange(ROWS * COLUMNS).reshape(ROWS, COLUMNS)).astype(np.uint16)


def writeSeries(folder, positions=None, axes=STRAIGHT, names=None, change=None, **tags):
    """A CT series, one file a slice.

    :param positions: shape (slices, 3), LPS mm of each slice's first pixel.
    :param axes: rows: direction of increasing column, of increasing row, of the slices.
    :param names: file names.
    :param change: called with (slice number, data set) before writing.
    """
    folder.mkdir(exist_ok=True)
    if positions is None:
        positions = [ORIGIN + SPACING[2] * k * np.asarray(axes)[2] for k in range(SLICES)]
    series = generate_uid()
    for k, position in enumerate(positions):
        meta = FileMetaDataset()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        meta.MediaStorageSOPClassUID = CTImageStorage
        meta.MediaStorageSOPInstanceUID = generate_uid()
        dataset = FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
        values = {
            "SOPClassUID": CTImageStorage, "SOPInstanceUID": meta.MediaStorageSOPInstanceUID,
            "StudyInstanceUID": series, "SeriesInstanceUID": series, "Modality": "CT", "PatientName": "Doe^Jane",
            "ImagePositionPatient": [f"{x:.4f}" for x in position],
            "ImageOrientationPatient": [f"{x:.8f}" for x in np.ravel(axes[:2])],
            "PixelSpacing": [SPACING[1], SPACING[0]], "Rows": ROWS, "Columns": COLUMNS, "BitsAllocated": 16,
            "BitsStored": 16, "HighBit": 15, "PixelRepresentation": 0, "SamplesPerPixel": 1,
            "PhotometricInterpretation": "MONOCHROME2", "RescaleSlope": 1, "RescaleIntercept": -1024,
            "PixelData": storedValues(k).tobytes(), **tags,
        }
        for tag, value in values.items():
            setattr(dataset, tag, value)
        if change:
            change(k, dataset)
        dataset.save_as(folder / (names[k] if names else f"{k:03d}.dcm"), enforce_file_format=True)
    return folder


def refusal(path):
    with pytest.raises(InputError) as error:
        readImage(path)
    return str(error.value)


def writeFrames(path, order=range(SLICES), change=None):
    """An enhanced CT: all slices are frames of one file, each with its own place and rescale intercept."""
    writeSeries(path.parent, positions=[ORIGIN], names=[path.name])
    dataset = pydicom.dcmread(path)
    for tag in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "RescaleSlope", "RescaleIntercept"):
        delattr(dataset, tag)
    shared, measures, orientation = Dataset(), Dataset(), Dataset()
    measures.PixelSpacing = [SPACING[1], SPACING[0]]
    orientation.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = [measures], [orientation]
    frames = []
    for k in order:
        frame, position, rescale = Dataset(), Dataset(), Dataset()
        position.ImagePositionPatient = (ORIGIN + [0, 0, SPACING[2] * k]).tolist()
        rescale.RescaleSlope, rescale.RescaleIntercept = 1, -1024 - k
        frame.PlanePositionSequence, frame.PixelValueTransformationSequence = [position], [rescale]
        frames.append(frame)
    dataset.SharedFunctionalGroupsSequence, dataset.PerFrameFunctionalGroupsSequence = [shared], frames
    dataset.NumberOfFrames = len(frames)
    dataset.PixelData = b"".join(storedValues(k).tobytes() for k in order)
    if change:
        change(dataset)
    dataset.save_as(path)
    return path
