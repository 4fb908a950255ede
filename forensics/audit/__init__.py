"""Audit suspected manipulations: facts, tests with error rates, a bounded verdict."""
