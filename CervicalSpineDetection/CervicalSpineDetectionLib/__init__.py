"""Cervical vertebra detection in CT: numerics, scene and command line of the CervicalSpineDetection extension.

Folders, from the inside out:

- ``Detection``: volume -> slices -> 2D boxes -> 3D tracks -> levels -> vertebrae (numpy, torch, SimpleITK).
- ``Files``: images in, results out.
- ``LabelMaps``: ground truth of labelled CTs.
- ``Phantom``, ``Training``: made CTs with exact ground truth, data sets, training.
- ``Scene``: MRML nodes (``slicer``, ``vtk``; no Qt).
- ``CommandLine``: the ``cervical-spine`` command.
"""

__version__ = "0.1.0"
