"""One file, read outside of the sandbox: its images, its only image, or why it has none."""

from __future__ import annotations

from pathlib import Path

from oddpixel import open_source
from oddpixel.image import Image, Unreadable


def read(path: Path) -> list[Image | Unreadable]:
    return list(open_source(path, sandboxed=False))


def one(path: Path) -> Image:
    (image,) = read(path)
    assert isinstance(image, Image), image.error
    return image


def error(path: Path) -> Exception:
    (image,) = read(path)
    assert isinstance(image, Unreadable), "it reads as a good picture"
    return image.error
