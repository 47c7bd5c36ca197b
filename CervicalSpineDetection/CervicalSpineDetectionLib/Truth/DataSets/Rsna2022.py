"""RSNA 2022 Cervical Spine Fracture Detection: the 87 studies that have segmentations.

``train_images/UID/1.dcm ...`` and ``segmentations/UID.nii``; 1-7: C1-C7, 8-19: T1-T12. The DICOM slices are axial,
numbered from head to foot in most studies and from foot to head in some; the NIfTI arrays run to the left, anterior
and superior (participants who read both as bare arrays had to flip two axes, and a third for some studies). Here the
slices are ordered by position and both images turned to LPS by their headers.
"""

from __future__ import annotations

from pathlib import Path

import SimpleITK as sitk

from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Truth.DataSets.DataSetCase import DataSetCase
from CervicalSpineDetectionLib.Truth.Masks import VERSE_NUMBERS, readMask, renumbered


class Rsna2022:
    title = "RSNA 2022 Cervical Spine Fracture Detection"
    licence = "non-commercial use only, under the competition's rules (RSNA)"
    citation = ("Lin et al. 2023, The RSNA cervical spine fracture CT dataset, Radiology: Artificial Intelligence "
                "5(5), doi 10.1148/ryai.230034; Cervical Spine Fracture Detection Dataset, Copyright RSNA, 2023")
    address = "https://www.kaggle.com/competitions/rsna-2022-cervical-spine-fracture-detection"
    headersAgree = False

    def cases(self, folder: Path) -> list[DataSetCase]:
        masks = sorted((folder / "segmentations").glob("*.nii"))
        if not masks:
            raise InputError(f"{folder} holds no segmentations/*.nii; give the folder with train_images and "
                             "segmentations.")
        return [DataSetCase(mask.stem, mask.stem, folder / "train_images" / mask.stem, mask) for mask in masks]

    def labels(self, case: DataSetCase) -> sitk.Image:
        return renumbered(readMask(case.mask), VERSE_NUMBERS)
