"""CTSpine1K: masks ``NAME_seg.nii.gz`` and CTs ``NAME.nii.gz``, in whatever folders, numbered as in VerSe.

The CTs come from four other collections, of which only one (HNSCC-3DCT-RT, ``HN_P...``) shows the neck. The
repository's ``data_split.txt`` is used where it lies in the folder.
"""

from __future__ import annotations

from pathlib import Path

import SimpleITK as sitk

from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Truth.DataSets.DataSetCase import DataSetCase
from CervicalSpineDetectionLib.Truth.Masks import VERSE_NUMBERS, readMask, renumbered

MASK_SUFFIX = "_seg.nii.gz"
SPLITS = {"trainset:": "train", "test_public:": "val", "test_private:": "test"}


class CtSpine1K:
    title = "CTSpine1K"
    licence = "CC BY-NC-SA"
    citation = ("Deng et al. 2021, CTSpine1K: A large-scale dataset for spinal vertebrae segmentation in computed "
                "tomography, arXiv 2105.14711; and the collections the CTs come from")
    address = "https://github.com/MIRACLE-Center/CTSpine1K"
    headersAgree = True

    def cases(self, folder: Path) -> list[DataSetCase]:
        images = {path.name: path for path in sorted(folder.rglob("*.nii.gz"))}
        splits = _readSplits(folder / "data_split.txt")
        found = []
        for mask in (path for name, path in images.items() if name.endswith(MASK_SUFFIX)):
            ct = f"{mask.name.removesuffix(MASK_SUFFIX)}.nii.gz"
            name = ct.removesuffix(".nii.gz")
            # A CT that is not there is told when it is read: the masks are published alone.
            found.append(DataSetCase(name, name, images.get(ct, mask.with_name(ct)), mask, splits.get(ct)))
        if not found:
            raise InputError(f"{folder} holds no masks *{MASK_SUFFIX}; give the folder with CTs and masks.")
        return found

    def labels(self, case: DataSetCase) -> sitk.Image:
        return renumbered(readMask(case.mask), VERSE_NUMBERS)


def _readSplits(path: Path) -> dict[str, str]:
    """File name of a CT -> split."""
    splits, current = {}, None
    for line in path.read_text(encoding="utf-8").split() if path.is_file() else ():
        current = SPLITS.get(line, current)
        splits[line] = current
    return splits
