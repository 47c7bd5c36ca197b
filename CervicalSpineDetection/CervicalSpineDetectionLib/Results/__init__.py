"""Results out: JSON, tables, DICOM objects, label maps; files that appear whole or not at all."""
