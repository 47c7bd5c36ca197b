"""Boxes along the vertebrae's own axes: how they lie, what they hold, how tight they are."""

import numpy as np
import pytest
import SimpleITK as sitk

from CervicalSpineDetectionLib.Evaluation.OrientedBoxMetrics import voxelsOf
from CervicalSpineDetectionLib.Phantom.Anatomy import makeAnatomy
from CervicalSpineDetectionLib.Spine.Boxes import Bounds
from CervicalSpineDetectionLib.Spine.Levels import CERVICAL_LEVELS, Level
from CervicalSpineDetectionLib.Spine.OrientedBoxes import (
    MARGIN_MM,
    MOST_LEAN,
    PLATE_LEAN,
    orientedBoxes,
    reachGroup,
    tightBox,
)
from CervicalSpineDetectionLib.Truth.TightBoxes import shareInside, tightestBox
from CervicalSpineDetectionLib.Truth.Vertebrae import vertebraCentres


def spine(step, levels=(Level.C3, Level.C4, Level.C5)):
    """Levels, centres (each lower one ``step`` mm, an LPS vector, from the one above) and bounds about them."""
    centres = [np.array(step, float) * i for i in range(len(levels))]
    return levels, centres, [Bounds(centre - [25, 25, 18], centre + [25, 25, 18]) for centre in centres]


def lean(box):
    """Degrees, forward."""
    return np.degrees(np.arctan2(-box.axes[2, 1], box.axes[2, 2]))


@pytest.mark.parametrize("step, along", [((0, 0, -18), 0), ((0, 6, -18), 18.4), ((0, -6, -18), -18.4)])
def test_aBoxLeansWithTheSpineAndFurtherAsEndPlatesDo(step, along):
    assert lean(orientedBoxes(*spine(step))[1]) == pytest.approx(along + np.degrees(PLATE_LEAN), abs=0.1)


def test_aSpineThatLeansToASideTakesItsBoxesAlong():
    axes = orientedBoxes(*spine((5, 0, -18)))[1].axes
    assert axes[2, 0] == pytest.approx(-np.sin(np.arctan2(5, 18)), abs=0.01)
    np.testing.assert_allclose(axes @ axes.T, np.eye(3), atol=1e-9)
    assert np.linalg.det(axes) == pytest.approx(1)


def test_theAtlasTurnsWithTheAxisWhereNothingTellsItsOwnLean():
    first, second, _ = orientedBoxes(*spine((0, 8, -18), (Level.C1, Level.C2, Level.C3)))
    np.testing.assert_allclose(first.axes, second.axes)


@pytest.mark.parametrize("degrees", [-25, 0, 30])
def test_theAtlasLeansAsItsOwnRingDoes(degrees):
    neck = spine((0, 8, -18), (Level.C1, Level.C2, Level.C3))
    first, second, _ = orientedBoxes(*neck, np.deg2rad(degrees))
    assert lean(first) == pytest.approx(degrees, abs=0.1)
    np.testing.assert_allclose(second.axes, orientedBoxes(*neck)[1].axes)


@pytest.mark.parametrize("step", [(0, 60, -18), (60, 0, -18), (40, 40, -1)])
def test_aLineThroughWrongCentersTurnsNoBoxOver(step):
    axes = orientedBoxes(*spine(step))[1].axes
    assert np.arccos(axes[2, 2]) <= MOST_LEAN + 1e-9


def test_oneVertebraAloneStandsUpright():
    levels, centres, bounds = spine((0, 0, -18))
    assert lean(orientedBoxes([Level.C1], centres[:1], bounds[:1])[0]) == pytest.approx(0)


@pytest.mark.parametrize("level", [Level.C1, Level.C3, Level.C7, Level.T4])
def test_aBoxIsLargerByTheMarginToBothSidesAndGrowsWithTheVertebra(level):
    small, large = (tightBox(level, Bounds(-np.array(half), np.array(half)), np.eye(3))
                    for half in ([25.0, 25, 18], [50.0, 50, 36]))
    margin = MARGIN_MM[reachGroup(level)]
    assert small.size[0] == pytest.approx(50 + 2 * margin)
    np.testing.assert_allclose(large.size - 2 * margin, 2 * (small.size - 2 * margin))


@pytest.fixture(scope="module")
def straight():
    """Label map of a neck on a grid of 1 mm."""
    tissues = makeAnatomy(np.random.default_rng(4), spacing=1.0).tissues
    return sitk.Mask(tissues, sitk.Cast(tissues <= Level.T1.code, sitk.sitkUInt8))


