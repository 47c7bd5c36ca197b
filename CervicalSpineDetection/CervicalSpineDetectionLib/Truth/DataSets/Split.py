"""Who is trained on, who is held out: by patient, never by CT or slice."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

from CervicalSpineDetectionLib.Truth.DataSets.DataSetCase import DataSetCase

VALIDATION_PART = 10  # one patient of so many
# Of a patient that a data set's own splits share, nothing is trained on.
CAUTION = ("train", "val", "test")


def splitByPatient(cases: Sequence[DataSetCase]) -> dict[str, str]:
    """Split of every patient.

    The data set's own split counts where it has one, else a number drawn from the patient's name, so that cases added
    later change nothing for those before.

    :param cases: list of DataSetCase.
    :return: patient -> "train", "val" or "test".
    """
    own = {}
    for case in cases:
        own.setdefault(case.patient, set()).add(case.split)
    splits = {patient: max(found - {None}, key=CAUTION.index, default=None) for patient, found in own.items()}
    undecided = sorted((patient for patient, split in splits.items() if split is None), key=_draw)
    for patient in undecided:
        splits[patient] = "val" if _draw(patient) % VALIDATION_PART == 0 else "train"
    if len(splits) > 1 and undecided and "val" not in splits.values():
        splits[undecided[0]] = "val"
    return splits


def _draw(patient: str) -> int:
    return zlib.crc32(patient.encode())
