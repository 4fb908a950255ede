"""Files of a folder that people hand on (a run, a detector), by the names that its records hold.

A record may name any file of this machine. Only a regular file inside the folder is opened: no absolute path, no `..`, no link
that leads out, no pipe that never ends, no device.
"""

from __future__ import annotations

from pathlib import Path

from oddpixel.errors import MissingFile, TooLarge, UnsafePath

MOST_BYTES = 64 * 2**20  # of one file that is read whole
LONGEST_NAME = 200  # characters of a name that a message repeats


def file_inside(folder: Path, name: str) -> Path:
    """The regular file of that name in the folder.

    Raises: UnsafePath where the name leads out of the folder, MissingFile where it is no regular file.
    """
    shown = repr(name[:LONGEST_NAME])
    try:
        root = folder.resolve()
        path = (root / name).resolve()
        if not path.is_relative_to(root):
            raise UnsafePath(
                f"a record of {folder.name} names {shown}, which lies outside of that folder; it is not opened"
            )
        if path.is_file():
            return path
    except (OSError, ValueError, RuntimeError) as error:  # a name that no file system takes, a link to itself
        raise MissingFile(f"a record of {folder.name} names {shown}, which is not a file name") from error
    raise MissingFile(f"a record of {folder.name} names {shown}, and there is no such file")


def bytes_inside(folder: Path, name: str) -> bytes:
    """The bytes of the regular file of that name in the folder. Raises: UnsafePath, MissingFile, TooLarge."""
    path = file_inside(folder, name)
    if (size := path.stat().st_size) > MOST_BYTES:
        raise TooLarge(f"{name} has {size >> 20} MiB, over the cap of {MOST_BYTES >> 20} MiB for one file of a record")
    try:
        return path.read_bytes()
    except OSError as error:
        raise MissingFile(f"{name} cannot be read: {error.strerror}") from error
