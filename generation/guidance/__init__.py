"""Low-resolution guidance: features of the low-resolution pass, at any size, inside the high-resolution pass."""
