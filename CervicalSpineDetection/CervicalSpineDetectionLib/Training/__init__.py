"""Data sets and training of the slice detector."""
