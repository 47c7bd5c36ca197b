"""How fast a detection is: against other ways, against the hardware limit, and how it grows."""
