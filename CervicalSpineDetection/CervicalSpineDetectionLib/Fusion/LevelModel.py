"""The parameters of the level chain: few, fitted on views of CTs with known levels, and kept with the weights.

``cervical-spine calibrate`` fits them by maximum likelihood and writes them into the model card; how much a network's
opinion is worth belongs to the network.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any


@dataclass(frozen=True)
class LevelModel:
    """Parameters of ``LevelChain``. The defaults are those of the shipped weights at their first calibration.

    :param evidenceWeight: what the class scores of one fully seen vertebra count, if it stands alone. Slices of one
        vertebra, and vertebrae of one picture, are judged by one network: their errors are not independent, so their
        log likelihoods are not simply added up.
    :param crowding: with n vertebrae in view each counts by n to the power of minus this; 0: as independent sightings,
        1: together no more than one.
    :param classFloor: share of the class scores that any other level may deserve for all we know.
    :param depthWeight: what the depth of a vertebra, front to back, counts beside the person's scale.
    :param falseCost: log odds, for each mm of evidence, that what was seen is a vertebra.
    :param bodyCost: log odds that a clearly seen body is one of a vertebra.
    :param missedCost: log odds against each level that was missed between two found ones.
    :param certainty: a name below this probability is uncertain; chosen on the fitting data so that at most one wrong
        name in a thousand stands above it.
    """

    evidenceWeight: float = 0.95
    crowding: float = 0.5
    classFloor: float = 0.005
    depthWeight: float = 0.45
    falseCost: float = 0.5
    bodyCost: float = 2.0
    missedCost: float = 2.3
    certainty: float = 0.95

    @classmethod
    def fromCard(cls, card: Mapping[str, Any]) -> LevelModel:
        """Of the entry "levelModel" of a model card; the defaults where it has none.

        :raises ValueError: an entry that is no positive number.
        """
        entry = card.get("levelModel") or {}
        known = {field.name for field in fields(cls)}
        values = {name: float(value) for name, value in entry.items() if name in known}
        if not all(0 <= value < 100 for value in values.values()) or not 0 < values.get("certainty", 0.5) <= 1:
            raise ValueError(f"levelModel holds numbers that can't be used: {values}")
        return cls(**values)

    def asCard(self) -> dict[str, float]:
        """What ``fromCard`` reads."""
        return asdict(self)
