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
import http.client
import os
import re
import shutil
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from oddpixel.errors import MissingFile, NotPermitted, OddPixelError, TooLarge, UsageError

from .limits import Limits

STORES = ("s3", "gs", "gcs", "az", "abfs", "abfss", "adl")
WEB = ("http", "https")
SIGNATURES = {
    "X-Amz-Signature",
    "X-Amz-Security-Token",
    "X-Goog-Signature",
    "Signature",
    "sig",
    "access_token",
    "token",
}
SCHEME = re.compile(rf"({'|'.join((*STORES, *WEB))})://", re.IGNORECASE)
SECONDS = 20.0  # without a word of a server
TRIES, PAUSE = 2, 1.0
PATIENT_SECONDS, LEAST_RATE = 60.0, 10_000  # from then on a server must have sent so many bytes a second
LEAST_ROOM = 500_000_000  # bytes that are left free on the disk
OF_STORE = {
    "s3": {"config_kwargs": {"connect_timeout": SECONDS, "read_timeout": SECONDS, "retries": {"max_attempts": 2}}}
}
VERSIONS = ("ETag", "etag", "content_md5", "md5Hash", "LastModified", "last_modified", "updated", "mtime")
YOUNG, LEFT_OVER = 600.0, 3600.0  # seconds: of files that are not swept, and of parts that nobody writes any more
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
        listed: stands for the version where it tells nothing: what was listed anew is fetched anew.
    """

    url: str
    size: int | None = None
    version: str = ""
    listed: str = field(default_factory=lambda: uuid.uuid4().hex, compare=False, repr=False)

    @property
    def path(self) -> Path:
        """Where it lies here once it is fetched: another version is another file."""
        key = hashlib.sha256(f"{self.url}\n{self.version or self.listed}".encode()).hexdigest()[:16]
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
                with self._opened() as source:
                    _copied(source, file, limits)
                if self.size is not None and file.tell() != self.size:
                    raise OSError(f"{file.tell()} of {self.size} bytes came")
                return
            except OddPixelError:
                raise
            except FileNotFoundError as error:
                raise MissingFile("there is no such file there, or no more") from error
            except PermissionError as error:
                raise NotPermitted("the server does not let you read it; check your credentials") from error
            except Exception as error:  # of libraries of stores, each its own
                if getattr(error, "errno", None) in NO_ROOM:
                    raise
                if attempt == TRIES:
                    raise MissingFile(f"it could not be fetched: {_said(error)}") from error
                time.sleep(PAUSE * 2**attempt)

    @contextmanager
    def _opened(self) -> Iterator[Any]:
        """The file for reading; at the end it must be the version that was listed. Raises: MissingFile."""
        if urlsplit(self.url).scheme.lower() in WEB:
            with _asked(self.url) as answer:
                self._check_version(_version_by(answer))
                yield answer
            return
        system, path = file_system(self.url)
        with system.open(path, "rb") as file:
            yield file
        system.invalidate_cache()
        self._check_version(version_of(system.info(path)))

    def _check_version(self, version: str) -> None:
        if self.version and version != self.version:
            raise MissingFile("it changed since it was listed; list it again")


def version_of(about: Mapping[str, Any]) -> str:
    """What a store says of an object that changes with its content."""
    return next((str(about[each]) for each in VERSIONS if about.get(each)), "")


def is_remote(place: str) -> bool:
    """Whether a place is an address of another machine."""
    return SCHEME.match(place) is not None


def spool() -> Path:
    """The folder of what was fetched."""
    given = os.environ.get("ODDPIXEL_SPOOL")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(given) if given else cache / "oddpixel" / "spool"


def file_system(url: str) -> tuple[Any, str]:
    """fsspec's file system of an object store, and the path in it. Raises: UsageError."""
    import fsspec

    scheme = urlsplit(url).scheme.lower()
    try:
        system = fsspec.filesystem(scheme, **OF_STORE.get(scheme, {}))
    except ImportError as error:
        raise UsageError(f"{scheme}:// is not installed: {error}") from error
    return system, system._strip_protocol(url)  # not `url_to_fs`, which takes :: for a chain of systems


def spool_bytes() -> int:
    """How much the spool may hold. Raises: UsageError."""
    given = os.environ.get("ODDPIXEL_SPOOL_GB", "20")
    try:
        return int(float(given) * GIGABYTE)
    except (ValueError, OverflowError) as error:
        raise UsageError(f"ODDPIXEL_SPOOL_GB is {given!r}; give gigabytes, such as 20") from error


