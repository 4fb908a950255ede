"""What was sent: files by their SHA-256, and the folders that jobs write their results to."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import BinaryIO

from oddpixel.errors import TooLarge, UnsafePath

CHUNK = 2**20
READY = "ready"  # a folder with a file for each worker that has loaded its models, named by its process
SECONDS_KEPT = 3600.0  # of a file that no job is about: its job may be about to be accepted


@dataclass
class _Incoming:
    """A file on its way in."""

    file: BinaryIO
    digest: hashlib._Hash = field(default_factory=hashlib.sha256)
    size: int = 0

    def write(self, part: bytes, most_bytes: int) -> None:
        """Raises: TooLarge."""
        self.size += len(part)
        if self.size > most_bytes:
            raise TooLarge(f"more than {most_bytes / 1e6:g} MB were sent; the service takes no more")
        self.digest.update(part)
        self.file.write(part)

    @property
    def name(self) -> str:
        """What the file is known by."""
        return self.digest.hexdigest()


def _flush(folder: Path) -> None:
    """Have a folder's entries on the disk, too."""
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


class Spool:
    """A folder of its own for one service."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for part in ("files", "results", "arriving"):
            (folder / part).mkdir(parents=True, exist_ok=True)

    async def take(self, parts: AsyncIterator[bytes], most_bytes: int) -> str:
        """Keep what comes, and return its SHA-256 once it is on the disk. Raises: TooLarge, OSError."""
        with self._incoming() as incoming:
            async for part in parts:
                incoming.write(part, most_bytes)
        return incoming.name

    @property
    def arriving(self) -> Path:
        """Where others may write what `keep` then takes."""
        return self.folder / "arriving"

    def keep(self, path: Path, most_bytes: int) -> str:
        """Keep a file, and return its SHA-256 once it is on the disk; its own name may be unlinked afterwards.

        On another disk than the spool it is copied; in `arriving` it is not. Raises: TooLarge, OSError.
        """
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_size > most_bytes:
                raise TooLarge(f"more than {most_bytes / 1e6:g} MB were sent; the service takes no more")
            name = hashlib.file_digest(file, "sha256").hexdigest()
            os.fsync(file.fileno())
        kept = self.file(name)
        kept.parent.mkdir(exist_ok=True)
        try:
            os.link(path, kept)
        except FileExistsError:
            os.utime(kept)  # known, and wanted again
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            with path.open("rb") as source:
                return self.made(partial(shutil.copyfileobj, source))
        _flush(kept.parent)
        return name

    def flush(self, job: str, names: Iterable[str]) -> None:
        """Have some files of a job's results on the disk, so that they are whole when the database says so. Raises: OSError."""
        for folder in {self._flushed(self.results(job) / name) for name in names}:
            _flush(folder)

    @staticmethod
    def _flushed(path: Path) -> Path:
        with path.open("rb") as file:
            os.fsync(file.fileno())
        return path.parent

    def made(self, write: Callable[[BinaryIO], None]) -> str:
        """Keep what is written to a file, and return its SHA-256 once it is on the disk. Raises: OSError."""
        with self._incoming() as incoming:
            write(incoming.file)
            incoming.file.seek(0)
            while chunk := incoming.file.read(CHUNK):
                incoming.digest.update(chunk)
        return incoming.name

    @contextmanager
    def _incoming(self) -> Iterator[_Incoming]:
        number, temporary = tempfile.mkstemp(dir=self.folder / "files", prefix=".", suffix=".part")
        try:
            with os.fdopen(number, "w+b") as file:
                incoming = _Incoming(file)
                yield incoming
                file.flush()
                os.fsync(file.fileno())
            path = self.file(incoming.name)
            path.parent.mkdir(exist_ok=True)
            Path(temporary).replace(path)
            _flush(path.parent)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise

    def file(self, sha256: str) -> Path:
        """Where a file lies."""
        return self.folder / "files" / sha256[:2] / sha256

    def results(self, job: str) -> Path:
        """The folder of a job's results."""
        return self.folder / "results" / job

    def result(self, job: str, name: str) -> Path:
        """One file of a job's results. Raises: UnsafePath for a name that leads elsewhere."""
        folder = self.results(job).resolve()
        path = (folder / name).resolve()
        if not path.is_relative_to(folder) or not path.is_file():
            raise UnsafePath("the job has no such file")
        return path

    def sweep(self, wanted: Collection[str], jobs: Callable[[], Collection[str]]) -> None:
        """Drop results of jobs that are no more, whatever became of them, and files that no job is about.

        Arguments:
            wanted: the files that jobs are about.
            jobs: gives all jobs there are, asked after the results were listed: those of a job that comes meanwhile stay.
        """
        before = time.time() - SECONDS_KEPT
        folders = list((self.folder / "results").glob("*"))
        known = jobs()
        for folder in folders:
            if folder.name not in known:
                shutil.rmtree(folder, ignore_errors=True)
        for path in self.arriving.glob("*"):  # left by connections that broke
            if path.stat().st_mtime < before:
                path.unlink(missing_ok=True)
        for folder in (self.folder / "given").glob("*"):  # left by workers that were killed
            if folder.stat().st_mtime < before:
                shutil.rmtree(folder, ignore_errors=True)
        for path in (self.folder / "files").rglob("*"):
            if path.is_file() and path.name not in wanted and path.stat().st_mtime < before:
                path.unlink(missing_ok=True)
