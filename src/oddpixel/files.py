"""New files: whole or not at all, in place of what the name stood for (never through a link), readable as the umask says.

And names as text that every format takes.
"""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path

from oddpixel.errors import UsageError

LONGEST_TEXT = 1000  # characters
UNWRITABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0, section 2.2


def _umask() -> int:
    """Asked once, while the process has one thread: asking means setting it."""
    umask = os.umask(0o077)
    os.umask(umask)
    return umask


NEW_FILE_MODE = 0o666 & ~_umask()


def writable_folder(folder: Path) -> Path:
    """The folder, made where it is missing, so that nothing is computed that cannot be kept. Raises: UsageError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"the folder {folder} cannot be created: {error.strerror}") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UsageError(f"the folder {folder} is not writable; use another folder")
    return folder


def write_whole(path: Path, content: bytes) -> None:
    """Write a file whole or not at all: to a temporary name first, then renamed. Raises: OSError."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", suffix=".tmp", delete=False) as file:
        try:
            file.write(content)
            os.fchmod(file.fileno(), NEW_FILE_MODE)
            Path(file.name).replace(path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise


def plain_text(text: str) -> str:
    """The text without control characters and undecodable bytes, which XML and UTF-8 do not take; long ones are cut."""
    return UNWRITABLE.sub("\ufffd", text[:LONGEST_TEXT])
