"""Packaged corpora of small images, all of one size, as arrays in the order in which the corpus' split drew them."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Int64, UInt8

from oddpixel.errors import UsageError

from .corpora import Role, fetch

SMALL = ("digits", "fashion")


def load_small(name: str, role: Role) -> tuple[UInt8[np.ndarray, "n 1 28 28"], Int64[np.ndarray, "n"] | None]:
    """Grey levels 0..255 of the images of one role, and what each shows, where the file names begin with a digit that says so.

    Raises: UsageError (another corpus), UnreadableInput where it cannot be fetched.
    """
    from PIL import Image

    if name not in SMALL:
        raise UsageError(f"no corpus of fixed-size images called {name!r}; there are {', '.join(SMALL)}")
    corpus = fetch(name)
    files = {file.group: file for file in corpus.files()}
    split: Any = corpus.card.split
    chosen = [files[group].path for group in split.deal(list(files)) if files[group].role == role]
    values = np.stack([np.asarray(Image.open(path)) for path in chosen])[:, None]
    labels = np.array([int(path.name[0]) for path in chosen], np.int64) if chosen[0].name[0].isdigit() else None
    return values, labels
