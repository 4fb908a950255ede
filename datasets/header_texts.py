"""Elements of a DICOM header as text, by keyword. Runs inside the sandbox: a header inflates (PS3.5 A.5), nests and lies."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, BinaryIO

from oddpixel.errors import CorruptFile

LONGEST = 300  # characters


def header_texts(file: BinaryIO, keywords: Sequence[str]) -> dict[str, str]:
    """Read the given elements of a DICOM header as printable text, bounded in length; empty ones are left out.

    Raises: CorruptFile.
    """
    import pydicom

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            data = pydicom.dcmread(file, stop_before_pixels=True, force=True)
            return {name: _text(data.get(name)) for name in keywords if data.get(name) not in (None, "")}
        except MemoryError:
            raise
        except Exception as error:  # of a hostile file anything may come
            raise CorruptFile(f"the DICOM header cannot be read: {type(error).__name__}") from error


def _text(value: Any) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in str(value))[:LONGEST]
