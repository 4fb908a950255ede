"""The odd region of an image of a run: what an expected normal takes the place of."""

from __future__ import annotations

from jaxtyping import Bool
from numpy import ndarray

from oddpixel.forensics.runs.heat_map import on_image, read_evidence
from oddpixel.forensics.runs.rows import Row
from oddpixel.forensics.runs.run import Run

PEAK = 0.5  # of the map's largest evidence, where the run has no threshold to mark by


def odd_region(run: Run, row: Row, size: tuple[int, int]) -> Bool[ndarray, "h w"]:
    """Where the map is above the run's threshold, else above half of its peak. Raises: InvalidImage, MissingFile."""
    threshold = (run.record.get("decision") or {}).get("map_threshold")
    heat, _ = read_evidence(run, str(row.map))
    evidence = on_image(heat, size)
    is_marked = threshold is not None and evidence.max() > threshold
    odd: Bool[ndarray, "h w"] = evidence > (threshold if is_marked else PEAK * float(evidence.max()))
    return odd
