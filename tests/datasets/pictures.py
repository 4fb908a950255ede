"""Pictures with known values, and what must be read of them: an oracle that shares no code with the readers.

    values = draw(case)                          # what is stored, with alpha and masked places as the case has them
    pixels, valid = expected(case, values)       # [c, h, w], in the unit of the case; valid is None where everything is

Colours are transformed by their formulas (primaries, white point, exponent), orientations by rotation and reflection.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Literal

import imagecodecs
import numpy as np

HEIGHT, WIDTH = 18, 26
WIDE = ((0.735, 0.265, 0.115, 0.826, 0.157, 0.018), 1.8)  # x and y of red, green, blue; exponent
SRGB = (0.640, 0.330, 0.300, 0.600, 0.150, 0.060)
D65 = (0.3127, 0.3290)
GREY_GAMMA = 1.8

# What a viewer does with stored pixels (Exif 2.32, 4.6.4 A).
UPRIGHT: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    1: lambda a: a,
    2: np.fliplr,
    3: lambda a: np.rot90(a, 2),
    4: np.flipud,
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: np.rot90(a, 2).swapaxes(0, 1),
    8: np.rot90,
}


@dataclass(frozen=True)
class Depth:
    """A depth of samples, and the range of values that it stores.

    Arguments:
        name: as the table of formats has it.
        bits: of the values; what is read must say so.
        dtype: that they are stored in.
        lowest, highest: of the stored values.
        unit: `display` where highest is white, `modality` where values stay as they are.
    """

    name: str
    bits: int
    dtype: str
    lowest: float
    highest: float
    unit: Literal["display", "modality"] = "display"


def display(bits: int, name: str | None = None) -> Depth:
    return Depth(name or str(bits), bits, "uint8" if bits <= 8 else "uint16", 0, 2**bits - 1)


INT16 = Depth("signed 16", 16, "int16", -1000, 3000, "modality")
UINT16 = Depth("16 of a scanner", 16, "uint16", 0, 4000, "modality")
UINT32 = Depth("32", 32, "uint32", 0, 1_000_000, "modality")
FLOAT32 = Depth("float 32", 32, "float32", -2.5, 7.25, "modality")


@dataclass(frozen=True)
class Case:
    """One picture in one container.

    Arguments:
        profile: `icc`, `linear` (declared by code points), or none.
        alpha: how it is stored.
        nothing: what stands where no value was recorded: `nan`, `infinite`, `nodata`, `padding`, or none.
    """

    depth: Depth
    colour: Literal["grey", "rgb"] = "grey"
    profile: str = "none"
    orientation: int = 1
    alpha: str = "none"
    nothing: str = "none"

    def __str__(self) -> str:
        parts = (
            self.depth.name,
            self.colour,
            self.profile,
            f"orientation {self.orientation}",
            self.alpha,
            self.nothing,
        )
        return ", ".join(parts)


NOTHING = -1900  # an integer that stands for padding and nodata; none of the values below
HOLE = (slice(3, 6), slice(4, 9))


def draw(case: Case) -> np.ndarray:
    """`[h, w]` or `[h, w, c]`, smooth but with no symmetry; alpha last; holes where nothing was recorded."""
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH] / [[[HEIGHT]], [[WIDTH]]]
    planes = [rows**2 * 0.6 + columns * 0.4, 0.9 - 0.7 * rows * columns, 0.15 + 0.6 * columns**2]
    grey = np.stack(planes[: 3 if case.colour == "rgb" else 1], 2)
    span = case.depth.highest - case.depth.lowest
    values = case.depth.lowest + grey * span
    if case.alpha != "none":
        alpha = 0.25 + 0.75 * columns[..., None]
        if case.alpha == "premultiplied":
            values = values * alpha
        values = np.concatenate([values, alpha * span], 2)
    values = values.astype(np.float32) if case.depth.dtype == "float32" else np.rint(values).astype(case.depth.dtype)
    if case.nothing != "none":
        values[HOLE] = {"nan": np.nan, "infinite": np.inf}.get(case.nothing, NOTHING)
    return values[..., 0] if values.shape[2] == 1 else values


def expected(case: Case, values: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """What a reader must give: pixels `[c, h, w]`, and where they are values."""
    picture = np.atleast_3d(values).astype(np.float64)
    valid = None
    if case.nothing != "none":
        valid = np.ones(picture.shape[:2], bool)
        valid[HOLE] = False
    if case.depth.unit == "display":
        picture = _shown(case, picture / case.depth.highest)
    turn = UPRIGHT[case.orientation]
    return turn(picture).transpose(2, 0, 1), None if valid is None else turn(valid)


def _shown(case: Case, picture: np.ndarray) -> np.ndarray:
    if case.alpha == "none":
        return _to_srgb(case, picture)
    colours, alpha = picture[..., :-1], picture[..., -1:]
    if case.alpha == "premultiplied":
        colours = np.clip(colours / alpha, 0, 1)
    return _to_srgb(case, colours) * alpha + 1 - alpha


def _to_srgb(case: Case, colours: np.ndarray) -> np.ndarray:
    if case.profile == "none":
        return colours
    if case.profile == "linear":
        return _encoded(colours)
    if case.colour == "grey":
        return _encoded(colours**GREY_GAMMA)
    primaries, exponent = WIDE
    to_srgb = np.linalg.inv(_to_xyz(SRGB)) @ _to_xyz(primaries)
    return _encoded(np.clip(colours**exponent @ to_srgb.T, 0, 1))


def _encoded(light: np.ndarray) -> np.ndarray:
    """IEC 61966-2-1."""
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * np.maximum(light, 0) ** (1 / 2.4) - 0.055)


def _to_xyz(primaries: tuple[float, ...]) -> np.ndarray:
    """Columns of red, green, blue, scaled so that their sum is the white point."""
    columns = np.array([[x / y, 1, (1 - x - y) / y] for x, y in zip(primaries[::2], primaries[1::2], strict=True)]).T
    x, y = D65
    return columns * np.linalg.solve(columns, [x / y, 1, (1 - x - y) / y])


@cache
def profile(colour: str) -> bytes:
    """The ICC profile that the formulas above are for."""
    if colour == "grey":
        return bytes(imagecodecs.cms_profile("gray", gamma=GREY_GAMMA))
    primaries, exponent = WIDE
    points = tuple(v for k in range(0, 6, 2) for v in (primaries[k], primaries[k + 1], 1.0))
    return bytes(imagecodecs.cms_profile("rgb", whitepoint=(*D65, 1.0), primaries=points, gamma=exponent))
