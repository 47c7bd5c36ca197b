"""Cervical vertebra detection in CT: numerics, scene and command line of the CervicalSpineDetection extension.

Folders, from the inside out:

- ``Detection``: volume -> slices -> 2D boxes -> 3D tracks -> levels -> vertebrae (numpy, torch, SimpleITK).
- ``Files``: images in, results out.
- ``LabelMaps``: ground truth of labelled CTs.
- ``Phantom``, ``Training``: made CTs with exact ground truth, data sets, training.
- ``Cohort``: many CTs.
- ``Scene``: MRML nodes (``slicer``, ``vtk``; no Qt).
- ``CommandLine``: the ``cervical-spine`` command.

For notebooks: ``from CervicalSpineDetectionLib import detectVertebrae, readImage, toDataFrame`` (see ``Api.py``).
"""

import importlib

__version__ = "0.1.0"

# Name -> its file. Imported when asked for: the command line must not wait for libraries it may not need.
_PUBLIC = {"detectVertebrae": "Api", "readImage": "Files.ReadImage", "toDataFrame": "Files.ResultTable"}


def __getattr__(name):
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_PUBLIC[name]}"), name)


def __dir__():
    return [*globals(), *_PUBLIC]
