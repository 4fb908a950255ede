"""Look at runs and decide."""
