"""The ``cervical-spine`` command: one file a sub command."""
