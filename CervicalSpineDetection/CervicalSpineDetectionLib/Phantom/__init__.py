"""Made neck CTs with exact ground truth: anatomy (tissue maps) and a CT scanner that images them."""
