"""Images of one size in the IDX format of MNIST and its kin, compressed by gzip: one PNG an image.

Big-endian: two zero bytes, the type (8: unsigned bytes), the number of dimensions (3), their sizes, the values.
"""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterator
from pathlib import PurePosixPath

import numpy as np

HEADER = 16  # bytes, of three dimensions
MAGIC = b"\x00\x00\x08\x03"


def expand(path: str, content: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield one PNG for each image of a file, in order. Raises: CorruptFile."""
    from PIL import Image

    from oddpixel.errors import CorruptFile

    content = gzip.decompress(content)
    if content[:4] != MAGIC:
        raise CorruptFile(f"{path} does not hold images in the IDX format")
    count, height, width = np.frombuffer(content[4:HEADER], ">u4")
    images = np.frombuffer(content[HEADER:], np.uint8).reshape(count, height, width)
    part = PurePosixPath(path).name.partition("-")[0]
    for index, image in enumerate(images):
        file = io.BytesIO()
        Image.fromarray(image).save(file, "PNG")
        yield f"{path}/{part}-{index:05d}.png", file.getvalue()
