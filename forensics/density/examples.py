"""Training examples of one size, from a packaged corpus, CIFAR-10's binary files, or any source of images."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from oddpixel.datasets.corpora import card
from oddpixel.datasets.small_images import load_small
from oddpixel.errors import CorruptFile, InvalidImage, MissingFile
from oddpixel.image import Image, Unreadable

from .task import Examples

# Of an image source: the share of groups held out for validation, chosen by the hash of the group's name.
VALIDATION_SHARE = 0.1
CIFAR_RECORD = 1 + 3 * 32 * 32


def from_corpus(name: str) -> tuple[Examples, Examples]:
    """Training and validation examples of a packaged corpus. Raises: UsageError."""
    wanted = card(name)
    about = {"title": wanted.title, "licence": wanted.licence, "attribution": wanted.attribution}
    train, validation = (_examples(*load_small(name, split), about) for split in ("train", "validation"))
    return train, validation


def from_cifar10(folder: Path) -> tuple[Examples, Examples]:
    """CIFAR-10's binary version: the last training batch is held out for validation, test_batch.bin is not touched.

    Raises: MissingFile, CorruptFile.
    """
    batches = []
    for k in range(1, 6):
        path = folder / f"data_batch_{k}.bin"
        if not path.is_file():
            raise MissingFile(f"{path} is missing; the recipe needs CIFAR-10's binary version, unpacked")
        records = np.fromfile(path, np.uint8)
        if records.size % CIFAR_RECORD:
            raise CorruptFile(f"{path} is not a whole number of {CIFAR_RECORD}-byte records")
        batches.append(records.reshape(-1, CIFAR_RECORD))
    about = {"title": "CIFAR-10 (local copy)"}
    train, validation = (
        _examples(rows[:, 1:].reshape(-1, 3, 32, 32), rows[:, 0].astype(np.int64), about)
        for rows in (np.concatenate(batches[:4]), batches[4])
    )
    return train, validation


def from_images(
    images: Iterable[Image | Unreadable], size: int, channels: int, title: str
) -> tuple[Examples, Examples]:
    """Every readable image, cropped to its central square and reduced to `size`; split by group.

    Raises: InvalidImage where nothing usable is left.
    """
    held: dict[bool, list[np.ndarray]] = {False: [], True: []}
    skipped = 0
    for image in images:
        if isinstance(image, Unreadable) or image.unit != "display" or min(image.pixels.shape[1:]) < size:
            skipped += 1
            continue
        held[is_held_out(image.group)].append(square(image, size, channels))
    if not held[False]:
        raise InvalidImage(f"no image of at least {size} x {size} display pixels ({skipped} were skipped)")
    if not held[True]:
        raise InvalidImage(f"{len(held[False])} images are too few to hold any out for validation; about 30 are needed")
    about = {"title": title, "skipped": skipped}
    return _examples(np.stack(held[False]), None, about), _examples(np.stack(held[True]), None, about)


def square(image: Image, size: int, channels: int) -> np.ndarray:
    """`[channels, size, size]` in 0..255: the central square, averaged over areas."""
    import cv2

    height, width = image.pixels.shape[1:]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    crop = image.pixels[:, top : top + side, left : left + side].transpose(1, 2, 0)
    if channels == 1 and crop.shape[2] == 3:
        crop = crop @ np.array([[0.299], [0.587], [0.114]], np.float32)  # BT.601 luma
    reduced = cv2.resize(np.ascontiguousarray(crop), (size, size), interpolation=cv2.INTER_AREA).reshape(size, size, -1)
    if channels == 3 and reduced.shape[2] == 1:
        reduced = reduced.repeat(3, axis=2)
    return np.rint(reduced * 255).clip(0, 255).astype(np.uint8).transpose(2, 0, 1)


def is_held_out(group: str) -> bool:
    """Whether a group of a user's own images is kept for validation: decided by its name, so always alike."""
    import hashlib

    return int(hashlib.sha256(group.encode()).hexdigest()[:8], 16) / 2**32 < VALIDATION_SHARE


def _examples(values: np.ndarray, labels: np.ndarray | None, about: Mapping[str, Any]) -> Examples:
    return Examples(torch.from_numpy(values), None if labels is None else torch.from_numpy(labels), dict(about))
