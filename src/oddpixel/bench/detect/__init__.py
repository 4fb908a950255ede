"""Benchmarks of the detector: what it finds, how often it is wrong, where, and at what cost."""
