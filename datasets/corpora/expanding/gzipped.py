"""Single files compressed by gzip, as Debian does with large ones of its documentation."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator

from oddpixel.errors import CorruptFile


def expand(path: str, content: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield the file without its suffix. Raises: CorruptFile."""
    try:
        yield path.removesuffix(".gz"), gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise CorruptFile(f"a damaged gzip file: {error}") from error
