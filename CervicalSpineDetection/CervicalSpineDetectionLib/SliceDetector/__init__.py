"""2D boxes of sagittal slices: the interface, the YOLO network, its weights, which slices it looks at."""
