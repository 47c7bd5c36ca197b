"""TotalSegmentator's CT data set, version 1 or 2: ``s0000/ct.nii.gz`` and one file a structure,
``s0000/segmentations/vertebrae_C1.nii.gz``, empty where the structure is out of view; ``meta.csv`` has the split.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Spine.Levels import SPINE_LEVELS
from CervicalSpineDetectionLib.Truth.DataSets.DataSetCase import DataSetCase
from CervicalSpineDetectionLib.Truth.Masks import readMask


class TotalSegmentator:
    title = "TotalSegmentator CT data set"
    licence = "CC BY 4.0"
    citation = ("Wasserthal et al. 2023, TotalSegmentator: Robust segmentation of 104 anatomic structures in CT "
                "images, Radiology: Artificial Intelligence 5(5), doi 10.1148/ryai.230024")
    address = "https://doi.org/10.5281/zenodo.6802613"
    headersAgree = True

    def cases(self, folder: Path) -> list[DataSetCase]:
        splits = _readSplits(folder / "meta.csv")
        found = []
        for ct in sorted(folder.glob("s*/ct.nii.gz")):
            name = ct.parent.name
            found.append(DataSetCase(name, name, ct, ct.parent / "segmentations", splits.get(name)))
        if not found:
            raise InputError(f"{folder} holds no s*/ct.nii.gz; give the unpacked folder of the data set.")
        return found

    def labels(self, case: DataSetCase) -> sitk.Image:
        codes, first = None, None
        for code, level in enumerate(SPINE_LEVELS, 1):
            mask = readMask(case.mask / f"vertebrae_{level}.nii.gz")
            if codes is None:
                codes, first = np.zeros(mask.GetSize()[::-1], np.uint8), mask
            if mask.GetSize() != first.GetSize():
                raise InputError(f"vertebrae_{level}.nii.gz has another size than those before; download it again.")
            codes[sitk.GetArrayViewFromImage(mask) > 0] = code
        labels = sitk.GetImageFromArray(codes)
        labels.CopyInformation(first)
        return labels


def _readSplits(path: Path) -> dict[str, str]:
    """Subject -> split."""
    if not path.is_file():
        return {}
    with open(path, newline="", encoding="utf-8-sig") as file:
        rows = csv.DictReader(file, delimiter=";")
        return {row["image_id"]: row["split"] for row in rows if row.get("split") in ("train", "val", "test")}