def check_address(url: str) -> None:
    """Raises: UsageError for credentials in an address, and for a host that is not allowed."""
    try:
        address = urlsplit(url)
        host = address.hostname
    except ValueError as error:
        raise UsageError(f"{url} is no address: {error}") from error
    named, at, _ = address.netloc.rpartition("@")
    if at and (":" in named or not address.scheme.lower().startswith(("ab", "az", "adl"))):  # container@account is fine
        raise UsageError(
            f"{address.scheme}://: credentials belong into the environment, not into an address that runs keep"
        )
    if address.scheme.lower() not in WEB:
        return
    if signed := sorted({name for name, _ in parse_qsl(address.query)} & SIGNATURES):
        raise UsageError(
            f"the address is signed ({signed[0]}), and runs keep addresses; fetch the file, or name it "
            "in its store (s3://, gs://, az://)"
        )
    allowed = [each.strip().lower() for each in os.environ.get("ODDPIXEL_HOSTS", "").split(",") if each.strip()]
    if not host or host.lower() not in allowed:
        raise UsageError(
            f"{host or url} is not among the hosts that may be asked; name it in ODDPIXEL_HOSTS, without a port"
        )


def by_http(url: str) -> Remote:
    """A file at an address, with what its server says of it. Raises: UsageError, OSError."""
    with _asked(url, "HEAD") as answer:
        length = answer.headers.get("content-length") or ""
        version = _version_by(answer)
    return Remote(url, int(length) if length.isdecimal() else None, version)


def _version_by(answer: Any) -> str:
    return answer.headers.get("etag") or answer.headers.get("last-modified") or ""


class _Staying(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, request: Any, *given: Any) -> Any:
        new = super().redirect_request(request, *given)
        try:
            if new is not None:
                if urlsplit(new.full_url).scheme.lower() not in WEB:
                    raise NotPermitted("it leads elsewhere: to another protocol")
                check_address(new.full_url)
        except UsageError as error:
            raise NotPermitted(f"it leads elsewhere: {error}") from error
        return new


def _asked(url: str, method: str = "GET") -> Any:
    check_address(url)
    try:
        request = urllib.request.Request(quote(url, safe="%/:=&?~+!$,;'@()*[]"), method=method)
        return urllib.request.build_opener(_Staying).open(request, timeout=SECONDS)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code in (404, 410):
            raise FileNotFoundError(error.code) from error
        if error.code in (401, 403):
            raise PermissionError(error.code) from error
        raise OSError(f"the server answered {error.code}") from error
    except (http.client.HTTPException, ValueError) as error:
        raise OSError(f"the server does not speak HTTP, or the address is none: {type(error).__name__}") from error


def _copied(source: Any, file: Any, limits: Limits) -> None:
    written, checked, started = 0, 0, time.monotonic()
    read = getattr(source, "read1", source.read)  # of a server that sends byte by byte: what is there
    while block := read(BLOCK):
        written += len(block)
        if written > limits.max_file_bytes:
            raise TooLarge(f"it has more than {limits.max_file_bytes / 2**30:.1f} GiB")
        spent = time.monotonic() - started
        if spent > PATIENT_SECONDS and written < spent * LEAST_RATE:
            raise MissingFile(f"its server sends less than {LEAST_RATE / 1000:g} kB a second")
        if written - checked >= 64 * BLOCK:
            checked = written
            if shutil.disk_usage(Path(file.name).parent).free < LEAST_ROOM:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        file.write(block)


def _said(error: Exception) -> str:
    """The kind of an error, and of those of the system the words: of a library's, they may name what is nobody's business."""
    reason = getattr(error, "reason", None) or error
    return f"{type(error).__name__}: {reason}" if isinstance(error, OSError) else type(error).__name__


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
        sweep(spool_bytes())


def sweep(most_bytes: int) -> None:
    """Remove what was wanted least lately until the spool holds no more than that, or only what was wanted just now."""
    files, now = [], time.time()
    for folder in spool().glob("*"):
        with contextlib.suppress(OSError):
            for path in folder.rglob("*"):
                if not path.is_file():
                    continue
                state = path.stat()
                if path.suffix == ".part" and now - state.st_mtime > LEFT_OVER:
                    path.unlink()
                else:
                    files.append((state.st_mtime, state.st_size, folder))
    total = sum(size for _, size, _ in files)
    for wanted, size, folder in sorted(files, key=lambda each: each[0]):
        if total <= most_bytes or now - wanted < YOUNG:  # somebody may be about to open it
            return
        shutil.rmtree(folder, ignore_errors=True)
        total -= size
