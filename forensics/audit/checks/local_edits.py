"""Regions with another history than the rest, by a network (`forensics.audit.local_edits`).

Every region of several sizes is described by how its traces differ from those of the rest (noise, compression, resampling,
mosaic: what the other tests look for one by one), and a small network that was shown photographs edited here says how
likely such a difference is without an edit. So supervised localisation works (Guillaro et al., CVPR 2023), on measured traces
instead of pixels. Its log-odds are no probability of anything in the world: the largest of them is ranked among authentic
photographs, none of which it has learnt from.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float32, Int

from ..borders import without_borders
from ..exhibit import Exhibit
from ..measurement import Answer, Measurement, Question
from ..windows import boxes, enlarged

SMALLEST = 128  # pixels: a region needs a rest to differ from
PLACE = 8  # pixels
LIMITS = (
    "It knows edits like those that it was shown. Pictures within a picture, reflections, lettering and what is out of "
    "focus differ from the rest without any manipulation; regions smaller than 64 pixels are not looked at."
)


class LocalEdits:
    """The test for a region whose traces are those of another history."""

    name = "local-edits"
    title = "Network for local edits"
    kind = "calibrated"
    questions = (Question("local-edits", scope="tiles"),)
    purpose = "Whether a region was pasted, blended, filled in or filtered: whether its traces are of another history."
    reference = "trained with OddPixel (docs/audit.md); after Guillaro et al., CVPR 2023"
    needs = f"{SMALLEST} x {SMALLEST} pixels"
    cannot = LIMITS

    @property
    def learnt_from(self) -> tuple[str, ...]:
        """The corpora that the network has learnt from."""
        from ..local_edits.store import trained_on

        return trained_on()

    def applies(self, exhibit: Exhibit) -> str | None:
        """Why the image cannot be tested: within its plain borders it is too small to have a region and a rest."""
        top, left, bottom, right = without_borders(exhibit.pixels)
        is_small = min(bottom - top, right - left) < SMALLEST
        return f"smaller than {SMALLEST} x {SMALLEST} pixels, plain borders left out" if is_small else None

    def measure(self, exhibit: Exhibit) -> Iterator[Answer]:
        """The largest log-odds of a region, with a map of the places that the likeliest regions agree on."""
        odds, regions = log_odds(exhibit)
        places = agreement(odds, regions, (exhibit.size[0] // PLACE, exhibit.size[1] // PLACE))
        picture = enlarged(places, PLACE, exhibit.size)
        found = boxes(picture > 0.5, most=3)
        because = f"one region is least like the rest in its traces (log-odds {odds.max():.1f} of another history)"
        yield Measurement(self.name, float(odds.max()), because, map=picture, limits=LIMITS, details={"regions": found})


CHECK = LocalEdits()


def log_odds(exhibit: Exhibit) -> tuple[Float32[np.ndarray, "n"], Int[np.ndarray, "n 4"]]:
    """The log-odds of all regions within plain borders, and their boxes in places of 8 pixels."""
    import torch

    from ..local_edits.regions import regions_in
    from ..local_edits.store import bundled_network

    colours = exhibit.pixels[..., :3] if exhibit.pixels.shape[2] >= 3 else exhibit.pixels[..., :1].repeat(3, 2)
    top, left, bottom, right = without_borders(exhibit.pixels)
    with torch.inference_mode():
        descriptions, regions = regions_in(colours[top:bottom, left:right])
        odds: Float32[np.ndarray, "n"] = bundled_network()(descriptions).numpy()
    return odds, regions + np.array([top, left, top, left]) // PLACE


def agreement(
    odds: Float32[np.ndarray, "n"], regions: Int[np.ndarray, "n 4"], size: tuple[int, int]
) -> Float32[np.ndarray, "p q"]:
    """The share of the regions that covers a place, each weighing by its odds; the place that most cover is 1."""
    weights = np.exp(odds - odds.max())
    covered = np.zeros(size, np.float64)
    for number in np.argsort(-odds)[:200]:
        top, left, bottom, right = regions[number]
        down, across = (
            (np.arange(stop - start) - (stop - start - 1) / 2) / ((stop - start) / 2)
            for start, stop in ((top, bottom), (left, right))
        )
        covered[top:bottom, left:right] += weights[number] * (down[:, None] ** 2 + across[None] ** 2 <= 1)
    places: Float32[np.ndarray, "p q"] = (covered / max(covered.max(), 1e-9)).astype(np.float32)
    return places
