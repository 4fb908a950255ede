"""A video under examination: what the report needs of it. Its bytes are hashed as they are read and never held whole."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float32, UInt8

from oddpixel.datasets.containers import container_of
from oddpixel.datasets.entry import Entry
from oddpixel.datasets.limits import Limits
from oddpixel.datasets.sandbox import FileFacts

from .event import Event
from .shots import Shot

VIDEO = "video"  # the format, and the name under which tests of time lines are audited
AT_ONCE = 2**20
MOST_DAMAGED = 0.1  # of the frames
PICTURES = "the pictures inside the frames (no test of pictures was calibrated on video), and sound"


@dataclass(frozen=True)
class FilmGate:
    """What was measured of a video before any test.

    Arguments:
        width, height, container: of the file.
        codec, frames, seconds, frames_per_second: of its first video stream.
        damaged: frames that were decoded with errors.
    """

    width: int
    height: int
    container: str | None
    codec: str
    frames: int
    seconds: float
    frames_per_second: float
    damaged: int

    stratum = reference = VIDEO
    too_small = foreign = None

    @property
    def degraded(self) -> str | None:
        """Why a negative result would mean nothing for this film, or None."""
        share = self.damaged / max(self.frames, 1)
        return f"damaged: {share:.0%} of the frames were decoded with errors" if share > MOST_DAMAGED else None

    @property
    def not_examined(self) -> str:
        """What no test examined."""
        return f"not examined: {PICTURES}"

    def as_json(self) -> dict[str, Any]:
        """The measurements as they stand in the report."""
        return asdict(self) | {"reference": self.reference}


@dataclass(frozen=True, eq=False)
class Film:
    """One video file, and what was found along its time line.

    Arguments:
        pixels: the frame that stands for the film, grey levels 0..255.
        picture: the film strip of the report.
        starts: when the events begin, in seconds.
    """

    name: str
    sha256: str
    sha512: str
    num_bytes: int
    container: str | None
    gate: FilmGate
    pixels: Float32[np.ndarray, "h w c"]
    picture: UInt8[np.ndarray, "y x 3"]
    shots: list[Shot] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    starts: list[float] = field(default_factory=list)
    bits: int = 8

    may_show_text = False

    @property
    def size(self) -> tuple[int, int]:
        """The height and width in pixels."""
        return self.pixels.shape[0], self.pixels.shape[1]

    @property
    def seed(self) -> int:
        """A seed from the file's hash, as for pictures; no test of time lines draws anything."""
        return int(self.sha256[:8], 16)

    @cached_property
    def as_json(self) -> dict[str, Any]:
        """The time line as it stands in the report."""
        events = [vars(event) | {"start_s": start} for event, start in zip(self.events, self.starts, strict=True)]
        return {"shots": [vars(shot) for shot in self.shots], "events": events}


@dataclass(frozen=True)
class Digests:
    """Hashes and size of a file, its container by its first bytes, and how many bytes it has."""

    sha256: str
    sha512: str
    num_bytes: int
    container: str | None

    @classmethod
    def of(cls, entry: Entry, limits: Limits) -> Digests:
        """Read the file once, a megabyte at a time. Raises: UnreadableInput, OSError."""
        sha256, sha512, size, head = hashlib.sha256(), hashlib.sha512(), 0, b""
        with entry.open(limits) as file:
            while block := file.read(AT_ONCE):
                head = head or block[:64]
                sha256.update(block)
                sha512.update(block)
                size += len(block)
        kind = container_of(head)
        return cls(sha256.hexdigest(), sha512.hexdigest(), size, None if kind is None else kind.name)


def gate_of(opened: FileFacts, container: str | None, frames: int, seconds: float, damaged: int) -> FilmGate:
    """The gate of an opened video whose time line was read."""
    header, meta = opened.header, opened.header.meta
    return FilmGate(
        header.width, header.height, container or str(meta["container"]), str(meta["codec"]), frames, round(seconds, 3),
        float(meta["frames_per_second"]), damaged,
    )  # fmt: skip
