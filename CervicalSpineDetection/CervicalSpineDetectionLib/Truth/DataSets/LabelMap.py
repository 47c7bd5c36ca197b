"""Any label maps, described by a mapping file in JSON; ``CommandLine.ImportDataset.MAPPING_HELP`` says how."""

from __future__ import annotations

import json
import re
from pathlib import Path

import SimpleITK as sitk

from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Spine.Levels import SPINE_LEVELS
from CervicalSpineDetectionLib.Truth.DataSets.DataSetCase import DataSetCase
from CervicalSpineDetectionLib.Truth.Masks import readMask, renumbered


class LabelMap:
    """:param path: the mapping file. :raises InputError: it can't be used."""

    headersAgree = True

    def __init__(self, path: str | Path) -> None:
        try:
            mapping = json.loads(Path(path).read_text(encoding="utf-8"))
            self.title, self.licence = mapping["title"], mapping["licence"]
            self.citation, self.address = mapping.get("citation", ""), mapping.get("address", "")
            self._ct, self._labels = mapping["ct"], mapping["labels"]
            self._numbers = {int(number): SPINE_LEVELS.index(level) + 1 if level else 0
                             for number, level in mapping["numbers"].items()}
            self._patient = re.compile(mapping["patient"]) if "patient" in mapping else None
        except (OSError, KeyError, TypeError, ValueError, AttributeError, RecursionError, re.error) as error:
            raise InputError(f"The mapping file {path} can't be used ({error}); see `cervical-spine import --help`."
                             ) from error
        if "{case}" not in self._ct or "{case}" not in self._labels:
            raise InputError(f'The patterns "ct" and "labels" of {path} must name {{case}}.')

    def cases(self, folder: Path) -> list[DataSetCase]:
        before, _, after = self._ct.partition("{case}")
        found = []
        for ct in sorted(folder.glob(self._ct.replace("{case}", "*"))):
            name = ct.relative_to(folder).as_posix().removeprefix(before).removesuffix(after)
            found.append(DataSetCase(name, self._patientOf(name), ct, folder / self._labels.replace("{case}", name)))
        if not found:
            raise InputError(f"{folder} holds no {self._ct}; correct the pattern or the folder.")
        return found

    def labels(self, case: DataSetCase) -> sitk.Image:
        return renumbered(readMask(case.mask), self._numbers)

    def _patientOf(self, name: str) -> str:
        if self._patient is None:
            return name
        match = self._patient.search(name)
        if not match or not match.groups():
            raise InputError(f'The expression "patient" of the mapping file finds no patient in {name}; correct it.')
        return match.group(1)
