"""How good a detection is: cases with reference boxes, figures, tables."""
