"""Conditioners: tokens for the cascade from text, a label or a reference picture, each in a file of its own."""
