"""What everyone knows of the spine: levels, vertebrae, boxes."""
