"""Cervical vertebra detection in CT: numerics, scene and command line of the CervicalSpineDetection extension.

Folders, from the inside out:

- ``Spine``: levels, vertebrae, boxes.
- ``Imaging``: CTs in, the canonical sagittal grid and its slices.
- ``SliceDetector``: slices -> 2D boxes (torch, ultralytics).
- ``Fusion``: 2D boxes -> 3D tracks -> candidates -> levels -> vertebrae (numpy).
- ``Pipeline``: CT in, vertebrae out: all of the above.
- ``Results``: JSON, tables, DICOM objects, label maps.
- ``Truth``: ground truth of label maps, public data sets.
- ``Phantom``, ``Training``: synthetic CTs with exact ground truth, data sets, training.
- ``Evaluation``, ``Benchmark``: figures against ground truth, time.
- ``Worker``: detection in a process of its own. ``Cohort``: many CTs.
- ``Scene``: MRML nodes (``slicer``, ``vtk``; no Qt).
- ``CommandLine``: the ``cervical-spine`` command.

For notebooks: ``from CervicalSpineDetectionLib import detectVertebrae, readImage, toDataFrame`` (see ``Api.py``).
"""

import importlib

__version__ = "0.1.0"

# Name -> its file. Imported when asked for: the command line must not wait for libraries it may not need.
_PUBLIC = {"detectVertebrae": "Api", "readImage": "Imaging.ReadImage", "toDataFrame": "Results.ResultTable"}


def __getattr__(name: str) -> object:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_PUBLIC[name]}"), name)


def __dir__() -> list[str]:
    return [*globals(), *_PUBLIC]
