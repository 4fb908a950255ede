"""Parity with the reference implementations, on folders of fixtures."""
