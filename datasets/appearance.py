"""Stored samples -> the picture they stand for: transparency, colour profile, orientation. One path for every container.

    frame = appearance(Samples(values=values, bits=16, alpha="straight", profile=icc, orientation=6))

The order matters: colours are brought to sRGB first (with premultiplied alpha divided out), then laid on sRGB white, then turned
upright. Each step is noted in `meta`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from jaxtyping import Shaped

from .colour import to_srgb
from .formats import Frame

Alpha = Literal["none", "straight", "premultiplied"]
CONTAINER_BITS = 16
MOST_USED_BITS = 13  # with more in use, a picture is dark at worst; with fewer it is black


@dataclass(frozen=True, kw_only=True, eq=False)
class Samples:
    """What a file stores, before anything is done to it for looking at it.

    Arguments:
        values: unsigned, grey `[h, w]`, or `[h, w, c]` with c colours (1, 3, or 4 inks) and the alpha last, where there is one.
        bits: stored depth.
        top: the value of white; 2^bits - 1 where not given.
        alpha: whether the last channel is transparency, and whether colours are already multiplied by it.
        profile: an embedded ICC profile.
        orientation: 1..8, as EXIF and TIFF number them.
        masked: where the file holds no value.
        meta: facts of this frame.
    """

    values: Shaped[np.ndarray, "h w *c"]
    bits: int
    top: int | None = None
    alpha: Alpha = "none"
    profile: bytes | None = None
    orientation: int = 1
    masked: np.ndarray | None = None
    meta: dict[str, Any] | None = None

    @property
    def white(self) -> int:
        """The sample value that stands for white."""
        return 2**self.bits - 1 if self.top is None else self.top


def appearance(samples: Samples) -> Frame:
    """Convert stored samples to the picture they stand for: grey or sRGB, upright and opaque."""
    meta = dict(samples.meta or {})
    colours, alpha = _without_alpha(samples)
    is_premultiplied = samples.alpha == "premultiplied"
    if alpha is not None and is_premultiplied and samples.profile is not None:
        colours, is_premultiplied = _divided(colours, alpha, samples.white), False
    if samples.profile is not None:
        colours, facts = to_srgb(colours, samples.white, samples.profile)
        notes = [*meta.get("notes", []), *facts.get("notes", [])]
        meta |= facts | ({"notes": notes} if notes else {})
    if alpha is not None:
        is_opaque = bool((alpha == samples.white).all())
        meta["alpha"] = "opaque" if is_opaque else "laid on white"
        if not is_opaque:
            colours = _over_white(colours, alpha, samples.white, is_premultiplied)
    masked = samples.masked
    if samples.orientation != 1:
        colours = upright(colours, samples.orientation)
        masked = None if masked is None else upright(masked, samples.orientation)
        meta["orientation_applied"] = samples.orientation
    if samples.white != 2**samples.bits - 1:
        meta["slope"] = 1 / samples.white
    if (used := _used_bits(samples, colours)) is not None:
        meta["display"] = {"value": [0.0, (2**used - 1) / samples.white], "grey": [0.0, 1.0]}
        meta["used_bits"] = used
    return Frame(stored=colours, scale=1 / samples.white, bits=samples.bits, unit="display", masked=masked, meta=meta)


def as_stored(samples: Samples) -> Frame:
    """The samples as a frame, neither converted to sRGB nor turned: both disturb the traces that forensic checks look for."""
    return appearance(replace(samples, profile=None, orientation=1))


def upright(values: np.ndarray, orientation: int) -> np.ndarray:
    """Undo an orientation of 1..8 (TIFF 6.0, p. 36; Exif 2.32, 4.6.4 A); any other number leaves the values as they are."""
    if orientation in (5, 6, 7, 8):
        values = np.swapaxes(values, 0, 1)
    flips_rows = orientation in (3, 4, 7, 8)
    flips_columns = orientation in (2, 3, 6, 7)
    return values[:: -1 if flips_rows else 1, :: -1 if flips_columns else 1]


def _used_bits(samples: Samples, colours: np.ndarray) -> int | None:
    """How many bits the samples use, where a container of 16 does not say and most of it is empty. For the eye alone."""
    if samples.bits != CONTAINER_BITS or samples.top is not None or samples.alpha != "none":
        return None
    used = int(colours.max()).bit_length()
    return used if 0 < used <= MOST_USED_BITS else None


def _without_alpha(samples: Samples) -> tuple[np.ndarray, np.ndarray | None]:
    """Colours `[h, w]` or `[h, w, c]`, and alpha `[h, w, 1]` or None."""
    values, alpha = samples.values, None
    if samples.alpha != "none":
        values, alpha = values[..., :-1], values[..., -1:]
    return (values[..., 0] if values.ndim == 3 and values.shape[2] == 1 else values), alpha


def _divided(colours: np.ndarray, alpha: np.ndarray, white: int) -> np.ndarray:
    """Straight colours from premultiplied ones."""
    alpha = alpha[..., 0] if colours.ndim == 2 else alpha
    straight = colours.astype(np.float32) * white / np.maximum(alpha, 1)
    result: np.ndarray = np.minimum(np.rint(straight), white).astype(colours.dtype)
    return result


def _over_white(colours: np.ndarray, alpha: np.ndarray, white: int, is_premultiplied: bool) -> np.ndarray:
    """Colours composited on white, as a page would show them."""
    alpha = (alpha[..., 0] if colours.ndim == 2 else alpha).astype(np.float64 if white > 2**12 else np.float32)
    own = colours.astype(alpha.dtype) if is_premultiplied else colours * alpha / white
    result: np.ndarray = np.minimum(np.rint(own + white - alpha), white).astype(colours.dtype)
    return result
