"""A vertebra as plain dicts, lists and numbers: the one form for files, messages and other programs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

import numpy as np

from CervicalSpineDetectionLib.Spine.Arrays import Array
from CervicalSpineDetectionLib.Spine.Boxes import Bounds, OrientedBox
from CervicalSpineDetectionLib.Spine.Levels import LEVELS
from CervicalSpineDetectionLib.Spine.Vertebra import NameBasis, Review, Vertebra

MM_DECIMALS, AXES_DECIMALS, CONFIDENCE_DECIMALS = 2, 6, 3  # of files for people


def vertebraToDocument(vertebra: Vertebra, rounded: bool = False) -> dict[str, Any]:
    """:param rounded: as files hold it, to 0.01 mm, and no confidence (null) for what a person inserted, which no
        detector saw; else every number as it is.
    """

    def numbers(array: Array, decimals: int = MM_DECIMALS) -> Any:
        array = np.asarray(array, float)
        # Plus zero: no "-0.0".
        return (np.round(array, decimals) + 0.0 if rounded else array).tolist()

    box = vertebra.orientedBox
    confidence: float | None = float(vertebra.confidence)
    review = vertebra.review
    if rounded:
        confidence = None if review and review.inserted else round(float(vertebra.confidence), CONFIDENCE_DECIMALS)
    return {
        "level": str(vertebra.level),
        "confidence": confidence,
        "uncertain": bool(vertebra.uncertain),
        "doubt": vertebra.doubt,
        "inferred": bool(vertebra.inferred),
        "complete": bool(vertebra.complete),
        "centre": numbers(vertebra.centre),
        "bounds": {"min": numbers(vertebra.bounds.minimum), "max": numbers(vertebra.bounds.maximum)},
        "orientedBox": {"centre": numbers(box.centre), "size": numbers(box.size),
                        "axes": numbers(box.axes, AXES_DECIMALS)},
        **({"review": asdict(review)} if review else {}),
    }


def vertebraFromDocument(document: Mapping[str, Any]) -> Vertebra:
    """Inverse of ``vertebraToDocument``.

    :raises AttributeError, KeyError, OverflowError, TypeError, ValueError: not such a document.
    """
    bounds, box = document["bounds"], document["orientedBox"]
    if document["level"] not in LEVELS:
        raise ValueError(f"level {document['level']}")
    review = _reviewFromDocument(document["review"]) if "review" in document else None
    confidence = document["confidence"]
    if confidence is None and review and review.inserted:
        confidence = 1.0
    if not 0 <= confidence <= 1 or not {document["inferred"], document["complete"]} <= {True, False}:
        raise ValueError("confidence, inferred or complete")
    return Vertebra(
        level=document["level"],
        confidence=confidence,
        centre=_array(document["centre"], 3),
        bounds=Bounds(_array(bounds["min"], 3), _array(bounds["max"], 3)),
        orientedBox=OrientedBox(_array(box["centre"], 3), _array(box["size"], 3), _array(box["axes"], 3, 3)),
        inferred=document["inferred"],
        complete=document["complete"],
        review=review,
        # Results of earlier versions say nothing of it.
        doubt=str(document.get("doubt", "")),
    )


def basisToDocument(basis: NameBasis | None, rounded: bool = False) -> dict[str, Any]:
    """What the names of a result rest on, as entries of its document; none where the result does not say."""
    if basis is None:
        return {}
    probability = float(basis.shiftProbability)
    other = {"shift": basis.shift, "probability": round(probability, CONFIDENCE_DECIMALS) if rounded else probability}
    return {"anchors": list(basis.anchors), "alternativeNaming": other if basis.shift else None}


def basisFromDocument(document: Mapping[str, Any]) -> NameBasis | None:
    """Inverse of ``basisToDocument``.

    :raises AttributeError, KeyError, TypeError, ValueError: not such entries.
    """
    if "anchors" not in document:
        return None
    other = document["alternativeNaming"] or {"shift": 0, "probability": 0.0}
    probability = float(other["probability"])
    if not 0 <= probability <= 1:
        raise ValueError("alternativeNaming")
    return NameBasis(tuple(str(anchor) for anchor in document["anchors"]), int(other["shift"]), probability)


def _reviewFromDocument(document: Mapping[str, Any]) -> Review:
    if set(document) != {field.name for field in fields(Review)}:
        raise ValueError("review")
    review = Review(**document)
    if not {review.confirmed, review.edited, review.inserted, review.locked} <= {True, False}:
        raise ValueError("review")
    return review


def _array(numbers: Any, *shape: int) -> Array:
    array = np.array(numbers, float)
    if array.shape != shape or not np.isfinite(array).all():
        raise ValueError(f"not {' x '.join(map(str, shape))} numbers")
    return array
