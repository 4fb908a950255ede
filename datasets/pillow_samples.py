"""The stored samples of a Pillow image in any mode, with its transparency, profile and orientation.

Pillow's own modes say less than files do: `P` holds indices, `I;16` grey of 16 bits, `I` whole numbers, `F` real ones.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from oddpixel.errors import UnsupportedEncoding

from .appearance import Samples, appearance, as_stored, upright
from .formats import Frame

ORIENTATION = 0x0112
DEEP_GREY = ("I;16", "I;16B", "I;16L", "I;16N")
DIRECT = ("L", "LA", "RGB", "RGBA", "CMYK")


def frame_from_pillow(picture: Any, *, stored: bool = False, bits: int = 8) -> Frame:
    """The current frame of a Pillow image, in grey or sRGB and upright; with `stored`, as the file has it.

    Arguments:
        bits: of grey samples that Pillow stretched over 8.

    Raises: UnsupportedEncoding.
    """
    picture.load()  # a TIFF turns upright as it loads, and then says so
    if picture.mode in ("F", "I"):
        return _numbers(picture, stored=stored)
    return (as_stored if stored else appearance)(samples_from_pillow(picture, bits))


def samples_from_pillow(picture: Any, bits: int = 8) -> Samples:
    """The samples of a Pillow image in any display mode. Raises: UnsupportedEncoding."""
    profile = picture.info.get("icc_profile") if picture.mode != "LAB" else None  # Lab is converted without one
    attributes: dict[str, Any] = {"profile": profile, "orientation": orientation_of(picture)}
    picture = _with_spread_key(picture, bits)
    if picture.mode == "1" and "transparency" not in picture.info:
        return Samples(values=np.asarray(picture).astype(np.uint8), bits=1, **attributes)
    if picture.mode in DEEP_GREY:
        values, alpha = _with_key(np.asarray(picture).astype(np.uint16), picture.info.get("transparency"))
        return Samples(values=values, bits=16, alpha=alpha, **attributes)
    picture, converted = _direct(picture)
    if picture.mode != "CMYK" or attributes["profile"] is None:
        picture, converted = _without_inks(picture, converted)
    alpha = "straight" if picture.mode in ("LA", "RGBA") else "none"
    meta = {} if converted is None else {"converted_from": converted}
    values, depth = np.asarray(picture), 8
    if picture.mode == "L" and bits < 8:  # Pillow spreads them over 0..255
        values, depth = values // (255 // (2**bits - 1)), bits
    return Samples(values=values, bits=depth, alpha=alpha, meta=meta, **attributes)  # type: ignore[arg-type]


def orientation_of(picture: Any) -> int:
    """The EXIF orientation, 1..8; 1 where the file has none or an invalid one."""
    try:
        value = int(picture.getexif().get(ORIENTATION, 1))
    except Exception:  # a broken EXIF block does not make the pixels unreadable
        return 1
    return value if 1 <= value <= 8 else 1


def _with_spread_key(picture: Any, bits: int) -> Any:
    """Pillow spreads grey samples of fewer bits over 0..255, but not the one that stands for transparency (PNG 3, 11.3.1.1)."""
    key = picture.info.get("transparency")
    if bits >= 8 or picture.mode not in ("1", "L") or not isinstance(key, int):
        return picture
    spread = picture.copy()
    spread.info["transparency"] = key * 255 // (2**bits - 1)
    return spread


def _direct(picture: Any) -> tuple[Any, str | None]:
    """The picture in a mode that holds colours directly, palettes looked up, and the mode it was converted from."""
    has_key = "transparency" in picture.info
    if picture.mode in ("P", "PA"):
        return picture.convert("RGBA" if has_key or picture.mode == "PA" else "RGB"), None
    if has_key and picture.mode in ("1", "L", "RGB"):
        return picture.convert("RGBA" if picture.mode == "RGB" else "LA"), None
    if picture.mode[-1] == "a":  # premultiplied
        return picture.convert(picture.mode[:-1] + "A"), None
    if picture.mode in DIRECT:
        return picture, None
    try:
        return picture.convert("RGB"), picture.mode
    except (ValueError, OSError) as error:
        raise UnsupportedEncoding(f"pixels of mode {picture.mode} cannot be converted to RGB: {error}") from error


def _without_inks(picture: Any, converted: str | None) -> tuple[Any, str | None]:
    return (picture.convert("RGB"), "CMYK") if picture.mode == "CMYK" else (picture, converted)


def _with_key(values: np.ndarray, key: Any) -> tuple[np.ndarray, Any]:
    """Grey with alpha, where one grey value stands for full transparency (PNG 1.2, 4.2.1.1)."""
    if not isinstance(key, int):
        return values, "none"
    return np.stack([values, np.where(values == key, 0, 65535).astype(values.dtype)], 2), "straight"


def _numbers(picture: Any, *, stored: bool) -> Frame:
    """Whole or real numbers of no given range: left as they are."""
    orientation = 1 if stored else orientation_of(picture)
    meta: dict[str, Any] = {} if orientation == 1 else {"orientation_applied": orientation}
    values = upright(np.asarray(picture), orientation)
    return Frame(stored=values, scale=1.0, bits=32, unit="modality", meta=meta)
