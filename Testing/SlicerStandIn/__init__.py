"""Stands in for the Slicer application where there is none: its Qt, CTK and qMRML classes on PySide6, its scene on
slicer-core. Used by the tests and by the preview window; no part of the extension.
"""
