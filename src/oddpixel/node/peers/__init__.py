"""Other nodes, found by their address: one way to speak to them a file, with a `PEERS`.

AET@host:port                 DIMSE
https://host/dicom-web        DICOMweb
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from oddpixel.discover import discover
from oddpixel.errors import UsageError

if TYPE_CHECKING:
    from ..credentials import Credentials


@runtime_checkable
class Peer(Protocol):
    """Another node."""

    def store(self, paths: Sequence[Path]) -> Iterator[Path]:
        """Send objects, each yielded once it was taken. Raises: PeerError at the first that was not."""

    def find(self, keys: Mapping[str, str]) -> list[dict[str, str]]:
        """Studies that match (keys by DICOM keyword, wildcards as in PS3.4 C.2.2.2). Raises: PeerError."""

    def retrieve(self, study: str, keep: Callable[[bytes], Any]) -> int:
        """Hand every image of a study over, as a file's bytes; how many. Raises: PeerError."""

    def move(self, study: str, title: str) -> int:
        """Have every image of a study sent to the node of that title; how many it took. Raises: PeerError, UsageError."""


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Who we are for others."""

    aet: str = "ODDPIXEL"
    credentials: Credentials | None = None
    token: str | None = None


@dataclass(frozen=True)
class Kind:
    """One way to speak to others.

    Arguments:
        parse: the peer of an address; None where it is not one of this kind. Raises: UsageError.
    """

    parse: Callable[[str, Caller], Peer | None]


# Modalities whose objects are no images (PS3.3 C.7.3.1.1.1). A peer that has one of them in a study may refuse the whole study
# to whoever does not take it.
NO_IMAGES = frozenset(
    (
        "SR",
        "SEG",
        "PR",
        "KO",
        "DOC",
        "PLAN",
        "REG",
        "FID",
        "AU",
        "ECG",
        "HD",
        "EPS",
        "RTSTRUCT",
        "RTPLAN",
        "RTRECORD",
        "RTDOSE",
    )
)
STUDY_KEYS = (
    "StudyInstanceUID", "StudyDate", "StudyDescription", "ModalitiesInStudy", "PatientID", "AccessionNumber",
    "NumberOfStudyRelatedInstances",
)  # fmt: skip


@cache
def kinds() -> dict[str, Kind]:
    """All kinds by name."""
    by_name: dict[str, Kind] = discover(__name__, "PEERS")
    return by_name


def peer_of(address: str, caller: Caller) -> Peer:
    """The peer of an address. Raises: UsageError."""
    for kind in kinds().values():
        if (peer := kind.parse(address, caller)) is not None:
            return peer
    raise UsageError(f"{address} is no address of a DICOM node: give AET@host:port or https://host/path")


def in_words(value: Any) -> str:
    """The value of an element as text; several with commas."""
    several = isinstance(value, Sequence) and not isinstance(value, str)
    return ", ".join(map(str, value)) if several else str(value or "")
