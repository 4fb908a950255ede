"""Files that are elsewhere: S3, Google Cloud, Azure, HTTP. Each is spooled to this machine when it is first opened.

    entry.remote    where it is; `Entry.path` is where it lies here, once it was fetched
    spool           $ODDPIXEL_SPOOL, else $XDG_CACHE_HOME/oddpixel/spool; the oldest leave it beyond $ODDPIXEL_SPOOL_GB (20)

Object stores are reached by fsspec, with the credentials of their own environment variables and files. HTTP is asked of the hosts
in $ODDPIXEL_HOSTS alone, and follows no redirect to another: an address in a list is no reason to reach into a network.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import shutil
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from oddpixel.errors import MissingFile, NotPermitted, OddPixelError, TooLarge, UsageError

from .limits import Limits

STORES = ("s3", "gs", "gcs", "az", "abfs", "abfss", "adl")
WEB = ("http", "https")
SCHEME = re.compile(rf"({'|'.join((*STORES, *WEB))})://", re.IGNORECASE)
SECONDS = 60.0  # without a word of a server
TRIES, PAUSE = 3, 0.5
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
BLOCK = 2**20
LONGEST_PART = 100  # characters of a folder's or file's name in the spool
GIGABYTE = 10**9
SWEPT_EVERY = 64  # files fetched by a process
_fetched = 0


@dataclass(frozen=True)
class Remote:
    """A file elsewhere.

    Arguments:
        url: with its scheme.
        size: in bytes; None where the server does not say.
        version: changes with the content, as far as the server tells.
    """

    url: str
    size: int | None = None
    version: str = ""

    @property
    def path(self) -> Path:
        """Where it lies here once it is fetched: another version is another file."""
        key = hashlib.sha256(f"{self.url}\n{self.version}".encode()).hexdigest()[:16]
        parts = self.url.partition("://")[2].split("/")  # a key of a store may hold ? and #
        if (address := urlsplit(self.url)).scheme.lower() in WEB:
            parts = [address.netloc, *unquote(address.path).split("/")]
        return spool() / key / Path(*(_safe(part) for part in parts if part))

    def fetch(self, limits: Limits) -> None:
        """Have it in the spool, whole. Raises: MissingFile, NotPermitted, TooLarge."""
        path = self.path
        if path.is_file():
            os.utime(path)  # it was wanted lately
            return
        if self.size is not None:
            limits.check_bytes(self.size)
        try:
            self._keep(path, limits)
        except OSError as error:
            raise MissingFile(
                f"it cannot be kept in {spool()} ({error.strerror}); name another folder in ODDPIXEL_SPOOL"
            ) from error
        _swept()

    def _keep(self, path: Path, limits: Limits) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", suffix=".part", delete=False) as file:
            try:
                self._write(file, limits)
                file.flush()
                Path(file.name).replace(path)
            except BaseException:
                Path(file.name).unlink(missing_ok=True)
                raise

    def _write(self, file: Any, limits: Limits) -> None:
        for attempt in range(1, TRIES + 1):
            file.seek(0)
            file.truncate()
            try:
                with opened(self.url) as source:
                    _copied(source, file, limits)
                if self.size is not None and file.tell() != self.size:
                    raise OSError(f"{file.tell()} of {self.size} bytes came")
                return
            except OddPixelError:
                raise
            except FileNotFoundError as error:
                raise MissingFile("it is no longer there") from error
            except PermissionError as error:
                raise NotPermitted("the server does not let you read it; check your credentials") from error
            except Exception as error:  # of libraries of stores, each its own
                if getattr(error, "errno", None) in NO_ROOM:
                    raise
                if attempt == TRIES:
                    raise MissingFile(f"it could not be fetched: {type(error).__name__}") from error
                time.sleep(PAUSE * 2**attempt)


def is_remote(place: str) -> bool:
    """Whether a place is an address of another machine."""
    return SCHEME.match(place) is not None


def spool() -> Path:
    """The folder of what was fetched."""
    given = os.environ.get("ODDPIXEL_SPOOL")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(given) if given else cache / "oddpixel" / "spool"


@contextmanager
def opened(url: str) -> Iterator[Any]:
    """A remote file for reading, from its beginning. Raises: UsageError, OSError, and what a store's library raises."""
    if urlsplit(url).scheme.lower() in WEB:
        with _asked(url) as answer:
            yield answer
        return
    system, path = file_system(url)
    with system.open(path, "rb") as file:
        yield file


