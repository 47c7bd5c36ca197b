"""Texts of the scene in Slicer's language. Outside of Slicer (slicer-core has no translations) they stay English."""

try:
    from slicer.i18n import tr
except ImportError:

    def tr(text: str) -> str:
        return text


__all__ = ["tr"]
