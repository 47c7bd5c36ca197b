"""Conflicts among the nodes themselves: points without a box, copies made by Slicer's Data module."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from CervicalSpineDetectionLib.Scene.CentrePoints import strayPoints
from CervicalSpineDetectionLib.Scene.Conflicts import Conflict
from CervicalSpineDetectionLib.Scene.OwnNodes import ROLE, centresNodeOf, isWithoutCt, markupsNodes, vertebraNodes
from CervicalSpineDetectionLib.Scene.Translation import tr as _
from CervicalSpineDetectionLib.Scene.VertebraState import PREFIX, VertebraState

if TYPE_CHECKING:
    import slicer


def strayConflicts(scene: slicer.vtkMRMLScene, volumeNode: slicer.vtkMRMLScalarVolumeNode | None,
                   states: Iterable[VertebraState]) -> list[Conflict]:
    """Points without a box: what is meant is open, so that nothing can be exported."""
    return [
        Conflict((centresNodeOf(scene, volumeNode).GetID(),),
                 _("The box of {level} is missing: insert {level} to make one, or undo.").format(level=level))
        for level in strayPoints(scene, volumeNode, states)
    ]


def copyConflicts(scene: slicer.vtkMRMLScene, volumeNode: slicer.vtkMRMLScalarVolumeNode | None) -> list[Conflict]:
    """Clones made in Slicer's Data module. They don't name the CT, so they are no vertebrae of it."""
    ours = {_mark(node): node.GetName() for node in vertebraNodes(scene, volumeNode)} if volumeNode else {}
    return [
        Conflict((node.GetID(),), _('"{copy}" is a copy of "{name}" and is left out: delete it in the Data module, and '
                                    "insert the level you need.").format(copy=node.GetName(), name=ours[_mark(node)]))
        for node in markupsNodes(scene)
        if isWithoutCt(node) and _mark(node) in ours
    ]


def _mark(node: slicer.vtkMRMLMarkupsNode) -> str | None:
    """What a clone has in common with its original only."""
    isBox = node.GetAttribute(ROLE) == "Box"
    return node.GetAttribute(PREFIX + "Centre") if isBox else node.GetName().removesuffix(" Copy")
