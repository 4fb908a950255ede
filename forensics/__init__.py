"""Judge images: density-ratio models, calibrated detection, forensic audit, and the runs they write."""