def file_system(url: str) -> tuple[Any, str]:
    """fsspec's file system of an object store, and the path in it. Raises: UsageError."""
    import fsspec

    try:
        system, path = fsspec.url_to_fs(url)
    except ImportError as error:
        raise UsageError(f"{urlsplit(url).scheme}:// is not installed: {error}") from error
    return system, path


def check_address(url: str) -> None:
    """Raises: UsageError for credentials in an address, and for a host that is not allowed."""
    address = urlsplit(url)
    if "@" in address.netloc:
        raise UsageError(
            f"{address.scheme}://: credentials belong into the environment, not into an address that runs keep"
        )
    if address.scheme.lower() not in WEB:
        return
    allowed = [host.strip().lower() for host in os.environ.get("ODDPIXEL_HOSTS", "").split(",") if host.strip()]
    if (address.hostname or "").lower() not in allowed:
        raise UsageError(f"{address.hostname} is not among the hosts that may be asked; name it in ODDPIXEL_HOSTS")


def by_http(url: str) -> Remote:
    """A file at an address, with what its server says of it. Raises: UsageError, OSError."""
    with _asked(url, "HEAD") as answer:
        length = answer.headers.get("content-length") or ""
        version = answer.headers.get("etag") or answer.headers.get("last-modified") or ""
    return Remote(url, int(length) if length.isdecimal() else None, version)


class _Staying(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, request: Any, *given: Any) -> Any:
        new = super().redirect_request(request, *given)
        if new is not None:
            check_address(new.full_url)
        return new


def _asked(url: str, method: str = "GET") -> Any:
    check_address(url)
    request = urllib.request.Request(url, method=method)
    try:
        return urllib.request.build_opener(_Staying).open(request, timeout=SECONDS)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code in (404, 410):
            raise FileNotFoundError(error.code) from error
        if error.code in (401, 403):
            raise PermissionError(error.code) from error
        raise OSError(f"the server answered {error.code}") from error


def _copied(source: Any, file: Any, limits: Limits) -> None:
    written = 0
    while block := source.read(BLOCK):
        written += len(block)
        if written > limits.max_file_bytes:
            raise TooLarge(f"it has more than {limits.max_file_bytes / 2**30:.1f} GiB")
        file.write(block)


def _safe(part: str) -> str:
    """One name in the spool, whatever the key of an object holds; the suffix is kept."""
    plain = re.sub(r"[^\w.,=+ -]", "_", part).lstrip(".") or "_"
    if len(plain) <= LONGEST_PART:
        return plain
    suffixes = "".join(Path(plain).suffixes[-2:])[-20:]
    return f"{plain[: LONGEST_PART - 40]}-{hashlib.sha256(part.encode()).hexdigest()[:16]}{suffixes}"


def _swept() -> None:
    """Now and then, let the files that nobody wanted for longest leave a spool that is too large."""
    global _fetched
    _fetched += 1
    if _fetched % SWEPT_EVERY == 0:
        sweep(int(float(os.environ.get("ODDPIXEL_SPOOL_GB", "20")) * GIGABYTE))


def sweep(most_bytes: int) -> None:
    """Remove what was wanted least lately until the spool holds no more than that."""
    files = []
    for folder in spool().glob("*"):
        with contextlib.suppress(OSError):
            for path in folder.rglob("*"):
                if path.is_file():
                    state = path.stat()
                    files.append((state.st_mtime, state.st_size, folder))
    total = sum(size for _, size, _ in files)
    for _, size, folder in sorted(files, key=lambda each: each[0]):
        if total <= most_bytes:
            return
        shutil.rmtree(folder, ignore_errors=True)  # who reads a file goes on reading it
        total -= size
