"""Large pictures: shown from their stored samples, in files and not in memory, and the same as if they were small."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image as Pillow

from oddpixel.dashboards.originals import TILE, picture_of
from oddpixel.dashboards.spilled import LARGEST_IN_MEMORY, drop_pages, is_spilled, room
from oddpixel.datasets.entry import Entry
from oddpixel.datasets.limits import Limits
from oddpixel.datasets.reading import Shown, read_frame, read_shown
from oddpixel.datasets.sandbox import DirectDecoder, SandboxedDecoder
from oddpixel.image import Image

SIDE = 2600  # 20 MB in three channels


def noise(*shape: int, dtype: type = np.uint8) -> np.ndarray:
    return np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape, dtype=dtype, endpoint=True)


def test_a_spilled_array_keeps_its_content_without_its_pages() -> None:
    small, large = room((10, 10), np.uint8), room((LARGEST_IN_MEMORY + 1,), np.uint8)
    assert not is_spilled(small)
    assert is_spilled(large[5:])
    content = noise(LARGEST_IN_MEMORY + 1)
    large[:] = content
    drop_pages(large[100:])
    assert (large == content).all()
    drop_pages(small)  # nothing to drop


@pytest.mark.parametrize("shape", [(SIDE, SIDE, 3), (SIDE, SIDE + 1), (SIDE + 501, SIDE - 7, 3)])
def test_levels_in_bands_are_those_of_the_whole(shape: tuple[int, ...]) -> None:
    samples = noise(*shape)
    about = Image(np.empty((0, 0, 0), np.float32), 8, "display", None, "x", "0" * 64, "x")
    picture = picture_of(about, samples)
    assert is_spilled(picture.levels[0])
    assert (picture.facts["height"], picture.facts["width"], picture.facts["kind"]) == (*shape[:2], "picture")
    whole = samples if samples.ndim == 3 else samples[..., None].repeat(3, 2)
    assert (picture.levels[0] == whole).all()
    for level in picture.levels[1:]:
        whole = cv2.resize(whole, level.shape[1::-1], interpolation=cv2.INTER_AREA)
        assert level.shape == whole.shape
        if shape[0] % 8 == 0:  # an odd last row is a mean by itself
            assert np.abs(level.astype(int) - whole).max() <= 1
    in_memory, in_files = picture.nbytes
    assert in_memory < LARGEST_IN_MEMORY < in_files
    content, _ = picture.tile(0, 1, 1)
    assert len(content) > TILE * TILE


@pytest.mark.parametrize("sandboxed", [False, True])
def test_stored_samples_are_what_is_shown(sandboxed: bool, tmp_path: Path) -> None:
    for name, samples in (
        ("colour.png", noise(40, 30, 3)),
        ("grey.png", noise(40, 30)),
        ("colour.jpg", noise(40, 30, 3)),
        ("deep.png", noise(40, 30, dtype=np.uint16)),
    ):
        Pillow.fromarray(samples).save(tmp_path / name)
        entry = Entry(name=name, path=tmp_path / name)
        kind = SandboxedDecoder if sandboxed else DirectDecoder
        with closing(kind(Limits(), b"k" * 32)) as decoder:
            image = read_frame(entry, decoder, Limits(), None)
            shown = read_shown(entry, decoder, Limits(), None)
            assert isinstance(shown, Shown) == (name != "deep.png")
            if isinstance(shown, Shown):
                assert (np.atleast_3d(shown.samples) == image.to_display()).all()
                assert (shown.about.sha256, shown.about.meta) == (image.sha256, image.meta)
