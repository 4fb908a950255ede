"""What the chunks before the picture data of a PNG declare about its samples (PNG 3, 5.4, 11.2 and 11.3).

    header = read_header(file)
    header.depth, header.significant, header.num_colours

A chunk that a decoder does not know and that is critical changes what the samples mean: such a file is refused.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from oddpixel.errors import CorruptFile, UnsupportedEncoding

HEADER_BYTES = 13  # PNG 3, 11.2.1
KNOWN_CRITICAL = (b"IHDR", b"PLTE", b"IDAT", b"IEND")
LONGEST = 768  # bytes of a chunk that is read: a whole palette
PALETTE, COLOURS = 3, {0: 1, 2: 3, 3: 3, 4: 1, 6: 3}  # by colour type; the alpha's significant bits stand last
IDENTITY, FULL_RANGE = 0, 1  # of code points: matrix coefficients, range
SRGB_PRIMARIES = (0.3127, 0.3290, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)  # white, red, green, blue
SAME_PRIMARY = 0.01


@dataclass(frozen=True, kw_only=True)
class PngHeader:
    """Depth, palette and colour space that the chunks of a PNG declare.

    Arguments:
        depth: of the samples; of a palette, that of its entries.
        significant: bits of the colours that the writer declares to hold information.
        num_colours: of the palette; None where the samples are no indices.
        code_points: primaries and transfer (ITU-T H.273); they win over a profile.
        primaries: white, red, green and blue, x and y of each.
    """

    depth: int = 8
    colour_type: int = -1
    significant: int | None = None
    num_colours: int | None = None
    code_points: tuple[int, int] | None = None
    primaries: tuple[float, ...] = SRGB_PRIMARIES

    @property
    def has_other_primaries(self) -> bool:
        """Whether the declared primaries are not those of sRGB."""
        return not np.allclose(self.primaries, SRGB_PRIMARIES, atol=SAME_PRIMARY)


def read_header(file: BinaryIO) -> PngHeader:
    """Parse the chunks before the picture data. Raises: CorruptFile, UnsupportedEncoding."""
    chunks = dict(_chunks(file))
    _check_critical(chunks)
    image, significant, primaries = (chunks.get(name, b"") for name in (b"IHDR", b"sBIT", b"cHRM"))
    if len(image) != HEADER_BYTES:
        raise CorruptFile(
            f"the PNG has an image header of {len(image)} bytes instead of {HEADER_BYTES}; get an undamaged copy of the file"
        )
    depth, colour_type = image[8], image[9]
    is_palette = colour_type == PALETTE
    values = struct.unpack(">8I", primaries) if len(primaries) == 32 else None
    return PngHeader(
        depth=8 if is_palette else depth,
        colour_type=colour_type,
        significant=max(significant[: COLOURS.get(colour_type, 3)], default=None),
        num_colours=len(chunks.get(b"PLTE", b"")) // 3 if is_palette else None,
        code_points=_code_points(chunks.get(b"cICP", b"")),
        primaries=SRGB_PRIMARIES if values is None else tuple(value / 100_000 for value in values),
    )


def check_indices(indices: np.ndarray, num_colours: int) -> None:
    """Check that the palette covers every index (PNG 3, 11.2.2; decoders show black). Raises: CorruptFile."""
    if int(indices.max()) >= num_colours:
        raise CorruptFile(
            f"a pixel has colour index {int(indices.max())}, the palette has {num_colours} colours; get an undamaged copy of "
            "the file"
        )


def significant_bits(values: np.ndarray, declared: int | None, *, has_alpha: bool) -> tuple[np.ndarray, int, list[str]]:
    """Samples of 16 bits as samples of the declared depth, that depth, and what is wrong with the declaration.

    A file of fewer significant bits should have them scaled over all 16 (PNG 3, 11.3.2.5 and 12.5); many writers leave them
    where the detector had them, at the lower end.
    """
    if declared is None or not 0 < declared < 16:
        return values, 16, []
    top, shift = 2**declared - 1, 16 - declared
    colours = values[..., :-1] if has_alpha else values
    scaled = np.rint((colours >> shift) * (65535 / top))
    if (np.abs(scaled - colours) <= 1).all() or (colours & (2**shift - 1) == 0).all():
        return values >> shift, declared, []
    if int(colours.max()) > top:
        return values, 16, [f"sBIT declares {declared} significant bits, but the samples use more: it is ignored"]
    lower = values.copy()
    if has_alpha and int(values[..., -1].max()) > top:
        lower[..., -1] >>= shift
    return lower, declared, []


def _check_critical(chunks: dict[bytes, bytes]) -> None:
    for name in chunks:
        if name[:1].isupper() and name not in KNOWN_CRITICAL:
            raise UnsupportedEncoding(
                f"the PNG has the critical chunk {name.decode('latin-1')}, which is not in the standard, so the meaning of its "
                "samples is unknown; save it again as a standard PNG"
            )


def _code_points(content: bytes) -> tuple[int, int] | None:
    """Primaries and transfer of a cICP chunk. Raises: UnsupportedEncoding."""
    if len(content) != 4:
        return None
    if content[2] != IDENTITY or content[3] != FULL_RANGE:
        raise UnsupportedEncoding(
            f"the PNG's cICP chunk declares matrix {content[2]} and range {content[3]}, but only full-range RGB (0 and 1) is "
            "supported; save it as such"
        )
    return content[0], content[1]


def _chunks(file: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    """Yield the chunks before the picture data; of long ones only the name."""
    position = 8
    while True:
        file.seek(position)
        head = file.read(8)
        if len(head) < 8 or head[4:] == b"IDAT":
            return
        (length,) = struct.unpack(">I", head[:4])
        yield head[4:], file.read(length) if length <= LONGEST else b""
        position += 12 + length
