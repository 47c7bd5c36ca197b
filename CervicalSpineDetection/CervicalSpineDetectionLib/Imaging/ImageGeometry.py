"""What result files and scenes say of a CT."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import SimpleITK as sitk


def imageGeometry(image: sitk.Image) -> dict[str, Any]:
    """Its "size", "spacing" (mm), "origin" and "direction" (row-major) of an image, LPS."""
    return {"size": list(image.GetSize()), "spacing": list(image.GetSpacing()), "origin": list(image.GetOrigin()),
            "direction": list(image.GetDirection())}
