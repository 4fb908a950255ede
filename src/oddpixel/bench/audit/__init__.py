"""Benchmarks of the audit: cases made, measured, calibrated and tabled."""
