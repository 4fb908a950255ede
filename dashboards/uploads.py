"""Files that a visitor sends: kept under names of our own making, by content and not by what they claim to be.

Reading them is the decoders' business, in their sandbox; here only size, number and name are seen to.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from oddpixel.errors import RunError, UsageError

MOST_FILES = 2000
LONGEST_NAME = 120
KEPT = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._- ")


def keep(files: Sequence[Any], folder: Path) -> Path:
    """Write uploads (with `.name` and `.getbuffer()`) into a new folder. Raises: UsageError, RunError."""
    if not files:
        raise UsageError("choose at least one file")
    if len(files) > MOST_FILES:
        raise UsageError(f"{len(files)} files are too many at once; send at most {MOST_FILES}, or flag a folder")
    place = folder / f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{uuid.uuid4().hex[:8]}"
    try:
        place.mkdir(parents=True)
        for number, file in enumerate(files):
            path = place / safe_name(file.name, number)
            with path.open("xb") as written:
                written.write(file.getbuffer())
    except OSError as error:
        raise RunError(f"the files cannot be kept: {error.strerror or error}") from error
    return place


def safe_name(name: str, number: int) -> str:
    """The last part of a name, with letters, digits and a few signs only; unique by its number."""
    last = name.replace("\\", "/").rpartition("/")[2]
    kept = "".join(letter if letter in KEPT else "_" for letter in last).strip(" .")
    stem, dot, suffix = kept.rpartition(".")
    stem, suffix = (stem, suffix) if dot else (kept, "")
    return f"{number:04d}-{stem[:LONGEST_NAME] or 'image'}" + (f".{suffix[:12]}" if suffix else "")


def allowed(path: str, roots: Sequence[Path]) -> Path:
    """The folder that a visitor named, which is one of the roots or within one. Raises: UsageError."""
    folder = Path(path).expanduser().resolve()
    if not any(folder.is_relative_to(root) for root in roots):
        raise UsageError(
            f"only folders within {', '.join(map(str, roots))} may be read; start the dashboard with --data"
        )
    if not folder.is_dir():
        raise UsageError(f"{path} is not a folder")
    return folder
