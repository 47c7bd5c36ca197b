"""Ground truth of label maps: masks, boxes per slice, vertebrae in 3D (codes: ``Spine.Levels``)."""
