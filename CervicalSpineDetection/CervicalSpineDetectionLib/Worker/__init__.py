"""Detection in a process of its own, kept warm: it never blocks the application, and can be killed at any time."""
