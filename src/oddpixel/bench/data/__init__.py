"""Benchmarks of reading, of corpora, and of the store of runs."""
