"""Label maps (codes as in ``Anatomy.SPINE_LEVELS``) -> ground truth: boxes per slice, vertebrae in 3D."""
