"""Training of every stage with the shared trainer: one stage a file, what it learns from and its loss together."""
