"""How far figures would scatter with other scans."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from CervicalSpineDetectionLib.Spine.Arrays import Array

Item = TypeVar("Item")
RESAMPLES = 2000
SEED = 0


def intervals(items: Sequence[Item], figures: Callable[[list[Item]], Mapping[str, Any]], resamples: int = RESAMPLES,
              seed: int = SEED) -> dict[str, list[Any]]:
    """95 % percentile bootstrap intervals over scans (Efron and Tibshirani 1993, An Introduction to the Bootstrap).

    Scans are drawn, not levels: the levels of one neck go wrong together.

    :param items: one object a scan.
    :param figures: list of such objects -> (name -> number or list of numbers).
    :return: name -> [lower, upper], for a list of numbers a list of those; nan where a figure is never defined.
    """
    if not items:
        return {}
    random = np.random.default_rng(seed)
    drawn = [figures([items[i] for i in random.integers(len(items), size=len(items))]) for _ in range(resamples)]
    return {name: _limits(np.array([draw[name] for draw in drawn], float)).T.tolist() for name in drawn[0]}


def _limits(values: Array) -> Array:
    """:param values: shape (resamples, ...). :return: shape (2, ...)."""
    defined = ~np.isnan(values).all(axis=0)
    limits = np.full((2, *values.shape[1:]), np.nan)
    limits[:, defined] = np.nanquantile(values[:, defined], [0.025, 0.975], axis=0)
    return limits
