"""The packaged handwritten digits as arrays, in the order in which the corpus' split drew them."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Int64, UInt8

from .corpora import Role, fetch


def load_digits(role: Role) -> tuple[UInt8[np.ndarray, "n 1 28 28"], Int64[np.ndarray, "n"]]:
    """Grey levels 0..255 of the digits of one role, and the digit each shows.

    Raises: UnreadableInput where the corpus cannot be fetched.
    """
    from PIL import Image

    corpus = fetch("digits")
    split: Any = corpus.card.split
    files = {file.group: file.path for file in corpus.files()}
    chosen = [files[group] for group, dealt in split.deal(list(files)).items() if dealt == role]
    values = [np.asarray(Image.open(path)) for path in chosen]
    labels = [int(path.name[0]) for path in chosen]
    return np.stack(values)[:, None], np.array(labels, np.int64)
