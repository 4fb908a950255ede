"""The dashboard, driven through a real browser."""