@pytest.fixture(scope="module", params=[-15, 0, 20])
def neck(request, straight):
    """That of a neck that leans forward by so many degrees more, on a grid of 1.5 mm."""
    labels = straight
    turn = sitk.Euler3DTransform()
    # A resampled image's places are turned back: what leans forward is pitched by the negative angle.
    turn.SetRotation(-np.deg2rad(request.param), 0, 0)
    middle = [start + size * step / 2 for start, size, step in zip(
        labels.GetOrigin(), labels.GetSize(), labels.GetSpacing(), strict=True)]
    turn.SetCenter(middle)
    size = [int(n * 1.3 / 1.5) for n in labels.GetSize()]
    origin = [centre - n * 1.5 / 2 for centre, n in zip(middle, size, strict=True)]
    return sitk.Resample(labels, size, turn, sitk.sitkNearestNeighbor, origin, [1.5] * 3, np.eye(3).ravel().tolist(), 0)


def ringLean(points):
    """Radians that the plane through a ring leans forward."""
    upright = np.linalg.svd(points - points.mean(axis=0), full_matrices=False)[2][-1]
    return np.arctan2(-upright[1] * np.sign(upright[2]), abs(upright[2]))


def test_boxesHoldTheirVertebraeAndAreTightHoweverTheNeckLeans(neck):
    centres = vertebraCentres(neck)
    levels = [Level(level) for level in centres]
    points = [voxelsOf(neck, level) for level in levels]
    bounds = [Bounds(own.min(axis=0) - 0.75, own.max(axis=0) + 0.75) for own in points]
    boxes = orientedBoxes(levels, list(centres.values()), bounds, ringLean(points[0]))
    held = {level: shareInside(own, box) for level, own, box in zip(levels, points, boxes, strict=True)}
    ratios = [np.prod(box.size / tightestBox(own, box.axes).size) for own, box in zip(points, boxes, strict=True)]
    cervical = [level for level in levels if level in CERVICAL_LEVELS]
    assert len(cervical) == 7 and min(held[level] for level in cervical) > 0.9, held
    assert np.mean([held[level] for level in cervical]) > 0.965, held
    assert np.median(ratios) < 1.35, ratios


@pytest.fixture(scope="module")
def person(sharedData):
    """Level -> voxels of its bone surface, shape (n, 3), LPS mm, of a person who was not fitted to."""
    import vtk
    from vtk.util.numpy_support import vtk_to_numpy

    found = {}
    for level in CERVICAL_LEVELS:
        reader = vtk.vtkSTLReader()
        reader.SetFileName(str(sharedData / "bodyparts3d" / f"{level}.stl"))
        reader.Update()
        lower, upper = np.reshape(reader.GetOutput().GetBounds(), (3, 2)).T
        size = np.ceil(upper - lower).astype(int) + 3
        stencil = vtk.vtkPolyDataToImageStencil()
        stencil.SetInputConnection(reader.GetOutputPort())
        stencil.SetOutputOrigin(*(lower - 1))
        stencil.SetOutputSpacing(1, 1, 1)
        stencil.SetOutputWholeExtent(0, size[0] - 1, 0, size[1] - 1, 0, size[2] - 1)
        image = vtk.vtkImageStencilToImage()
        image.SetInputConnection(stencil.GetOutputPort())
        image.SetInsideValue(1)
        image.Update()
        voxels = vtk_to_numpy(image.GetOutput().GetPointData().GetScalars()).reshape(size[::-1])
        found[level] = np.argwhere(voxels)[:, ::-1] + lower - 1
    return found


@pytest.mark.parametrize("degrees", [-15, 0, 15])
def test_boxesHoldTheVertebraeOfAPersonWhomTheyWereNotFittedTo(person, degrees):
    c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    points = {level: own @ np.array([[1, 0, 0], [0, c, s], [0, -s, c]]) for level, own in person.items()}
    fronts = {level: own[np.abs(own[:, 0]) < 3] for level, own in points.items()}  # the middle slices
    centres = []
    for level, own in fronts.items():
        body = own[own[:, 1] < own[:, 1].min() + 14]
        below = own[:, 1].min() + 7, (body[:, 2].max() + body[:, 2].min()) / 2 - (8 if level == "C2" else 0)
        centres.append(np.array([0.0, *below]))
    bounds = [Bounds(own.min(axis=0) - 0.5, own.max(axis=0) + 0.5) for own in points.values()]
    boxes = orientedBoxes(list(points), centres, bounds, ringLean(points[Level.C1]))
    held = [shareInside(own, box) for own, box in zip(points.values(), boxes, strict=True)]
    ratios = [np.prod(box.size / tightestBox(own, box.axes).size)
              for own, box in zip(points.values(), boxes, strict=True)]
    assert min(held) > 0.93 and np.mean(held) > 0.965
    assert np.median(ratios) < 1.3
