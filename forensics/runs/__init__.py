"""Runs: what a command writes of its items, how it is read back, and how the work is spread."""
