"""Reference centers without boxes: ``NAME_ctd.json`` beside a CT, or a data set of VerSe as it is unpacked."""

from __future__ import annotations

import re
from pathlib import Path

import SimpleITK as sitk

from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Evaluation.Metrics import Reference
from CervicalSpineDetectionLib.Imaging.ImageFile import IMAGE_SUFFIXES
from CervicalSpineDetectionLib.Results.Centroids import readCentroids
from CervicalSpineDetectionLib.Spine.Levels import SPINE_LEVELS
from CervicalSpineDetectionLib.Truth.Masks import checkOrder

CENTROIDS_SUFFIX = "_ctd.json"
# What BIDS derivatives put between the CT's name and the suffix.
ENTITY = re.compile(r"_(seg|desc)-[A-Za-z0-9]+$")


def centroidFiles(folder: Path) -> list[Path]:
    """Files with centroids in a folder, and in ``derivatives/sub-*`` below it, by name."""
    return sorted([*folder.glob(f"*{CENTROIDS_SUFFIX}"), *folder.glob(f"derivatives/*/*{CENTROIDS_SUFFIX}")])


def caseName(path: Path) -> str:
    """The CT's name: ``sub-verse004_seg-subreg_ctd.json`` is of ``sub-verse004``."""
    name = path.name.removesuffix(CENTROIDS_SUFFIX)
    while ENTITY.search(name):
        name = ENTITY.sub("", name)
    return name


def ctOfCentroids(path: Path) -> Path:
    """NAME or NAME_ct, beside the file or, as in BIDS, in ``rawdata`` instead of ``derivatives``.

    :raises InputError: none, or more than one.
    """
    folders = [path.parent]
    if path.parent.parent.name == "derivatives":
        folders.append(path.parents[2] / "rawdata" / path.parent.name)
    names = [caseName(path) + ending + suffix for ending in ("", "_ct") for suffix in IMAGE_SUFFIXES]
    found = [folder / name for folder in folders for name in names if (folder / name).is_file()]
    if len(found) != 1:
        raise InputError(f"{path} needs exactly one CT {caseName(path)}.nii.gz or {caseName(path)}_ct.nii.gz beside it "
                         f"or in rawdata; there are {len(found)}.")
    return found[0]


def centroidReferences(path: Path, image: sitk.Image) -> tuple[dict[str, Reference], frozenset[str]]:
    """Levels and centers; T13, L6 and what is below are not looked at.

    :param image: the CT.
    :return: (level -> Reference without a box, the levels next to the marked ones: nobody says that nothing of them is
        in view).
    :raises InputError: a file that can't be used, or whose levels can't be right.
    """
    centres = {number: centre for number, centre in sorted(readCentroids(path, image).items())
               if number <= len(SPINE_LEVELS)}
    if not centres:
        raise InputError(f"{path} names no level from {SPINE_LEVELS[0]} to {SPINE_LEVELS[-1]}.")
    checkOrder({number: centre[2] for number, centre in centres.items()}, "marked", "its axes or names are wrong",
               f"{path}: ")
    next_ = [SPINE_LEVELS[number - 1] for number in (min(centres) - 1, max(centres) + 1)
             if 1 <= number <= len(SPINE_LEVELS)]
    return ({str(SPINE_LEVELS[number - 1]): Reference(centre, None) for number, centre in centres.items()},
            frozenset(map(str, next_)))
