"""Presence and order of the chunks of a PNG (PNG 3, 5.6 and 11.2.1): decoders differ on files that break these rules.

libpng ignores a palette, a profile or a transparent colour after the picture data, Pillow applies it; neither minds a lost end.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from oddpixel.errors import CorruptFile, UnsupportedEncoding

SIGNATURE_BYTES = 8
HEADER, DATA, END = b"IHDR", b"IDAT", b"IEND"
DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}  # by colour type
LAST_INTERLACE = 1
COLOURS = (b"PLTE", b"tRNS", b"iCCP", b"cICP")  # what pixels mean
HINTS = (b"gAMA", b"cHRM", b"sRGB", b"sBIT")  # not applied, only noted
ONCE = (HEADER, *COLOURS)
INDICES, LARGEST_PALETTE, TRANSPARENT_COLOUR = 3, 768, {0: 2, 2: 6}  # bytes, by colour type
GET_ANOTHER = "get an undamaged copy of the file"


def check_image_header(file: BinaryIO) -> None:
    """Check that the file begins with a valid image header.

    Raises: CorruptFile, UnsupportedEncoding, where it has a value that the standard does not define.
    """
    file.seek(SIGNATURE_BYTES)
    head = file.read(8 + 13)
    file.seek(0)
    if len(head) < 21 or head[4:8] != HEADER:
        first = head[4:8].decode("latin-1")
        raise CorruptFile(
            f"the PNG begins with {first!r}, not with an image header; {GET_ANOTHER}, or save it again as PNG"
        )
    depth, colour_type, compression, filters, interlace = head[16:21]
    if depth not in DEPTHS.get(colour_type, ()):
        raise CorruptFile(
            f"the PNG declares colour type {colour_type} with {depth} bits, which does not exist; {GET_ANOTHER}"
        )
    if compression or filters or interlace > LAST_INTERLACE:
        raise UnsupportedEncoding(
            f"the PNG declares compression method {compression}, filter method {filters} and interlace method {interlace}, but "
            "the standard defines only 0, 0, and 0 or 1; save it again as a standard PNG"
        )


def check_order(file: BinaryIO, colour_type: int) -> list[str]:
    """Check order and number of the chunks; returns notes on those that change no pixel. Raises: CorruptFile."""
    chunks = list(_chunks(file))
    names = [name for name, _ in chunks]
    for name in ONCE:
        if names.count(name) > 1:
            raise CorruptFile(f"the PNG has {names.count(name)} chunks {name.decode()} instead of one; {GET_ANOTHER}")
    _check_lengths(dict(chunks), colour_type)
    begin = names.index(DATA) if DATA in names else len(names)
    late = names[begin:]
    for name in COLOURS:
        if name in late:
            raise _in_doubt(f"chunk {name.decode()} stands after the picture data")
    if colour_type == INDICES and b"tRNS" in names and b"PLTE" in names[names.index(b"tRNS") :]:
        raise _in_doubt("chunk tRNS stands before the palette")
    notes = [
        f"the PNG's chunk {name.decode()} stands after the picture data: it is not applied"
        for name in HINTS
        if name in late
    ]
    return notes if END in names else [*notes, "the PNG has no end mark: what followed its picture data may be lost"]


def _check_lengths(lengths: dict[bytes, int], colour_type: int) -> None:
    """Check the lengths of palette and transparent colours (PNG 3, 11.2.2 and 11.3.1.1). Raises: CorruptFile."""
    palette, transparency = lengths.get(b"PLTE", 0), lengths.get(b"tRNS")
    if palette % 3 or palette > LARGEST_PALETTE:
        raise _in_doubt(f"palette has {palette} bytes, not 3 for each of up to 256 colours")
    if transparency is None:
        return
    is_long = colour_type == INDICES and transparency > palette // 3
    if is_long or transparency != TRANSPARENT_COLOUR.get(colour_type, transparency):
        raise _in_doubt(f"chunk tRNS has {transparency} bytes, which does not match its colours")


def _in_doubt(fault: str) -> CorruptFile:
    return CorruptFile(
        f"the PNG's {fault}, and programs differ on how to show it; {GET_ANOTHER}, or save it again as a standard PNG"
    )


def _chunks(file: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """Yield name and length of each chunk, up to the end mark."""
    position = SIGNATURE_BYTES
    while True:
        file.seek(position)
        head = file.read(8)
        if len(head) < 8:
            return
        length, name = int.from_bytes(head[:4], "big"), head[4:]
        yield name, length
        if name == END:
            return
        position += 12 + length
