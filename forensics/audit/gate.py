"""The gate: what kind of file this is, before any test. It decides which checks apply and with which authentic images a
statistic is compared (its stratum); of an image that is too small or too degraded it says so, instead of letting tests
guess.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from jaxtyping import Float32

from oddpixel.counting import counted
from oddpixel.datasets.containers import CONTAINERS

from .borders import EVEN, Box, without_borders
from .facts.jpeg import nearest_quality
from .grid_votes import votes_of

if TYPE_CHECKING:
    from .exhibit import Exhibit

Stratum = Literal["lossless", "once-jpeg", "jpeg-high", "jpeg-middle", "jpeg-low", "lossy-other"]
SMALLEST = 64  # pixels of the shorter side under which nothing is tested
LARGEST_TILE = 512  # pixels of the longer side up to which an image is compared with tiles, not with whole photographs
FULL_SIZE = ", full size"  # as a stratum's name goes on where whole photographs are meant
HIGH, MIDDLE = 90, 70  # JPEG qualities where strata begin
# Both from a public detector's own measurements of when its answers stop meaning anything (degraded-input gate).
BLOCKY, SMOOTH = 1.8, 0.528
FEW_COLOURS, FEW_GREYS = 256, 32
PIXELS_A_COLOUR = 64  # a small photograph has few colours, too
STRONG = 96  # grey levels: the range of a block with a stroke or a strong edge
# Of blocks even; of strong ones those beside an even one; of blocks both. None of 216 photographs reaches all three, of 30 things
# cut out on white two do, of 35 screens and plots 31, printed text does.
MUCH_EVEN, ON_EVEN, STROKES = 0.25, 0.3, 0.025


@dataclass(frozen=True)
class Gate:
    """What was measured of a file before any test.

    Arguments:
        width, height, container: of the file.
        quality: libjpeg's nearest to the luminance table, of a JPEG.
        grid: rows and columns by which a JPEG grid is shifted, where one is found in the pixels.
        compressions: how many JPEG compressions are seen at least.
        blockiness: mean step across the borders of 8 x 8 blocks over the mean step elsewhere; 1 without blocks.
        step_ratio: mean step over one pixel over that over two; about 0.5 where an image was enlarged or is smooth,
            towards 1 for noise.
        palette: how many colours it has, where these are so few that it was drawn or reduced to a palette.
        strokes: the share of blocks with a stroke on an even ground, where these are so many that it is a page or a screen.
        num_pictures: in the file; only the first is examined.
        inner: top, left, bottom and right of what plain borders leave, where it has such.
    """

    width: int
    height: int
    container: str | None
    quality: int | None
    grid: tuple[int, int] | None
    compressions: int
    blockiness: float
    step_ratio: float
    palette: int | None = None
    strokes: float | None = None
    num_pictures: int = 1
    inner: Box | None = None

    @classmethod
    def of(cls, exhibit: Exhibit) -> Gate:
        """Measure an exhibit: size, format, JPEG quality and grid, signs of enlarging and of drawing."""
        height, width = exhibit.size
        coefficients = exhibit.coefficients
        quality = None if coefficients is None else nearest_quality(coefficients.table.ravel())[0]
        grid = votes_of(exhibit).grid if min(height, width) >= SMALLEST else None
        moved = grid not in (None, (0, 0))
        compressions = (0 if quality is None else 1) + (grid is not None and (quality is None or moved))
        luma = exhibit.luma
        inner = top, left, bottom, right = without_borders(exhibit.pixels)
        return cls(
            width, height, exhibit.container, quality, grid, compressions, blockiness(luma), step_ratio(luma),
            few_colours(exhibit.pixels), strokes(luma[top:bottom, left:right]), exhibit.num_pictures,
            None if inner == (0, 0, height, width) else inner,
        )  # fmt: skip

    @property
    def stratum(self) -> Stratum:
        """The stratum: the kind of authentic images that this one is compared with."""
        if self.quality is not None:
            return stratum_of(self.quality)
        if self.container is not None and CONTAINERS[self.container].has_own_blocks:
            return "lossy-other"
        return "lossless" if self.grid is None else "once-jpeg"

    @property
    def is_full_size(self) -> bool:
        """Whether the image is larger than one tile, and so compared with whole photographs."""
        return max(self.width, self.height) > LARGEST_TILE

    @property
    def reference(self) -> str:
        """The authentic images that statistics are compared with: those of the stratum, as tiles or at full size."""
        return f"{self.stratum}{FULL_SIZE}" if self.is_full_size else self.stratum

    @property
    def too_small(self) -> str | None:
        """Why no test can run on so small an image, or None."""
        if min(self.width, self.height) >= SMALLEST:
            return None
        return f"{self.width} x {self.height} pixels; tests need at least {SMALLEST} on each side"

    @property
    def foreign(self) -> str | None:
        """Why what was measured on photographs says nothing of this image, or None."""
        if self.palette is not None:
            few = counted(self.palette, "colour")
            return f"only {few}: drawn, or reduced to a palette, which removes the traces that tests look for"
        if self.strokes is not None:
            return (
                f"a page or a screen: {self.strokes:.0%} of its blocks have strokes on an even ground, where letters repeat and "
                "parts of different histories are nothing odd; cut the photograph out and audit that"
            )
        return None

    @property
    def degraded(self) -> str | None:
        """Why a negative result would mean nothing for this image, or None."""
        if self.too_small or self.foreign:
            return self.too_small or self.foreign
        if self.blockiness >= BLOCKY:
            return f"strongly compressed: steps at block borders are {self.blockiness:.1f} times those elsewhere"
        if self.step_ratio < SMOOTH:
            return f"enlarged or very smooth: neighbouring pixels carry no detail (step ratio {self.step_ratio:.2f})"
        return None

    @property
    def not_examined(self) -> str | None:
        """The part of the file that no test examined, or None."""
        if self.num_pictures == 1:
            return None
        return f"only the first of the {self.num_pictures} pictures in the file was examined"

    def as_json(self) -> dict[str, Any]:
        """The measurements as they stand in a report, with the stratum and the reason for degradation."""
        record = asdict(self) | {
            name: value and list(value) for name, value in (("grid", self.grid), ("inner", self.inner))
        }
        record |= {name: round(record[name], 4) for name in ("blockiness", "step_ratio")}
        return record | {"stratum": self.stratum, "reference": self.reference, "degraded": self.degraded}


def stratum_of(quality: int) -> Stratum:
    """The stratum of a JPEG of this quality."""
    return "jpeg-high" if quality >= HIGH else "jpeg-middle" if quality >= MIDDLE else "jpeg-low"


def few_colours(pixels: Float32[np.ndarray, "h w c"]) -> int | None:
    """The number of colours, where no photograph of this size has so few; else None. Grey is grey in three channels, too."""
    channels = pixels.shape[2]
    is_grey = channels < 3 or bool(
        (pixels[..., 0] == pixels[..., 1]).all() and (pixels[..., 1] == pixels[..., 2]).all()
    )
    most = min(FEW_GREYS if is_grey else FEW_COLOURS, max(pixels.shape[0] * pixels.shape[1] // PIXELS_A_COLOUR, 2))
    packed = np.rint(pixels).astype(np.int64) @ (256 ** np.arange(channels))
    sample = len(np.unique(packed[:: max(1, packed.shape[0] // 256)]))
    return len(np.unique(packed)) if sample <= most and len(np.unique(packed)) <= most else None


def strokes(luma: Float32[np.ndarray, "h w"]) -> float | None:
    """The share of 8 x 8 blocks with a strong edge that are beside an even block, where these are so many that the image is a
    page, a screen, or a montage with much of one; else None.
    """
    if min(luma.shape) < SMALLEST:
        return None
    rows, columns = (length // 8 for length in luma.shape)
    blocks = luma[: rows * 8, : columns * 8].reshape(rows, 8, columns, 8)
    ranges = blocks.max((1, 3)) - blocks.min((1, 3))
    even, strong = ranges <= EVEN, ranges >= STRONG
    beside = np.zeros_like(even)
    beside[1:] |= even[:-1]
    beside[:-1] |= even[1:]
    beside[:, 1:] |= even[:, :-1]
    beside[:, :-1] |= even[:, 1:]
    both = float((strong & beside).mean())
    is_page = both >= STROKES and both >= ON_EVEN * strong.mean() and even.mean() >= MUCH_EVEN
    return round(both, 4) if is_page else None


def blockiness(luma: Float32[np.ndarray, "h w"]) -> float:
    """The mean step across block borders over the mean step elsewhere.

    Over both directions, on the grid that begins in the first corner.
    """
    if min(luma.shape) < 17:
        return 1.0
    ratios = []
    for picture in (luma, luma.T):
        steps = np.abs(np.diff(picture, axis=1)).mean(0)
        border = steps[7::8].mean()
        elsewhere = np.delete(steps, np.s_[7::8]).mean()
        ratios.append((border + 0.05) / (elsewhere + 0.05))  # a twentieth of a grey level: flat images have no blocks
    return float(np.mean(ratios))


def step_ratio(luma: Float32[np.ndarray, "h w"]) -> float:
    """The mean step over one pixel over that over two; 1 for a flat image, and for one without pixels two apart."""
    if min(luma.shape) < 3:
        return 1.0
    one = np.abs(np.diff(luma, axis=1)).mean() + np.abs(np.diff(luma, axis=0)).mean()
    two = np.abs(luma[:, 2:] - luma[:, :-2]).mean() + np.abs(luma[2:] - luma[:-2]).mean()
    return float(one / two) if two > 0 else 1.0
