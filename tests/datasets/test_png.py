"""PNG that decoders take without a word: unknown filters, short palettes, critical chunks, code points, animations."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from oddpixel import Image, open_source
from oddpixel.counting import counted
from oddpixel.errors import CorruptFile, UnsupportedEncoding
from oddpixel.image import Unreadable

HEIGHT, WIDTH = 16, 24
GREY, RGB, PALETTE, GREY_ALPHA = 0, 2, 3, 4
CHANNELS = {GREY: 1, RGB: 3, PALETTE: 1, GREY_ALPHA: 2}


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png(values: np.ndarray, colour_type: int, *chunks: tuple[bytes, bytes], filter_type: int = 0) -> bytes:
    """Samples of 8 or 16 bits, `[h, w]` or `[h, w, c]`."""
    depth = 8 * values.dtype.itemsize
    rows = b"".join(bytes([filter_type]) + row.astype(f">u{depth // 8}").tobytes() for row in values)
    header = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], depth, colour_type, 0, 0, 0)
    parts = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def read(content: bytes, folder: Path) -> Image:
    (folder / "x.png").write_bytes(content)
    (image,) = open_source(folder / "x.png", sandboxed=False)
    assert isinstance(image, Image), image.error
    return image


def error(content: bytes, folder: Path) -> Exception:
    (folder / "x.png").write_bytes(content)
    (image,) = open_source(folder / "x.png", sandboxed=False)
    assert isinstance(image, Unreadable), "it reads as a good picture"
    return image.error


def noise(highest: int, dtype: type = np.uint8, channels: tuple[int, ...] = ()) -> np.ndarray:
    return np.random.default_rng(0).integers(0, highest + 1, (HEIGHT, WIDTH, *channels)).astype(dtype)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_an_unknown_filter_is_refused(dtype: type, tmp_path: Path) -> None:
    values = noise(255, dtype)
    for number in range(5):
        assert read(png(values, GREY, filter_type=number), tmp_path).notes == []
    assert "filter 9" in str(error(png(values, GREY, filter_type=9), tmp_path))


def test_the_filter_of_every_row_is_looked_at(tmp_path: Path) -> None:
    """Interlaced, and inflated in several blocks; samples above the number of filters are none."""
    values = np.full((900, 1700), 200, np.uint8)
    Pillow.fromarray(values).save(tmp_path / "x.png")
    assert read((tmp_path / "x.png").read_bytes(), tmp_path).notes == []
    content = png(values, GREY)
    assert read(content, tmp_path).notes == []
    rows = bytearray(zlib.decompress(content[content.index(b"IDAT") + 4 : -16]))
    rows[899 * 1701] = 5
    start = content.index(b"IDAT") - 4
    assert isinstance(
        error(content[:start] + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""), tmp_path), CorruptFile
    )


@pytest.mark.parametrize("num_colours", [0, 10, 255])
def test_indices_outside_of_the_palette_are_refused(num_colours: int, tmp_path: Path) -> None:
    indices = np.arange(HEIGHT * WIDTH, dtype=np.uint32).reshape(HEIGHT, WIDTH).astype(np.uint8)
    colours = bytes(value for k in range(256) for value in (255 - k, k, k))
    assert read(png(indices, PALETTE, (b"PLTE", colours)), tmp_path).notes == []
    chunks = [(b"PLTE", colours[: 3 * num_colours])] if num_colours else []
    assert isinstance(error(png(indices, PALETTE, *chunks), tmp_path), CorruptFile)


def test_indices_outside_of_the_palette_of_a_bmp_are_refused(tmp_path: Path) -> None:
    values = np.arange(16 * 16, dtype=np.uint8).reshape(16, 16)
    for used, is_whole in ((256, True), (20, False)):
        palette = b"".join(bytes([k, k, k, 0]) for k in range(used))
        about = struct.pack("<IiiHHIIiiII", 40, 16, 16, 1, 8, 0, 256, 0, 0, used, 0)
        file = struct.pack("<IHHI", 54 + len(palette) + 256, 0, 0, 54 + len(palette))
        (tmp_path / "x.bmp").write_bytes(b"BM" + file + about + palette + values[::-1].tobytes())
        (image,) = open_source(tmp_path / "x.bmp", sandboxed=False)
        assert isinstance(image, Image) == is_whole


def test_an_unknown_critical_chunk_is_refused(tmp_path: Path) -> None:
    assert read(png(noise(255), GREY, (b"cgBI", b"\0\0\0\0")), tmp_path).notes == []
    assert isinstance(error(png(noise(255), GREY, (b"CgBI", b"\0\0\0\0")), tmp_path), UnsupportedEncoding)


@pytest.mark.parametrize("code_points", [b"\1\r\0\0", b"\1\r\1\1"], ids=["narrow range", "a matrix"])
def test_code_points_of_anything_but_whole_rgb_are_refused(code_points: bytes, tmp_path: Path) -> None:
    values = noise(255, channels=(3,))
    assert read(png(values, RGB, (b"cICP", b"\1\r\0\1")), tmp_path).notes == []
    assert isinstance(error(png(values, RGB, (b"cICP", code_points)), tmp_path), UnsupportedEncoding)


@pytest.mark.parametrize("shift", [0, 4], ids=["low", "scaled"])
def test_a_transparent_colour_of_12_bits_is_found_as_the_file_stores_it(shift: int, tmp_path: Path) -> None:
    values = noise(4095, np.uint16)
    stored, key = values << shift, int(values[3, 5])
    content = png(stored, GREY, (b"sBIT", b"\x0c"), (b"tRNS", struct.pack(">H", key << shift)))
    image = read(content, tmp_path)
    assert image.bits == 12
    np.testing.assert_allclose(image.pixels[0], np.where(values == key, 1, values / 4095), atol=1e-6)


@pytest.mark.parametrize("is_low", [True, False])
def test_significant_bits_of_grey_are_not_those_of_its_alpha(is_low: bool, tmp_path: Path) -> None:
    values = noise(4095, np.uint16)
    alpha = np.full_like(values, 65535)
    stored = np.stack([values if is_low else values << 4, alpha], 2)
    image = read(png(stored, GREY_ALPHA, (b"sBIT", b"\x0c\x10")), tmp_path)
    assert image.bits == 12
    np.testing.assert_allclose(image.pixels[0], values / 4095, atol=1e-6)


def test_eight_bits_of_which_fewer_are_used_are_noted(tmp_path: Path) -> None:
    assert "significant bits" in "; ".join(read(png(noise(31), GREY, (b"sBIT", b"\x05")), tmp_path).notes)
    assert read(png(noise(31) << 3, GREY, (b"sBIT", b"\x05")), tmp_path).notes == []


def test_a_damaged_profile_and_other_primaries_are_noted(tmp_path: Path) -> None:
    values = noise(255, channels=(3,))
    assert "profile is damaged" in "; ".join(read(png(values, RGB, (b"iCCP", b"x\0\0no zlib")), tmp_path).notes)
    srgb = struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)
    wide = struct.pack(">8I", 31270, 32900, 70800, 29200, 17000, 79700, 13100, 4600)
    assert read(png(values, RGB, (b"cHRM", srgb)), tmp_path).notes == []
    assert "primaries" in "; ".join(read(png(values, RGB, (b"cHRM", wide)), tmp_path).notes)


@pytest.mark.parametrize("num_declared", [2, 4, 5])
def test_frames_that_an_animation_does_not_declare_are_noted(num_declared: int, tmp_path: Path) -> None:
    frames = [Pillow.fromarray(noise(255) // (k + 1)) for k in range(4)]
    frames[0].save(tmp_path / "a.png", save_all=True, append_images=frames[1:])
    content = (tmp_path / "a.png").read_bytes()
    place = content.index(b"acTL")
    changed = chunk(b"acTL", struct.pack(">II", num_declared, 0))
    (tmp_path / "x.png").write_bytes(content[: place - 4] + changed + content[place - 4 + len(changed) :])
    images = list(open_source(tmp_path / "x.png", sandboxed=False))
    expected = (
        [] if num_declared == 4 else [f"the PNG declares {counted(num_declared, 'frame')} of an animation and holds 4"]
    )
    assert all(image.notes == expected for image in images if isinstance(image, Image))


def with_header(content: bytes, place: int, value: int) -> bytes:
    """With another byte at that place of the image header."""
    header = bytearray(content[16:29])
    header[place] = value
    return content[:8] + chunk(b"IHDR", bytes(header)) + content[33:]


@pytest.mark.parametrize(("place", "value"), [(10, 1), (11, 1), (11, 64), (12, 2), (12, 7)])
def test_methods_that_the_standard_does_not_define_are_refused_by_name(place: int, value: int, tmp_path: Path) -> None:
    content = png(noise(255), GREY)
    assert read(with_header(content, 10, 0), tmp_path).notes == []
    problem = error(with_header(content, place, value), tmp_path)
    assert isinstance(problem, UnsupportedEncoding)
    assert f"method {value}" in str(problem)


def test_a_depth_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    assert "colour type 0 with 3 bits" in str(error(with_header(png(noise(7), GREY), 8, 3), tmp_path))


def test_a_png_without_its_end_is_noted(tmp_path: Path) -> None:
    content = png(noise(255), GREY)
    image = read(content[:-12], tmp_path)
    assert "no end mark" in str(image.notes)
    np.testing.assert_array_equal(image.pixels, read(content, tmp_path).pixels)


def behind(content: bytes, *chunks: tuple[bytes, bytes]) -> bytes:
    """With these chunks between picture data and end."""
    return content[:-12] + b"".join(chunk(*parts) for parts in chunks) + content[-12:]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (b"tRNS", b"\0\x64"),
        (b"PLTE", bytes(30)),
        (b"cICP", bytes([9, 16, 0, 1])),
        (b"iCCP", b"a\0\0" + zlib.compress(b"x")),
    ],
)
def test_colours_described_behind_the_picture_data_are_refused(name: bytes, content: bytes, tmp_path: Path) -> None:
    problem = str(error(behind(png(noise(255), GREY), (name, content)), tmp_path))
    assert f"{name.decode()} stands after the picture data" in problem


def test_a_gamma_behind_the_picture_data_is_noted(tmp_path: Path) -> None:
    image = read(behind(png(noise(255), GREY), (b"gAMA", struct.pack(">I", 100_000))), tmp_path)
    assert "gAMA stands after" in str(image.notes)


PALETTE_30 = (b"PLTE", bytes(range(90)))


@pytest.mark.parametrize(
    ("chunks", "reason"),
    [
        ([PALETTE_30, PALETTE_30], "2 chunks PLTE"),
        ([(b"PLTE", bytes(91))], "palette has 91 bytes"),
        ([PALETTE_30, (b"tRNS", bytes(31))], "tRNS has 31 bytes"),
        ([(b"tRNS", bytes(30)), PALETTE_30], "tRNS stands before the palette"),
    ],
)
def test_palettes_that_programs_read_differently_are_refused(
    chunks: list[tuple[bytes, bytes]], reason: str, tmp_path: Path
) -> None:
    indices = noise(29)
    assert read(png(indices, PALETTE, PALETTE_30, (b"tRNS", bytes(30))), tmp_path).notes == []
    assert reason in str(error(png(indices, PALETTE, *chunks), tmp_path))


def test_a_transparent_grey_of_the_wrong_length_is_refused(tmp_path: Path) -> None:
    assert "tRNS has 6 bytes" in str(error(png(noise(255), GREY, (b"tRNS", bytes(6))), tmp_path))
