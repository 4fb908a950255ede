"""Benchmarks of the density models: truth, bits, cost, and what a likelihood cannot do."""
