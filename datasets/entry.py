"""One file of a source, before it is opened: its name, its location, and what its source declares about it."""

from __future__ import annotations

import os
import stat
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from oddpixel.errors import CorruptFile, MissingFile, NotPermitted, OddPixelError, TooLarge, UnreadableInput, UnsafePath

from .limits import Limits
from .remote import Remote

# An archive member that inflates more than this is a bomb; deflate itself ends at about 1,030.
MAX_INFLATION = 1_100


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A file that a source lists.

    Arguments:
        name: unique in its source and stable: a path relative to the source's root, `archive.zip/member` in archives.
        path: the file to open (the archive, for a member).
        member: the archive member's name, or None.
        group, label: what a manifest, a corpus or a layout says; None where nothing does.
        mask: the file with the mask of what is odd in it.
        role: `train`, `validation` or `test`, where the source was split by its makers.
        series: what is known of the DICOM series it lies in.
        error: why it cannot be read, where that was already seen while listing.
        inside: the folder that it must still lie in when it is opened.
        remote: where it is, if not on this machine: then `path` is where it lies once it was fetched.
    """

    name: str
    path: Path
    member: str | None = None
    group: str | None = None
    label: str | None = None
    mask: str | None = None
    role: str | None = None
    series: dict[str, Any] | None = None
    error: UnreadableInput | None = None
    inside: Path | None = None
    remote: Remote | None = None

    @property
    def identity(self) -> str:
        """The name, with group, label and role where any is set: another group makes another run."""
        declared = (self.group, self.label, self.role)
        if declared == (None, None, None):
            return self.name
        return "\t".join((self.name, *(value or "" for value in declared)))

    def open(self, limits: Limits) -> BinaryIO:
        """Open the file, or the archive member in memory, for reading. Raises: UnreadableInput."""
        if self.error is not None:
            raise self.error
        if self.remote is not None:
            self.remote.fetch(limits)
        return self._open_file() if self.member is None else self._open_member(limits)

    def _open_file(self) -> BinaryIO:
        file = open_regular(self.path)
        if self.inside is not None and not _lies_in(file, self.inside):
            file.close()
            raise UnsafePath("a folder above the file was replaced by a link out of the tree after it was listed")
        return file

    def _open_member(self, limits: Limits) -> BinaryIO:
        """Inflate an archive member into anonymous memory, never into the file system."""
        try:
            with self._open_file() as file, zipfile.ZipFile(file) as archive:
                info = archive.getinfo(str(self.member))
                if info.flag_bits & 1:
                    raise CorruptFile("the archive member is encrypted; unpack it first")
                limits.check_bytes(info.file_size)
                if info.file_size > MAX_INFLATION * max(info.compress_size, 1):
                    raise TooLarge(f"inflates from {info.compress_size} to {info.file_size} bytes: an archive bomb")
                with archive.open(info) as member:
                    return _to_memory(member, info.file_size)
        except (OddPixelError, MemoryError):
            raise
        except Exception as error:  # zlib.error, LZMAError, struct.error, ...: each method of compression has its own
            raise CorruptFile(f"the archive member cannot be read: {type(error).__name__}: {error}") from error


def open_regular(path: Path) -> BinaryIO:
    """Open a regular file. Never waits on a pipe, never follows a link put there since the folder was listed.

    Raises: MissingFile, NotPermitted, UnsafePath.
    """
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
    try:
        descriptor = os.open(path, flags)
    except FileNotFoundError as error:
        raise MissingFile("no such file") from error
    except PermissionError as error:
        raise NotPermitted(f"may not be read ({error.strerror}); ask its owner for permission to read it") from error
    except OSError as error:
        if path.is_symlink():
            raise UnsafePath("the file was replaced by a link after the folder was listed") from error
        raise MissingFile(f"cannot be opened: {error.strerror}") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise UnsafePath("not a regular file")
    return os.fdopen(descriptor, "rb")


def _lies_in(file: BinaryIO, folder: Path) -> bool:
    """Whether the opened file lies in the folder, by the system's own name for it (Linux); True where it has none."""
    try:
        return Path(os.readlink(f"/proc/self/fd/{file.fileno()}")).is_relative_to(folder)
    except OSError:
        return True


def _to_memory(member: Any, size: int) -> BinaryIO:
    memory: Any = (
        os.fdopen(os.memfd_create("member", os.MFD_CLOEXEC), "w+b")
        if hasattr(os, "memfd_create")
        else tempfile.TemporaryFile()  # noqa: SIM115 -- the caller closes it
    )
    written = 0
    try:
        while block := member.read(2**20):
            written += len(block)
            if written > size:  # the directory lied about the size
                raise TooLarge(f"inflates beyond the {size} bytes that the archive declares")
            memory.write(block)
        memory.seek(0)
    except BaseException:
        memory.close()
        raise
    opened: BinaryIO = memory
    return opened
