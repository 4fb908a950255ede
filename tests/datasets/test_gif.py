"""GIF: palettes, transparency, disposal and interlacing against FFmpeg; what is damaged is an error row or a note."""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image as Pillow

from oddpixel import Image, open_source
from oddpixel.datasets.formats.gif import OpenedGif
from oddpixel.datasets.gif_blocks import parse_gif
from oddpixel.datasets.limits import Limits
from oddpixel.image import Unreadable

WIDTH, HEIGHT = 24, 17
RAMP = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
RANDOM = np.random.default_rng(0)
OTHER = RANDOM.integers(0, 256, (256, 3), np.uint8)
TRAILER = b";"


@dataclass(frozen=True, kw_only=True)
class Part:
    indices: np.ndarray
    left: int = 0
    top: int = 0
    palette: np.ndarray | None = None
    transparent: int | None = None
    disposal: int = 0
    is_interlaced: bool = False

    def __bytes__(self) -> bytes:
        height, width = self.indices.shape
        has_transparency = self.transparent is not None
        packed = self.disposal << 2 | has_transparency
        control = struct.pack("<BBBBHBB", 0x21, 0xF9, 4, packed, 10, self.transparent or 0, 0)
        flags = (0 if self.palette is None else size_bits(self.palette) | 0x80) | (0x40 if self.is_interlaced else 0)
        descriptor = struct.pack("<BHHHHB", 0x2C, self.left, self.top, width, height, flags)
        return control + descriptor + (b"" if self.palette is None else self.palette.tobytes()) + data(self)


def data(part: Part) -> bytes:
    """Coded by Pillow; of an interlaced frame every eighth row comes first (GIF89a, appendix E)."""
    passes = (slice(0, None, 8), slice(4, None, 8), slice(2, None, 4), slice(1, None, 2))
    rows = (
        np.concatenate([part.indices[rows_of_pass] for rows_of_pass in passes]) if part.is_interlaced else part.indices
    )
    file = io.BytesIO()
    Pillow.fromarray(rows).save(file, "GIF", interlace=False, optimize=False)
    return parse_gif(file.getvalue()).frames[0].data


def size_bits(palette: np.ndarray) -> int:
    return len(palette).bit_length() - 2


def gif(*parts: Part, palette: np.ndarray | None = RAMP, background: int = 0) -> bytes:
    flags = 0 if palette is None else size_bits(palette) | 0x80
    head = (
        b"GIF89a"
        + struct.pack("<HHBBB", WIDTH, HEIGHT, flags, background, 0)
        + (b"" if palette is None else palette.tobytes())
    )
    return head + b"".join(map(bytes, parts)) + TRAILER


def noise(height: int = HEIGHT, width: int = WIDTH, highest: int = 255) -> np.ndarray:
    return RANDOM.integers(0, highest + 1, (height, width), np.uint8)


def read(content: bytes, folder: Path) -> list[Image | Unreadable]:
    (folder / "x.gif").write_bytes(content)
    return list(open_source(folder / "x.gif", sandboxed=False))


def pixels(image: Image | Unreadable) -> np.ndarray:
    """`[h, w, 3]`, 0..255."""
    assert isinstance(image, Image), image.error
    return np.broadcast_to(np.rint(image.pixels * 255), (3, *image.pixels.shape[1:])).transpose(1, 2, 0)


def by_ffmpeg(content: bytes) -> list[np.ndarray]:
    """Laid on white."""
    with av.open(io.BytesIO(content)) as container:
        frames = [frame.to_ndarray(format="rgba").astype(float) for frame in container.decode(video=0)]
    return [np.rint(255 + (frame[..., :3] - 255) * frame[..., 3:] / 255) for frame in frames]


@pytest.mark.parametrize("background", [0, 7, 200])
@pytest.mark.parametrize("is_interlaced", [False, True])
@pytest.mark.parametrize("disposal", [0, 1, 2, 3])
@pytest.mark.parametrize("transparent", [None, 7])
@pytest.mark.parametrize("local", [None, OTHER, OTHER[:16]], ids=["global", "local", "small local"])
@pytest.mark.parametrize("first", [RAMP, OTHER[::-1].copy()], ids=["grey", "colour"])
def test_frames_are_those_of_ffmpeg(
    first: np.ndarray,
    local: np.ndarray | None,
    transparent: int | None,
    disposal: int,
    is_interlaced: bool,
    background: int,
    tmp_path: Path,
) -> None:
    highest = 255 if local is None else len(local) - 1
    options = {"palette": local, "transparent": transparent, "disposal": disposal, "is_interlaced": is_interlaced}
    content = gif(
        Part(indices=noise()),
        Part(indices=noise(9, 11, highest), left=4, top=5, **options),  # type: ignore[arg-type]
        Part(indices=noise(8, 8, highest), left=9, top=2, **options),  # type: ignore[arg-type]
        Part(indices=noise(5, 20), left=2, top=8, transparent=100),
        palette=first,
        background=background,
    )
    images, expected = read(content, tmp_path), by_ffmpeg(content)
    assert len(images) == len(expected) == 4
    for image, picture in zip(images, expected, strict=True):
        np.testing.assert_array_equal(pixels(image), picture)


