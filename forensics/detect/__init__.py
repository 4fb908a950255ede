"""From likelihood to a decision: features, scores, calibration, maps."""
