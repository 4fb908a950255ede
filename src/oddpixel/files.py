"""Permissions of new files: those that the person's umask leaves, also where a file is written under another name first."""

from __future__ import annotations

import os


def _umask() -> int:
    """Asked once, while the process has one thread: asking means setting it."""
    umask = os.umask(0o077)
    os.umask(umask)
    return umask


NEW_FILE_MODE = 0o666 & ~_umask()
