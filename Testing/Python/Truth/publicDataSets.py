"""A small made neck, and its files in the layouts of public data sets."""

import json

import numpy as np
import SimpleITK as sitk

SPACING = 1.5
SIZE = (40, 44, 96)  # x, y, z
ORIGIN = (-20.0, -160.0, 300.0)
LEVELS = 8  # C1 to T1
BONE, FLESH, AIR = 400, 40, -1000


def madeNeck():
    """:return: (CT, labels 1 to 8 for C1 to T1), sitk images along LPS axes; bodies in front of arches, a curve."""
    ct = np.full(SIZE[::-1], AIR, np.int16)
    ct[:, 4:40, 4:36] = FLESH
    labels = np.zeros(SIZE[::-1], np.uint8)
    for code in range(1, LEVELS + 1):
        bottom, front = 88 - 10 * code, 10 + code
        labels[bottom : bottom + 8, front : front + 8, 13:27] = code
        labels[bottom : bottom + 8, front + 14 : front + 20, 13:27] = code
        labels[bottom : bottom + 8, front + 7 : front + 15, 13:15] = code
    ct[labels > 0] = BONE
    return placed(ct), placed(labels)


def placed(array):
    image = sitk.GetImageFromArray(array)
    image.SetSpacing([SPACING] * 3)
    image.SetOrigin(ORIGIN)
    return image


def write(image, path, axes="LPS"):
    """Stored along other axes, at the same place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(sitk.DICOMOrient(image, axes), str(path))


def verseFiles(folder, ct, labels, name="sub-verse004", release="dataset-verse19training", axes="PIR",
               ctdSuffix="_seg-subreg_ctd.json"):
    """One CT of VerSe. :return: the derivatives' folder."""
    subject = name.split("_")[0]
    derivatives = folder / release / "derivatives" / subject
    write(ct, folder / release / "rawdata" / subject / f"{name}_ct.nii.gz", axes)
    write(labels, derivatives / f"{name}_seg-vert_msk.nii.gz", axes)
    writeCentroids(derivatives / f"{name}{ctdSuffix}", labels, axes)
    return derivatives


def writeCentroids(path, labels, axes):
    """Centres of the bodies as voxels along ``axes``, as VerSe gives them."""
    stored = sitk.DICOMOrient(labels, axes)
    entries = [{"direction": list(axes)}]
    for code in np.unique(sitk.GetArrayViewFromImage(labels))[1:]:
        point = bodyCentre(min(int(code), LEVELS))
        index = stored.TransformPhysicalPointToContinuousIndex([float(x) for x in point])
        entries.append({"label": int(code), **dict(zip("XYZ", np.round(index, 1), strict=True))})
    path.write_text(json.dumps(entries), encoding="utf-8")


def bodyCentre(code):
    """LPS mm of the body's middle."""
    return ORIGIN + SPACING * np.array([19.5, 13.5 + code, 91.5 - 10 * code])


def dicomFiles(folder, ct, headFirst=True):
    """The CT as axial DICOM slices, their file names numbered from head to foot or the other way."""
    import pydicom
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

    folder.mkdir(parents=True, exist_ok=True)
    series, study, frame = generate_uid(), generate_uid(), generate_uid()
    voxels = sitk.GetArrayFromImage(ct)
    paths = []
    slices = range(len(voxels))
    for number, k in enumerate(reversed(slices) if headFirst else slices, 1):
        meta = FileMetaDataset()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        meta.MediaStorageSOPClassUID = CTImageStorage
        meta.MediaStorageSOPInstanceUID = generate_uid()
        dataset = FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
        values = {
            "SOPClassUID": CTImageStorage, "SOPInstanceUID": meta.MediaStorageSOPInstanceUID,
            "StudyInstanceUID": study, "SeriesInstanceUID": series, "Modality": "CT", "PatientName": "Doe^Jane",
            "PatientID": "4711", "PatientBirthDate": "", "PatientSex": "F", "StudyDate": "20240101",
            "StudyTime": "120000", "StudyID": "1", "AccessionNumber": "", "ReferringPhysicianName": "",
            "Manufacturer": "made", "SeriesNumber": 1, "InstanceNumber": number, "FrameOfReferenceUID": frame,
            "PositionReferenceIndicator": "", "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"], "KVP": 120,
            "AcquisitionNumber": 1, "SliceThickness": SPACING, "PatientPosition": "HFS",
            "ImagePositionPatient": [f"{x:.4f}" for x in ct.TransformIndexToPhysicalPoint((0, 0, k))],
            "ImageOrientationPatient": [1, 0, 0, 0, 1, 0], "PixelSpacing": [SPACING, SPACING],
            "Rows": voxels.shape[1], "Columns": voxels.shape[2], "BitsAllocated": 16, "BitsStored": 16, "HighBit": 15,
            "PixelRepresentation": 0, "SamplesPerPixel": 1, "PhotometricInterpretation": "MONOCHROME2",
            "RescaleSlope": 1, "RescaleIntercept": -1024, "PixelData": (voxels[k] + 1024).astype(np.uint16).tobytes(),
        }
        for tag, value in values.items():
            setattr(dataset, tag, value)
        paths.append(folder / f"{number}.dcm")
        pydicom.dcmwrite(paths[-1], dataset, enforce_file_format=True)
    return paths
