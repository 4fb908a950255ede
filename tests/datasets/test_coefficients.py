"""JPEG coefficients: as the file holds them, in this process and in the sandbox, and out of hostile files."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image as Pillow

from oddpixel.datasets.entry import Entry
from oddpixel.datasets.limits import Limits
from oddpixel.datasets.sandbox import DirectDecoder, SandboxedDecoder
from oddpixel.errors import UnreadableInput
from oddpixel.forensics.audit.exhibit import read_exhibit
from oddpixel.forensics.audit.facts.jpeg import LUMINANCE, scaled

PICTURE = cv2.resize(np.random.default_rng(0).integers(0, 256, (9, 13, 3), dtype=np.uint8), (200, 136))


def saved(quality: int, **more: object) -> bytes:
    file = io.BytesIO()
    Pillow.fromarray(PICTURE).save(file, "JPEG", quality=quality, **more)
    return file.getvalue()


@pytest.mark.parametrize("more", [{}, {"progressive": True}, {"subsampling": 0}])
@pytest.mark.parametrize("decoder", [DirectDecoder, SandboxedDecoder])
def test_they_are_those_of_the_file(decoder: type, more: dict[str, object], tmp_path: Path) -> None:
    path = tmp_path / "x.jpg"
    path.write_bytes(saved(85, **more))
    opened = decoder(Limits(), b"key")
    try:
        with path.open("rb") as file:
            opened.open(file, "x.jpg")
            pixels, coefficients = opened.as_stored(), opened.coefficients()
    finally:
        opened.close()
    assert np.array_equal(coefficients.table.ravel(), scaled(LUMINANCE, 85))
    assert coefficients.blocks.shape[0] >= 17
    assert coefficients.blocks.shape[1] >= 25
    luma = cv2.cvtColor(pixels.array.transpose(1, 2, 0), cv2.COLOR_RGB2YCrCb)[..., 0] * 255 - 128
    ours = cv2.dct(np.ascontiguousarray(luma[8:16, 16:24], np.float32)) / coefficients.table
    assert np.abs(ours - coefficients.blocks[1, 2]).max() < 1.5


def test_other_formats_have_none(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    Pillow.fromarray(PICTURE).save(path)
    decoder = SandboxedDecoder(Limits(), b"key")
    with path.open("rb") as file:
        decoder.open(file, "x.png")
        assert decoder.coefficients() is None
    decoder.close()


def test_mutated_files_raise_nothing_else_and_leave_a_decoder_that_answers(tmp_path: Path) -> None:
    """libjpeg may end its process: the worker's, which is replaced."""
    random = np.random.default_rng(0)
    decoder = SandboxedDecoder(Limits(), b"key")
    readable = 0
    try:
        for number in range(60):
            content = bytearray(saved(80, progressive=bool(number % 2)))
            for place in random.integers(2, len(content), 1 + number % 12):
                content[place] = int(random.integers(256))
            path = tmp_path / "x.jpg"
            path.write_bytes(bytes(content[: int(random.integers(200, len(content)))] if number % 3 == 0 else content))
            try:
                exhibit = read_exhibit(Entry(name="x.jpg", path=path), decoder, Limits())
                readable += 1
                assert isinstance(decoder.manifest(exhibit.container or "", None)["state"], str)
            except UnreadableInput:
                pass
    finally:
        decoder.close()
    assert readable > 5
