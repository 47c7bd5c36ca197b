"""How fast a detection is: against other ways, against the machine's floor, and how it grows."""
