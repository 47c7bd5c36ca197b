"""The panel's widgets, as its sections are given them."""

from __future__ import annotations

from typing import Protocol

import qt


class Ui(Protocol):
    """The widgets of ``Resources/UI/CervicalSpineDetection.ui`` by name, as ``slicer.util.childWidgetVariables``
    gives them."""

    def __getattr__(self, name: str) -> qt.QWidget: ...
