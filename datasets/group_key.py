"""The key that turns patient identifiers into group ids. It never leaves this machine.

Taken from the environment variable `ODDPIXEL_GROUP_KEY`, else from a file made on first use and readable by its owner
alone. The same key gives the same ids, so share it (and guard it) where several machines score one study.
"""

from __future__ import annotations

import logging
import os
import secrets
from functools import cache
from pathlib import Path

logger = logging.getLogger(__name__)


@cache
def group_key() -> bytes:
    """The secret key for group ids, 32 bytes or more."""
    if key_text := os.environ.get("ODDPIXEL_GROUP_KEY"):
        return key_text.encode()
    path = key_path()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        new = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_bytes()
    except OSError as error:
        logger.warning("group ids will differ in the next run: the key cannot be kept in %s (%s)", path, error)
        return secrets.token_bytes(32)
    with os.fdopen(new, "wb") as file:
        key = secrets.token_bytes(32)
        file.write(key)
    return key


def key_path() -> Path:
    """Where the key is kept: `$XDG_CONFIG_HOME/oddpixel/group.key`."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "oddpixel" / "group.key"
