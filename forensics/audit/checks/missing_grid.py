"""A part without the JPEG grid that the rest has: something that never was that JPEG, put into one and saved without loss.

The votes of the grid test (`jpeg_grid`), in windows: how many of those that are cast go to another grid than the image's
own, against the share of the whole image. Detail makes more votes go astray than smooth parts do, so no bound is claimed:
the statistic, -log10 of the binomial tail of the most deserted window, is compared with authentic images (Nikoukhah et
al., IPOL 11, 2021, look for missing grids by saving again).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..exhibit import Exhibit
from ..grid_votes import BLOCK, VOTES, votes_of
from ..measurement import Answer, Measurement, Question
from ..nfa import log10_binomial_tail
from ..windows import boxes, enlarged, window_sums

SIDES = (8, 12)  # of the windows, in cells of 8 pixels
FEWEST = 0.3  # of the votes that could be cast in a window, for it to say something
LIMITS = (
    "Parts with much fine detail keep little of a weak compression's grid, and look deserted. Smooth and clipped "
    "parts say nothing. "
    "One more saving as JPEG gives every part a grid."
)


class MissingGrid:
    """The test for a part without the JPEG grid of the rest."""

    name = "missing-grid"
    title = "Missing JPEG grid"
    kind = "calibrated"
    questions = (Question("missing-grid", scope="tiles"),)
    purpose = "Whether a part lacks the JPEG grid that the rest of the pixels shows."
    reference = "after Nikoukhah et al., CVPRW 2019; IPOL 11 (2021) 390"
    needs = "pixels that were a JPEG and are saved without loss, 192 x 192 of them"
    cannot = LIMITS

    def applies(self, exhibit: Exhibit) -> str | None:
        """Why the image cannot be tested: no grid in its pixels, or a last compression that covers every part."""
        if exhibit.gate.stratum == "once-jpeg" and exhibit.gate.grid is not None and min(exhibit.size) >= 192:
            return None
        if exhibit.coefficients is not None:
            return "the last saving as JPEG gives every part a grid"
        return "it shows no grid that a part could lack"

    def measure(self, exhibit: Exhibit) -> Iterator[Answer]:
        """The window with most votes astray, as -log10 of a binomial tail, with a map."""
        grid = exhibit.gate.grid
        assert grid is not None
        votes = votes_of(exhibit)
        own, cast = votes.cells[grid[0] * BLOCK + grid[1]].astype(float), votes.cells.sum(0).astype(float)
        astray = float(max(1 - own.sum() / max(cast.sum(), 1), 1e-3))
        best, picture = 0.0, np.zeros(exhibit.size, np.float32)
        for side in SIDES:
            trials, kept = window_sums(cast, side) / VOTES, window_sums(own, side) / VOTES
            has_votes = trials >= FEWEST * side * side
            deserted = np.where(has_votes, -log10_binomial_tail(trials, trials - kept, astray), 0.0)
            if deserted.size and deserted.max() > best:
                best, shown = float(deserted.max()), deserted / deserted.max()
                step = side // 2 * BLOCK
                picture = enlarged(shown, step, exhibit.size)
                # A window's value stands in its upper left quarter; move it to the middle.
                picture = np.roll(picture, (step // 2, step // 2), (0, 1))
        because = (
            f"{astray:.0%} of all votes go to other grids; in the window where they are most, far more (by chance once in "
            f"10^{best:.1f} such windows)"
        )
        yield Measurement(
            self.name, statistic=best, map=picture, because=because, limits=LIMITS,
            details={"regions": boxes(picture > 0.5, most=5)},
        )  # fmt: skip


CHECK = MissingGrid()
