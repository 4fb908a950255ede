"""Low-resolution guidance: what the low-resolution pass knows, at any size, inside the high-resolution pass."""
