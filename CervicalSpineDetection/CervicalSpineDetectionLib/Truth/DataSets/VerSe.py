"""VerSe 2019 and 2020 in the restructured (BIDS) layout.

``rawdata/sub-verse004/sub-verse004_ct.nii.gz`` (2020 also ``_dir-ax_ct``, 2019 ``_split-verse253_ct``) and beside
``rawdata`` ``derivatives/sub-verse004/sub-verse004_seg-vert_msk.nii.gz`` and ``..._seg-subreg_ctd.json`` (or
``_seg-vb_ctd``), in folders named after training, validation and test. Images come in any orientation.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Results.Centroids import readCentroids
from CervicalSpineDetectionLib.Spine.Arrays import Array
from CervicalSpineDetectionLib.Spine.Levels import SPINE_LEVELS
from CervicalSpineDetectionLib.Truth.DataSets.DataSetCase import DataSetCase
from CervicalSpineDetectionLib.Truth.Masks import VERSE_NUMBERS, readMask, renumbered

SPLITS = {"training": "train", "validation": "val", "test": "test"}
CT_SUFFIX = "_ct.nii.gz"
CENTROID_SUFFIXES = ("_seg-subreg_ctd.json", "_seg-vb_ctd.json")
# A body's centre lies in its bone; that of the atlas between the arches.
CENTROID_TOLERANCE_MM = 5
ATLAS_TOLERANCE_MM = 15


class VerSe:
    title = "VerSe 2019 and 2020"
    licence = "CC BY-SA 4.0"
    citation = ("Sekuboyina et al. 2021, VerSe: A vertebrae labelling and segmentation benchmark for multi-detector CT "
                "images, Medical Image Analysis 73, doi 10.1016/j.media.2021.102166; Löffler et al. 2020, Radiology: "
                "Artificial Intelligence 2(4), doi 10.1148/ryai.2020190138; Liebl et al. 2021, Scientific Data 8, "
                "doi 10.1038/s41597-021-01060-0")
    address = "https://github.com/anjany/verse"
    headersAgree = True

    def cases(self, folder: Path) -> list[DataSetCase]:
        found = []
        for ct in sorted(folder.rglob(f"rawdata/*/sub-*{CT_SUFFIX}")):
            name = ct.name.removesuffix(CT_SUFFIX)
            top = ct.parents[2]
            derivatives = top / "derivatives" / ct.parent.name
            centroids = [derivatives / f"{name}{suffix}" for suffix in CENTROID_SUFFIXES]
            split = next((SPLITS[key] for key in SPLITS if key in top.name.lower()), None)
            found.append(DataSetCase(name, name.split("_")[0], ct, derivatives / f"{name}_seg-vert_msk.nii.gz", split,
                              next((path for path in centroids if path.is_file()), None)))
        if not found:
            raise InputError(f"{folder} holds no rawdata/sub-*/sub-*{CT_SUFFIX}; give the folder with the unpacked "
                             "dataset-verse19training etc. (the restructured data, not those of the challenge).")
        return found

    def labels(self, case: DataSetCase) -> sitk.Image:
        mask = readMask(case.mask)
        labels = renumbered(mask, VERSE_NUMBERS)
        if case.centroids:
            for number, point in readCentroids(case.centroids, mask).items():
                if number <= len(SPINE_LEVELS):
                    _checkCentroid(labels, number, point)
        return labels


def _checkCentroid(labels: sitk.Image, number: int, point: Array) -> None:
    voxels = np.argwhere(sitk.GetArrayViewFromImage(labels) == number)[:, ::-1]
    direction = np.reshape(labels.GetDirection(), (3, 3))
    places = labels.GetOrigin() + (voxels * labels.GetSpacing()) @ direction.T
    tolerance = ATLAS_TOLERANCE_MM if number == 1 else CENTROID_TOLERANCE_MM
    if not len(places) or np.linalg.norm(places - point, axis=1).min() > tolerance:
        raise InputError(f"The centroid of {SPINE_LEVELS[number - 1]} does not lie in the vertebra of that label.")
