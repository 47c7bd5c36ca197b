"""A labelled CT of a data set, and what every importer offers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import SimpleITK as sitk


@dataclass(frozen=True)
class DataSetCase:
    """One CT and its labels.

    :param name: unique in the data set, fit for a file name.
    :param patient: who; CTs of one patient never go to different splits.
    :param ct: image file, or folder of DICOM slices.
    :param mask: label file, or folder of them.
    :param split: "train", "val" or "test" where the data set has a split of its own.
    :param centroids: file of vertebral centres to check the labels with.
    """

    name: str
    patient: str
    ct: Path
    mask: Path
    split: str | None = None
    centroids: Path | None = None


class Source(Protocol):
    """One data set's layout, numbering and licence.

    ``headersAgree`` is False where the labels' header is not to be relied on; then the labels may be put on the CT's
    grid, axis by axis, if both have the same size.
    """

    title: str
    licence: str
    citation: str
    address: str
    headersAgree: bool

    def cases(self, folder: Path) -> list[DataSetCase]:
        """All cases in a folder. :raises InputError: the folder has not the data set's layout."""
        ...

    def labels(self, case: DataSetCase) -> sitk.Image:
        """uint8, codes as in ``Levels.SPINE_LEVELS``, on the labels' own grid.

        :raises InputError: they can't be used.
        """
        ...
