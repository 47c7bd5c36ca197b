"""Write a result in formats other tools read: label map, bone mask, segmentation, DICOM SEG and SR, centroids."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from CervicalSpineDetectionLib.AtomicFiles import atomicFolder, ensureWritable
from CervicalSpineDetectionLib.Errors import InputError, isShortOfMemory
from CervicalSpineDetectionLib.Terminal import quietLibraries

if TYPE_CHECKING:
    import SimpleITK as sitk
    from pydicom import Dataset

    from CervicalSpineDetectionLib.Spine.Vertebra import DetectionResult

# Format -> (file, what it is).
FORMATS = {
    "labelmap": ("boxes.nii.gz", "label map of the oriented boxes"),
    "mask": ("bone.nii.gz", "bone inside the boxes, a first mask"),
    "segmentation": ("bone.seg.nrrd", "the same mask as Slicer segmentation with SNOMED CT terminology"),
    "seg": ("bone.seg.dcm", "the same mask as DICOM Segmentation"),
    "sr": ("report.sr.dcm", "boxes and centres as DICOM structured report, TID 1500"),
    "terminology": ("terminology.json", "the levels as a terminology for Slicer"),
    "centroids": ("vertebrae_ctd.json", "centers of the bodies as VerSe and BIDS store them, for TPTBox"),
}
NUMBERINGS = ("verse", "totalsegmentator")
NEED_MASK = {"mask", "segmentation", "seg"}
NEED_SLICES = {"seg", "sr"}
NRRD_NAMES = {"boxes.nii.gz": "boxes.nrrd", "bone.nii.gz": "bone.nrrd"}

EXAMPLES = """
cervical-spine export output/neck --ct neck.nii.gz -o output/other
cervical-spine export output/neck --ct DICOM_FOLDER -o output/other --formats seg,sr
"""


def addArguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("result", metavar="RESULT", help="vertebrae.json, or the folder it lies in")
    parser.add_argument("--ct", required=True, metavar="CT", help="the CT it was made from; DICOM for seg and sr")
    parser.add_argument("-o", "--output", required=True, metavar="DIR", help="folder for the files")
    parser.add_argument("--formats", default="labelmap,mask", metavar="LIST",
                        help=f"by commas, of {', '.join(FORMATS)} (default labelmap,mask)")
    parser.add_argument("--numbering", choices=NUMBERINGS, default="verse",
                        help="numbers in label map and mask: verse (C1 is 1, T1 is 8; default), or totalsegmentator ("
                             "C1 is 50, T1 is 43)")
    parser.add_argument("--nrrd", action="store_true", help="label maps as NRRD instead of NIfTI")
    parser.epilog = "Formats: " + ". ".join(f"{key} ({name}): {text}" for key, (name, text) in FORMATS.items()) + "."


def run(arguments: argparse.Namespace) -> int:
    from CervicalSpineDetectionLib.Imaging.ReadImage import readImage
    from CervicalSpineDetectionLib.Results.DicomSourceImages import sourceImages
    from CervicalSpineDetectionLib.Results.LabelMapExport import checkGrid

    wanted = _wanted(arguments.formats)
    _checkPackages(wanted)
    result = _readResult(Path(arguments.result))
    with quietLibraries():
        image = readImage(arguments.ct)
        checkGrid(result, image)
        headers = sourceImages(arguments.ct, image) if NEED_SLICES & wanted.keys() else None
        ensureWritable(arguments.output)
    if not result.vertebrae:
        raise InputError(f"{arguments.result} holds no vertebra, so there is nothing to export.")
    names = [NRRD_NAMES.get(name, name) if arguments.nrrd else name for name in wanted.values()]
    try:
        with atomicFolder(arguments.output, names) as folder, quietLibraries():
            _write(folder, dict(zip(wanted, names, strict=True)), result, image, headers, arguments.numbering)
    except OSError as error:
        if isShortOfMemory(error):
            raise
        raise InputError(f"Files can't be written to {arguments.output} ({error.strerror or error}); "
                         "make room or choose another folder.") from error
    for key, name in zip(wanted, names, strict=True):
        print(f"{Path(arguments.output) / name}: {FORMATS[key][1]}")
    if headers:
        print("The DICOM files belong to the CT's study and carry its patient's name.")
    print("Research use only, not a medical device. Masks are a threshold inside boxes: check them.")
    return 0


def _write(folder: Path, names: Mapping[str, str], result: DetectionResult, image: sitk.Image,
           headers: Sequence[Dataset] | None, numbering: str) -> None:
    import SimpleITK as sitk

    from CervicalSpineDetectionLib.Results.LabelMapExport import boneMask, boxMap, numberedAsTotalSegmentator
    from CervicalSpineDetectionLib.Results.TerminologyJson import writeTerminology

    def writeLabels(labels: sitk.Image, name: str) -> None:
        numbered = numberedAsTotalSegmentator(labels) if numbering == "totalsegmentator" else labels
        sitk.WriteImage(numbered, str(folder / name), useCompression=True)

    if "labelmap" in names:
        writeLabels(boxMap(result.vertebrae, image), names["labelmap"])
    if NEED_MASK & names.keys():
        mask = boneMask(result.vertebrae, image)
    if "mask" in names:
        writeLabels(mask, names["mask"])
    if "segmentation" in names:
        from CervicalSpineDetectionLib.Scene.SegmentationNode import writeSegmentationFile

        writeSegmentationFile(folder / names["segmentation"], mask)
    if "seg" in names:
        from CervicalSpineDetectionLib.Results.DicomSegmentation import writeSegmentation

        with _usableHeaders():
            writeSegmentation(folder / names["seg"], mask, headers, result.model)
    if "sr" in names:
        from CervicalSpineDetectionLib.Results.DicomReport import writeReport

        with _usableHeaders():
            writeReport(folder / names["sr"], result, headers)
    if "terminology" in names:
        writeTerminology(folder / names["terminology"])
    if "centroids" in names:
        from CervicalSpineDetectionLib.Results.Centroids import writeCentroids

        writeCentroids(folder / names["centroids"], result, image)


@contextlib.contextmanager
def _usableHeaders() -> Iterator[None]:
    """highdicom takes over the CT's headers, and raises whatever values that are not DICOM make happen."""
    try:
        yield
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"The CT's DICOM headers hold values that can't be written again ({error}); export the "
                         "original CT.") from error


def _wanted(text: str) -> dict[str, str]:
    """Format -> file name. :raises InputError: an unknown format."""
    keys = [key.strip() for key in text.split(",") if key.strip()]
    unknown = [key for key in keys if key not in FORMATS]
    if unknown or not keys:
        raise InputError(f"There is no format {', '.join(unknown) or 'given'}; choose from {', '.join(FORMATS)}.")
    return {key: FORMATS[key][0] for key in keys}


def _checkPackages(wanted: Mapping[str, str]) -> None:
    import importlib.util

    for keys, package, install in ((NEED_SLICES, "highdicom", "highdicom"),
                                   ({"segmentation"}, "slicer", "slicer-core vtk")):
        needing = sorted(keys & wanted.keys())
        if needing and importlib.util.find_spec(package) is None:
            raise InputError(f"The formats {', '.join(needing)} need the package {package}: pip install {install}")


def _readResult(path: Path) -> DetectionResult:
    from CervicalSpineDetectionLib.Results.ResultJson import readJson

    return readJson(path / "vertebrae.json" if path.is_dir() else path)
