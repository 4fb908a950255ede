"""Density test: is the image rougher or smoother than a density model of photographs expects for its content, scale by
scale?

The pyramid's one forward pass gives for every scale the nats by which it is surprised beyond what it expected for this
content (the gap of Cozzolino, Poggi, Nießner and Verdoliva, ECCV 2024, without a coder). Never the likelihood itself:
smooth images are likely. Each scale is compared with authentic images on both sides; the statistic is the largest
deviation of any scale and tile. Large images are judged by a sample of tiles drawn from the file's hash, and the finding
says which share of the image that is.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
from jaxtyping import Float64

from oddpixel.forensics.density.probing import views

from ..calibration import table
from ..exhibit import Exhibit
from ..measurement import Answer, Measurement, Question
from ..windows import boxes

TILE = 256
MOST_TILES = 2
SCALES = 5  # finest ones; coarser ones of a tile are a few pixels
LIMITS = (
    "It says that the image is unlike the photographs it was compared with, not why: blur, denoising, drawing, "
    "resizing and generators "
    "all do that. The models are small and trained on few photographs."
)


class Density:
    """The test for tiles whose detail is rougher or smoother than a density model expects."""

    name = "density"
    title = "Density test"
    kind = "calibrated"
    questions = (Question("density", about="anomaly"),)
    purpose = "Whether any scale is rougher or smoother than a model of photographs expects for this content."
    reference = "Yadin, Elata and Michaeli, NeurIPS 2024; Cozzolino et al., ECCV 2024"
    needs = f"{TILE} x {TILE} pixels"
    cannot = LIMITS

    def applies(self, exhibit: Exhibit) -> str | None:
        """Why the image cannot be tested: too small, or no authentic images of its stratum to compare with."""
        if min(exhibit.size) < TILE:
            return f"smaller than {TILE} x {TILE} pixels"
        if self._reference(exhibit) is None:
            return f"no authentic images of this kind to compare with ({exhibit.gate.stratum})"
        return None

    def _reference(self, exhibit: Exhibit) -> dict[str, Any] | None:
        """Middle and spread of the gaps in authentic images."""
        return table().reference(self.name, exhibit.gate.stratum, exhibit.pixels.shape[2])

    def measure(self, exhibit: Exhibit) -> Iterator[Answer]:
        """The largest deviation over tiles and scales, in robust standard deviations, with a map of the tiles."""
        reference = self._reference(exhibit)
        assert reference is not None
        places = tiles(exhibit)
        deviation = (gaps(exhibit, places) - np.array(reference["middle"])) / np.array(reference["spread"])
        by_tile = np.abs(deviation).max(1)
        worst = int(np.argmax(by_tile))
        scale = int(np.argmax(np.abs(deviation[worst])))
        picture = np.zeros(exhibit.size, np.float32)
        for (top, left), value in zip(places, by_tile, strict=True):
            here = picture[top : top + TILE, left : left + TILE]
            np.maximum(here, np.float32(value / by_tile.max()), out=here)
        rough = "rougher" if deviation[worst, scale] > 0 else "smoother"
        share = min(1.0, len(places) * TILE**2 / (exhibit.size[0] * exhibit.size[1]))
        yield Measurement(
            self.name, statistic=float(by_tile[worst]), map=picture, limits=LIMITS,
            because=f"details of {2 ** (scale + 1)} pixels are {rough} than expected for their content, by "
            f"{by_tile[worst]:.1f} deviations; looked at: {share:.0%} of the image",
            details={"deviations": deviation.round(3).tolist(), "tiles": [list(place) for place in places], "share": share,
                     "regions": boxes(picture >= 1.0, most=1)},
        )  # fmt: skip


CHECK = Density()


def tiles(exhibit: Exhibit) -> list[tuple[int, int]]:
    """The corners of the examined tiles: all on a grid where they are few, else a sample drawn from the file's hash."""
    height, width = exhibit.size
    corners = [(top, left) for top in range(0, height - TILE + 1, TILE) for left in range(0, width - TILE + 1, TILE)]
    if len(corners) <= MOST_TILES:
        return corners
    order = np.random.default_rng(exhibit.seed).permutation(len(corners))[:MOST_TILES]
    return [corners[k] for k in sorted(order)]


def gaps(exhibit: Exhibit, places: list[tuple[int, int]]) -> Float64[np.ndarray, "tiles scales"]:
    """The surprise beyond what was expected, in nats per dimension, by tile and scale, finest first."""
    import torch

    model = _model("photo-rgb" if exhibit.pixels.shape[2] == 3 else "photo-grey")
    rows = []
    for top, left in places:
        part = np.ascontiguousarray(exhibit.pixels[top : top + TILE, left : left + TILE].transpose(2, 0, 1))
        by_scale = views(model, torch.from_numpy(part)[None], torch.Generator().manual_seed(0))
        rows.append([float(view.gap.sum() / view.dims.sum()) for view in by_scale[:SCALES]])
    return np.array(rows)


@cache
def _model(name: str) -> Any:
    from oddpixel.forensics.density.store import load_pyramid

    return load_pyramid(name)
