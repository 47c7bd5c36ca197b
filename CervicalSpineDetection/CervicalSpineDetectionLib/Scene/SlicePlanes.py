"""Planes of slice views that pass through a spine."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from CervicalSpineDetectionLib.Scene.VolumeNodes import LPS_TO_RAS
from CervicalSpineDetectionLib.Spine.Arrays import Array
from CervicalSpineDetectionLib.Spine.Vertebra import Vertebra


def slicePlanes(vertebrae: Sequence[Vertebra], seen: Array) -> tuple[Array, Array]:
    """Sagittal and coronal plane, tilted to pass through the body centres.

    :param seen: RAS mm, shape (6,), as MRML's bounds; the planes' origins lie in its middle.
    :return: two matrices of shape (4, 4), slice to RAS mm.
    """
    middle = (seen[::2] + seen[1::2]) / 2
    centres = np.array([LPS_TO_RAS @ vertebra.centre for vertebra in vertebrae]) if vertebrae else middle[None]
    passes = centres.mean(axis=0)
    spine = np.linalg.svd(centres - passes)[2][0] if len(centres) > 2 else np.array([0.0, 0, 1])
    if abs(spine[2]) < np.cos(np.radians(45)):
        spine = np.array([0.0, 0, 1])
    spine = spine * np.sign(spine[2])
    # Tilted about their horizontal axis only, so that up stays up.
    return (
        _plane(right=np.array([0.0, -1, 0]), up=spine * [1, 0, 1], passes=passes, middle=middle),
        _plane(right=np.array([-1.0, 0, 0]), up=spine * [0, 1, 1], passes=passes, middle=middle),
    )


def _plane(right: Array, up: Array, passes: Array, middle: Array) -> Array:
    up = up / np.linalg.norm(up)
    normal = np.cross(right, up)
    plane = np.eye(4)
    plane[:3] = np.stack([right, up, normal, middle - normal * np.dot(middle - passes, normal)], axis=1)
    return plane
