"""The CT of the benchmark where none is given, and one CT as the files that people have: DICOM and NIfTI, each stored
and compressed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from CervicalSpineDetectionLib.Phantom.Phantom import makePhantom

SEED = 17
SIZE = (512, 512, 300)
SPACING = (0.5, 0.5, 1.0)
# pydicom's root for examples: no other file bears these numbers for long.
UID_ROOT = "1.2.826.0.1.3680043.8.498.17"
CT_STORAGE = "1.2.840.10008.5.1.4.1.1.2"
INPUTS = ("DICOM", "DICOM, JPEG 2000", "NIfTI", "NIfTI, gzip")


def writeSampleCt(path: str | Path, size: Sequence[int] = SIZE, spacing: Sequence[float] = SPACING,
                  seed: int = SEED) -> None:
    """Write a phantom on the grid of a usual neck CT; air around it.

    :param path: image file.
    """
    ct = makePhantom(seed).ct
    middle = np.array(ct.TransformContinuousIndexToPhysicalPoint(((np.array(ct.GetSize()) - 1) / 2).tolist()))
    origin = middle - (np.array(size) - 1) / 2 * spacing
    resampled = sitk.Resample(ct, size, sitk.Transform(), sitk.sitkLinear, origin.tolist(), spacing,
                              np.eye(3).ravel().tolist(), -1024)
    sitk.WriteImage(resampled, str(path))


def writeInputs(folder: Path, slices: int, kinds: Iterable[str] = INPUTS) -> dict[str, Path]:
    """Make a phantom of 512 x 512 x ``slices`` voxels, 0.5 x 0.5 mm, 300 mm high, in each kind of file.

    :param folder: existing Path.
    :return: dict: kind -> Path.
    """
    raw = folder / "ct.nii"
    writeSampleCt(raw, (512, 512, slices), (0.5, 0.5, 300 / slices))
    image = sitk.ReadImage(str(raw))
    paths = {}
    for kind in kinds:
        paths[kind] = folder / {"NIfTI": "ct.nii", "NIfTI, gzip": "ct.nii.gz"}.get(kind, kind.replace(", ", "-"))
        if kind.startswith("DICOM"):
            writeDicom(image, paths[kind], kind != "DICOM")
        elif kind != "NIfTI":
            sitk.WriteImage(image, str(paths[kind]))
    return paths


def writeDicom(image: sitk.Image, folder: Path, compressed: bool) -> None:
    """A CT series, one file a slice. :param folder: Path, is made. :param compressed: as JPEG 2000, without loss."""
    folder.mkdir()
    columns = image.GetDirection()
    across = [columns[3 * row + axis] for axis in (0, 1) for row in range(3)]
    writer = sitk.ImageFileWriter()
    writer.KeepOriginalImageUIDOn()
    writer.SetUseCompression(compressed)
    for number in range(image.GetSize()[2]):
        part = image[:, :, number]
        place = image.TransformIndexToPhysicalPoint((0, 0, number))
        for tag, value in {
            "0008|0016": CT_STORAGE, "0008|0018": f"{UID_ROOT}.3.{number + 1}", "0008|0060": "CT",
            "0020|000d": f"{UID_ROOT}.1", "0020|000e": f"{UID_ROOT}.2", "0020|0052": f"{UID_ROOT}.4",
            "0020|0013": str(number + 1), "0020|0032": _numbers(place), "0020|0037": _numbers(across),
            "0028|1052": "0", "0028|1053": "1",
        }.items():
            part.SetMetaData(tag, value)
        writer.SetFileName(str(folder / f"{number:04d}.dcm"))
        writer.Execute(part)


def _numbers(values: Iterable[float]) -> str:
    return "\\".join(f"{value:.6f}" for value in values)


def byteCount(path: Path) -> int:
    """Of a file, or of all files in a folder."""
    return sum(file.stat().st_size for file in path.iterdir()) if path.is_dir() else path.stat().st_size
