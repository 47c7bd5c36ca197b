"""Label maps (1 to 7 for C1 to C7, 8 to 11 for T1 to T4) -> ground truth: boxes per slice, vertebrae in 3D."""
