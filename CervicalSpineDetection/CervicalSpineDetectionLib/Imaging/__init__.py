"""CTs in: files, DICOM series, header checks; the canonical sagittal grid and its slices."""
