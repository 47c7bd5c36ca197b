"""Is the spine's own sagittal plane that of the image? Where a header turns the patient, sagittal slices are none.

The neck around the canal is the same to both sides of its sagittal plane and quite different in front and behind, so
the plane is the mirror that changes the mean cross-section least.
"""

from __future__ import annotations

import numpy as np

from CervicalSpineDetectionLib.Fusion import Settings
from CervicalSpineDetectionLib.Imaging.SagittalVolume import VOID_HU, SagittalVolume
from CervicalSpineDetectionLib.Spine.Arrays import Array


def orientationDoubt(volume: SagittalVolume, centres: Array) -> str:
    """Why the image's axes can't be the patient's, empty where nothing speaks against it.

    :param centres: shape (n, 3), LPS mm, of the bodies in cranio-caudal order; of fewer than two, or of a piece
        shorter than ``Settings.SHORTEST_SPINE_MM``, nothing can be told.
    """
    if len(centres) < 2:
        return ""
    x, y, z = centres[0] - centres[-1]
    if np.linalg.norm([x, y, z]) < Settings.SHORTEST_SPINE_MM:
        return ""
    lean, side = np.degrees(np.arctan2(abs(y), max(z, 0.0))), np.degrees(np.arctan2(abs(x), max(z, 0.0)))
    if lean > Settings.MOST_LEAN_DEGREES or side > Settings.MOST_SIDE_LEAN_DEGREES:
        return f"spine tilted by {max(lean, side):.0f} degrees in the image"
    turn, gain, data = turnOfSpine(volume, centres)
    isTurned = abs(turn) > Settings.MOST_SECTION_TURN_DEGREES and gain > Settings.LEAST_SECTION_GAIN
    if isTurned and data >= Settings.LEAST_SECTION_DATA:
        return f"patient turned by about {abs(turn):.0f} degrees in the image"
    return ""


def turnOfSpine(volume: SagittalVolume, centres: Array) -> tuple[float, float, float]:
    """By how much the spine is turned about its long axis against the image's sagittal plane.

    :param centres: shape (n, 3), LPS mm, of the bodies; two at least.
    :return: (degrees, -90 to 90, 0: not turned; how much better the mirror is there than in the image's own sagittal
        plane, as a difference of correlations; share of the cross-section that is inside the image).
    """
    section, data = _meanSection(volume, centres)
    section = (section - section.mean(axis=1, keepdims=True)).ravel()
    step = Settings.SECTION_STEP_DEGREES
    shape = (len(Settings.SECTION_RADII_MM), 360 // step)
    quality = []
    turns = range(-90, 90, step)
    index = np.arange(shape[1])
    for turn in turns:
        mirrored = section.reshape(shape)[:, (2 * turn // step - index) % shape[1]].ravel()
        quality.append(float(section @ mirrored / max(section @ section, 1e-9)))
    best = int(np.argmax(quality))
    near = [value for turn, value in zip(turns, quality, strict=True) if abs(turn) <= Settings.OWN_DEGREES]
    return float(turns[best]), quality[best] - max(near), data


def _meanSection(volume: SagittalVolume, centres: Array) -> tuple[Array, float]:
    """Mean cross-section about the line through the bodies, HU, shape (radii, angles), angle 0 points to the back; and
    the share of it that is inside the image."""
    order = np.argsort(centres[:, 2])
    heights = np.arange(centres[order[0], 2], centres[order[-1], 2] + 1e-6, Settings.SECTION_HEIGHT_STEP_MM)
    line = np.stack([np.interp(heights, centres[order, 2], centres[order, axis]) for axis in (0, 1)], axis=1)
    angles = np.deg2rad(np.arange(0, 360, Settings.SECTION_STEP_DEGREES))
    radii = Settings.SECTION_RADII_MM[:, None]
    # About the canal's front, about which a vertebra turns.
    across, back = radii * np.sin(angles), radii * np.cos(angles) + Settings.BODY_HALF_DEPTH_MM
    x, y = line.T[..., None, None]
    points = np.stack(np.broadcast_arrays(x + across, y + back, heights[:, None, None]), axis=-1)
    indices = np.rint(volume.fromLps(points)).astype(int)
    last = np.array(volume.voxels.shape) - 1
    within = ((indices >= 0) & (indices <= last)).all(axis=-1)
    places = tuple(np.moveaxis(np.clip(indices, 0, last), -1, 0))
    values = volume.voxels[places]
    inside = within & volume.inside[places] & (values > VOID_HU)
    return np.clip(values, *Settings.SIDES_HU).mean(axis=0, dtype=float), float(inside.mean())
