"""Trust lists: the certificates that a C2PA manifest may be signed under. Nobody else is trusted, and none is built in."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from oddpixel.counting import counted
from oddpixel.errors import UsageError

BEGIN = "-----BEGIN CERTIFICATE-----"


@dataclass(frozen=True)
class TrustList:
    """One file of certificates.

    Arguments:
        name: of the file, without its folder.
        pem: its text.
    """

    name: str
    pem: str

    @property
    def described(self) -> str:
        """The list as a report names it: name, number of certificates, hash of its text."""
        digest = hashlib.sha256(self.pem.encode()).hexdigest()
        return f"{self.name}: {counted(self.pem.count(BEGIN), 'certificate')}, SHA-256 {digest}"


def read_trust_lists(paths: Sequence[Path]) -> tuple[TrustList, ...]:
    """Read files of PEM certificates. Raises: UsageError."""
    return tuple(_read(path) for path in paths)


def joined(lists: Sequence[TrustList]) -> str | None:
    """The PEM text of all lists; None without any."""
    return "\n".join(each.pem.strip() for each in lists) + "\n" if lists else None


def _read(path: Path) -> TrustList:
    try:
        text = path.read_text("ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read as PEM certificates: {error}") from error
    if BEGIN not in text:
        raise UsageError(f"{path} holds no PEM certificate")
    return TrustList(path.name, text)