def test_frames_in_any_order(tmp_path: Path) -> None:
    parts = [Part(indices=noise(6, 6), left=k, top=k, palette=OTHER, transparent=k, disposal=k % 4) for k in range(6)]
    path = tmp_path / "x.gif"
    path.write_bytes(gif(Part(indices=noise()), *parts))
    with path.open("rb") as file:
        opened = OpenedGif(file, Limits())
    forwards = [opened.frame(k).stored for k in range(7)]
    for k in (5, 2, 6, 0):
        np.testing.assert_array_equal(opened.frame(k).stored, forwards[k])


def test_a_frame_removed_to_the_background_is_noted(tmp_path: Path) -> None:
    removed = Part(indices=noise(6, 6), disposal=2)
    first, second, third = read(gif(Part(indices=noise()), removed, Part(indices=noise(3, 3)), background=40), tmp_path)
    assert isinstance(first, Image)
    assert isinstance(second, Image)
    assert isinstance(third, Image)
    assert not first.notes
    assert not second.notes
    assert "background colour" in str(third.notes)
    assert set(pixels(third)[3:6, 3:6].flat) == {40}


def test_a_grey_gif_is_grey_and_a_transparent_place_white(tmp_path: Path) -> None:
    indices = np.full((HEIGHT, WIDTH), 60, np.uint8)
    indices[:5] = 9
    (image,) = read(gif(Part(indices=indices, transparent=9)), tmp_path)
    assert isinstance(image, Image)
    assert image.pixels.shape == (1, HEIGHT, WIDTH)
    assert set(pixels(image)[:5].flat) == {255}
    assert set(pixels(image)[5:].flat) == {60}


@pytest.mark.parametrize("place", ["global", "local"])
def test_indices_outside_of_the_palette_are_refused(place: str, tmp_path: Path) -> None:
    indices = noise(highest=3)
    good, bad = (
        Part(indices=values, palette=OTHER[:4] if place == "local" else None) for values in (indices, indices + 1)
    )
    assert isinstance(read(gif(good, palette=OTHER[:4]), tmp_path)[0], Image)
    (row,) = read(gif(bad, palette=OTHER[:4]), tmp_path)
    assert isinstance(row, Unreadable)
    assert "colour index 4, the palette has 4 colours" in str(row.error)


def test_an_index_outside_of_the_palette_may_be_the_transparent_one(tmp_path: Path) -> None:
    (image,) = read(gif(Part(indices=noise(highest=4), transparent=4), palette=OTHER[:4]), tmp_path)
    assert isinstance(image, Image)


def test_a_gif_without_a_palette_is_refused(tmp_path: Path) -> None:
    (row,) = read(gif(Part(indices=noise()), palette=None), tmp_path)
    assert isinstance(row, Unreadable)
    assert "has no palette" in str(row.error)


def test_a_gif_cut_short_is_an_error_row_or_noted(tmp_path: Path) -> None:
    content = gif(Part(indices=noise()), Part(indices=noise()))
    whole = [pixels(image) for image in read(content, tmp_path)]
    for length in range(800, len(content), 7):
        rows = read(content[:length], tmp_path)
        assert all("no end mark" in str(row.notes) for row in rows if isinstance(row, Image))
        for row, picture in zip(rows, whole, strict=False):
            if isinstance(row, Image):
                np.testing.assert_array_equal(pixels(row), picture)


def test_a_frame_of_too_few_pixels_is_refused(tmp_path: Path) -> None:
    content = gif(Part(indices=noise()))
    taller = content.replace(struct.pack("<HHHH", 0, 0, WIDTH, HEIGHT), struct.pack("<HHHH", 0, 0, WIDTH, HEIGHT + 1))
    (row,) = read(taller, tmp_path)
    assert isinstance(row, Unreadable)
    assert "damaged" in str(row.error)


def test_what_is_no_block_and_a_frame_outside_of_the_canvas_are_noted(tmp_path: Path) -> None:
    content = gif(Part(indices=noise()), Part(indices=noise(), left=5))
    first, second = read(content[:-1] + b"\x99" + content[-1:], tmp_path)
    assert isinstance(first, Image)
    assert isinstance(second, Image)
    assert "no block follows frame 2 of the GIF" in str(first.notes)
    assert "outside" in str(second.notes)
    assert "outside" not in str(first.notes)


@pytest.mark.parametrize(("place", "is_noted"), [((0, 0, HEIGHT, WIDTH), False), ((2, 3, HEIGHT - 2, WIDTH - 3), True)])
def test_a_canvas_that_nothing_covers_is_noted(
    place: tuple[int, int, int, int], is_noted: bool, tmp_path: Path
) -> None:
    top, left, height, width = place
    first = Part(indices=noise(height, width), top=top, left=left)
    (image,) = read(gif(first), tmp_path)
    assert any("no frame has covered the whole canvas" in note for note in _notes(image)) == is_noted


def test_bytes_behind_the_end_are_noted(tmp_path: Path) -> None:
    (image,) = read(gif(Part(indices=noise())) + b"more" + bytes(3), tmp_path)
    assert "4 bytes after the GIF's end mark are not read" in _notes(image)
    (image,) = read(gif(Part(indices=noise())) + bytes(7), tmp_path)
    assert _notes(image) == []


def _notes(image: Image | Unreadable) -> list[str]:
    assert isinstance(image, Image)
    return image.notes
