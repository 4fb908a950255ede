"""The image header of a JPEG XL codestream (ISO/IEC 18181-1:2024, annexes C and D; lowest bits first).

The decoder gives samples without their colour space, transparency or orientation, and only after it has allocated them.
"""

from __future__ import annotations

from dataclasses import dataclass

from oddpixel.errors import CorruptFile

RATIOS = {1: (1, 1), 2: (12, 10), 3: (4, 3), 4: (3, 2), 5: (16, 9), 6: (5, 4), 7: (2, 1)}  # width : height
GREY, XYB = 1, 2  # colour spaces
ALPHA, SPOT, FILTER_ARRAY = 0, 2, 5  # kinds of extra channels
P3 = 11


@dataclass(frozen=True, kw_only=True)
class JpegXlHeader:
    """Size, depth, channels and colour space that a JPEG XL codestream declares.

    Arguments:
        width, height: as stored, before the orientation is applied.
        bits: stored depth.
        is_float: whether samples are real numbers.
        has_alpha, is_premultiplied: of the first alpha channel.
        num_other_channels: extra channels that are no alpha.
        is_animated: whether it holds several frames.
        primaries, transfer: code points of H.273 for what the decoder gives; 2 where unspecified.
        has_unread_profile: whether the samples are in the space of an ICC profile that the decoder does not hand over.
    """

    width: int
    height: int
    orientation: int = 1
    bits: int = 8
    is_float: bool = False
    has_alpha: bool = False
    is_premultiplied: bool = False
    num_other_channels: int = 0
    is_animated: bool = False
    primaries: int = 2
    transfer: int = 2
    has_unread_profile: bool = False


def read_header(codestream: bytes) -> JpegXlHeader:
    """Parse the image header of a JPEG XL codestream.

    Arguments:
        codestream: its beginning, with the signature FF 0A.

    Raises: CorruptFile.
    """
    bits = _Bits(codestream[2:])
    width, height = _size(bits)
    if bits.flag():  # everything else at its default
        return JpegXlHeader(width=width, height=height)
    orientation, is_animated = _extra_fields(bits) if bits.flag() else (1, False)
    is_float, depth = _bit_depth(bits)
    bits.read(1)  # whether 16-bit buffers suffice
    extra = [_extra_channel(bits) for _ in range(bits.choice((0, 0), (1, 0), (2, 4), (1, 12)))]
    alphas = [is_premultiplied for kind, is_premultiplied in extra if kind == ALPHA]
    is_xyb = bits.flag()
    primaries, transfer, has_profile = _colour_encoding(bits)
    return JpegXlHeader(
        width=width,
        height=height,
        orientation=orientation,
        bits=depth,
        is_float=is_float,
        has_alpha=bool(alphas),
        is_premultiplied=bool(alphas) and alphas[0],
        num_other_channels=len(extra) - min(len(alphas), 1),
        is_animated=is_animated,
        primaries=primaries,
        transfer=transfer,
        # What is stored as XYB is given in sRGB where its own space is a profile.
        has_unread_profile=has_profile and not is_xyb,
    )


class _Bits:
    def __init__(self, content: bytes) -> None:
        self.value, self.left = int.from_bytes(content, "little"), 8 * len(content)

    def read(self, count: int) -> int:
        if count > self.left:
            raise CorruptFile("the JPEG XL header is cut short")
        value = self.value & ((1 << count) - 1)
        self.value >>= count
        self.left -= count
        return value

    def flag(self) -> bool:
        return bool(self.read(1))

    def choice(self, *options: tuple[int, int]) -> int:
        """`U32`: two bits choose an offset and a number of bits to add to it."""
        offset, count = options[self.read(2)]
        return offset + self.read(count)

    def enum(self) -> int:
        return self.choice((0, 0), (1, 0), (2, 4), (18, 6))


def _size(bits: _Bits) -> tuple[int, int]:
    is_small = bits.flag()

    def side() -> int:
        return 8 * (bits.read(5) + 1) if is_small else bits.choice((1, 9), (1, 13), (1, 18), (1, 30))

    height = side()
    ratio = bits.read(3)
    return (height * RATIOS[ratio][0] // RATIOS[ratio][1] if ratio else side()), height


def _extra_fields(bits: _Bits) -> tuple[int, bool]:
    """Orientation, and whether it is animated."""
    orientation = bits.read(3) + 1
    if bits.flag():
        _size(bits)  # that it is meant to be shown in
    if bits.flag():
        _preview(bits)
    is_animated = bits.flag()
    if is_animated:
        bits.choice((100, 0), (1000, 0), (1, 10), (1, 30))
        bits.choice((1, 0), (1001, 0), (1, 8), (1, 10))
        bits.choice((0, 0), (0, 3), (0, 16), (0, 32))
        bits.read(1)
    return orientation, is_animated


def _preview(bits: _Bits) -> None:
    is_small = bits.flag()

    def side() -> None:
        if is_small:
            bits.choice((16, 0), (32, 0), (1, 5), (33, 9))
        else:
            bits.choice((1, 6), (65, 8), (321, 10), (1345, 12))

    side()
    if bits.read(3) == 0:
        side()


def _bit_depth(bits: _Bits) -> tuple[bool, int]:
    """Whether samples are real, and their depth."""
    if not bits.flag():
        return False, bits.choice((8, 0), (10, 0), (12, 0), (1, 6))
    depth = bits.choice((32, 0), (16, 0), (24, 0), (1, 6))
    bits.read(4)  # of the exponent
    return True, depth


def _extra_channel(bits: _Bits) -> tuple[int, bool]:
    """The kind of an extra channel, and whether it is an alpha that colours are multiplied by."""
    if bits.flag():
        return ALPHA, False
    kind = bits.enum()
    _bit_depth(bits)
    bits.choice((0, 0), (3, 0), (4, 0), (1, 3))
    for _ in range(bits.choice((0, 0), (0, 4), (16, 5), (48, 10))):
        bits.read(8)
    if kind == SPOT:
        bits.read(64)
    elif kind == FILTER_ARRAY:
        bits.choice((1, 0), (0, 2), (3, 4), (19, 8))
    return kind, kind == ALPHA and bits.flag()


def _colour_encoding(bits: _Bits) -> tuple[int, int, bool]:
    """Primaries and transfer by H.273, and whether an ICC profile follows instead."""
    if bits.flag():
        return 1, 13, False
    has_profile, space = bits.flag(), bits.enum()
    if has_profile or space == XYB:
        return 2, 2, has_profile
    if bits.enum() == 2:  # a white point of its own
        _chromaticity(bits)
    primaries = 1
    if space != GREY:
        primaries = bits.enum()
        if primaries == 2:
            for _ in range(3):
                _chromaticity(bits)
            primaries = 0  # known to the file alone
    transfer = 0  # known to the file alone, as an exponent
    if bits.flag():
        bits.read(24)
    else:
        transfer = bits.enum()
    bits.enum()  # rendering intent
    # JPEG XL numbers P3 as H.273 numbers the DCI variant; its white point is D65 unless the file says otherwise.
    return (12 if primaries == P3 else primaries), transfer, False


def _chromaticity(bits: _Bits) -> None:
    for _ in range(2):
        bits.choice((0, 19), (524288, 19), (1048576, 20), (2097152, 21))
