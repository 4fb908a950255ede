"""Benchmarks of the cascade and of what the bundled one makes."""
