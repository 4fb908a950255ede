"""Colours of TIFF: which are read, and which are refused by name (TIFF 6.0, sections 16, 20, 22 and 23).

Grey, RGB and palettes are samples of the display; inks, Lab and YCbCr are converted by Pillow, YCbCr in JPEG by its codec. All
else that a page declares would be taken for grey or RGB by the number of its bands.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from oddpixel.errors import UnsupportedEncoding

DIRECT = ("MINISWHITE", "MINISBLACK", "RGB", "PALETTE")
THROUGH_PILLOW = ("YCBCR", "SEPARATED", "CIELAB", "ICCLAB")
NUM_COLOURS = {
    "MINISWHITE": (1,),
    "MINISBLACK": (1,),
    "PALETTE": (1,),
    "RGB": (3,),
    "YCBCR": (3,),
    "CIELAB": (1, 3),
    "ICCLAB": (1, 3),
}
JPEGS = ("JPEG", "OJPEG")
PHOTOMETRIC, INK_SET, DOT_RANGE, REFERENCE_BLACK_WHITE = 262, 332, 336, 532
CMYK = 1  # of the ink set
CURVES = {291: "GrayResponseCurve", 301: "TransferFunction"}


def check_colours(page: Any) -> None:
    """Refuse colours that would come out wrong, by name. Raises: UnsupportedEncoding."""
    photometric = name_of(page.photometric)
    if np.ndim(page.bitspersample):
        raise UnsupportedEncoding(
            f"bands of different depths, {page.bitspersample} bits, are not supported; save it with one depth for all of them"
        )
    if PHOTOMETRIC in page.tags and photometric not in (*DIRECT, *THROUGH_PILLOW):
        raise _not_converted(f"photometric interpretation {photometric}")
    _check_num_colours(page, photometric)
    if is_jpeg(page) and photometric in THROUGH_PILLOW and photometric != "YCBCR":
        raise _not_converted(f"{photometric} in JPEG compression")
    if photometric == "SEPARATED":
        _check_inks(page)
    _check_reference_black_white(page, photometric)


def is_jpeg(page: Any) -> bool:
    """Whether the page is compressed as JPEG, old-style included."""
    return name_of(page.compression) in JPEGS


def colour_notes(page: Any) -> list[str]:
    """Notes on colours that are not declared, and on tone curves that the page asks for."""
    curves = [f"its {name} is not applied: values are as stored" for tag, name in CURVES.items() if tag in page.tags]
    if PHOTOMETRIC in page.tags:
        return curves
    return ["its photometric interpretation is not declared: the lowest value is read as black", *curves]


def name_of(code: Any) -> str:
    """The name of a tifffile enum member; unknown codes are plain numbers."""
    return str(getattr(code, "name", code))


def _check_num_colours(page: Any, photometric: str) -> None:
    """Compare the number of samples with that of the colours.

    Raises: UnsupportedEncoding, where the page has fewer or more samples than such colours have, extra ones left aside.
    """
    samples, extra = int(page.samplesperpixel), len(page.extrasamples or ())
    allowed = NUM_COLOURS.get(photometric) if PHOTOMETRIC in page.tags else None
    if allowed is not None and samples - extra not in allowed:
        raise UnsupportedEncoding(
            f"the TIFF has {samples} sample(s) per pixel, {extra} of them extra, but photometric interpretation {photometric} "
            f"has {' or '.join(map(str, allowed))}; save it as grey or RGB"
        )


def _check_inks(page: Any) -> None:
    ink_set = int(page.tags.valueof(INK_SET, CMYK))
    if ink_set != CMYK:
        raise _not_converted(f"inks that are not cyan, magenta, yellow and black (InkSet {ink_set})")
    top = 2 ** int(page.bitspersample) - 1
    no_ink, full, *_ = (int(value) for value in page.tags.valueof(DOT_RANGE, (0, top)))
    if (no_ink, full) != (0, top):
        raise _not_converted(f"inks from {no_ink} to {full} (DotRange) instead of 0 to {top}")


def _check_reference_black_white(page: Any, photometric: str) -> None:
    """Codes with head- and footroom (TIFF 6.0, p. 86) would be read with too little contrast. Raises: UnsupportedEncoding."""
    ratios = np.ravel(page.tags.valueof(REFERENCE_BLACK_WHITE, ())).astype(float)
    bits = int(page.bitspersample)
    if photometric not in ("YCBCR", "RGB") or ratios.size != 12:
        return
    top, middle = 2**bits - 1, 2 ** (bits - 1)
    codes = ratios[::2] / np.maximum(ratios[1::2], 1)
    whole = [0, top, middle, top, middle, top] if photometric == "YCBCR" else [0, top] * 3
    if not np.array_equal(codes, whole):
        raise UnsupportedEncoding(
            f"ReferenceBlackWhite of the {photometric} TIFF is {codes.tolist()}, not the full range; save it as full-range RGB"
        )


def _not_converted(kind: str) -> UnsupportedEncoding:
    return UnsupportedEncoding(f"the TIFF has {kind}: its colours cannot be converted; save it as RGB")
