"""The four jobs as one call each; the commands of the same names make these very calls."""
