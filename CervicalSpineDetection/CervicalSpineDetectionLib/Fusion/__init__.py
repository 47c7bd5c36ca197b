"""2D boxes of all slices -> 3D tracks -> candidates -> levels -> vertebrae (numpy only)."""
