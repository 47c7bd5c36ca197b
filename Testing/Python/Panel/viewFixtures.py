"""The views of the layout with a CT and its vertebrae, and a mouse in them."""

import numpy as np
import pytest
import slicer
from panelFixtures import boxNodes, settle

LPS_TO_RAS = np.array([-1, -1, 1])


@pytest.fixture
def shown(application, monkeypatch):
    """The views of the layout."""
    from SlicerStandIn.Views import layoutManager

    monkeypatch.setattr(application, "_layoutManager", layoutManager())
    for view in layoutManager().views.values():
        view.resize(400, 400)
    return layoutManager().views


@pytest.fixture
def views(shown, module, detected):
    """Slice views with the CT, the middle vertebra (C4) chosen."""
    module.widget.correctionPanel.watchViews()
    slicer.util.setSliceViewerLayers(background=detected, fit=True)
    module.widget.correctionPanel.table.select(boxNodes(detected)[2].GetID())
    settle()
    for name, view in shown.items():
        if name != "1":
            view.zoom(90)
        view.picture()
    return shown


def inBox(node, point):
    """World RAS of a point given in mm along the box's axes from its middle."""
    return (slicer.util.arrayFromVTKMatrix(node.GetObjectToWorldMatrix()) @ [*point, 1])[:3]


def dragIn(view, start, end, button="Left"):
    """From one RAS point to another."""
    view.picture()
    view.drag(view.toPixels(start), view.toPixels(end), button=button)
    settle()


def inThreeD(view, ras):
    """Pixels from the lower left, shape (2,)."""
    view.renderer.SetWorldPoint(*ras, 1)
    view.renderer.WorldToDisplay()
    return np.array(view.renderer.GetDisplayPoint()[:2])


def chosen(module):
    return module.widget.correctionPanel.table.selectedIds()
