"""One file as the checks see it: its bytes, its samples as stored, its JPEG coefficients. Nothing of it is ever changed.

Samples are what the file says, neither turned upright nor brought to sRGB: both would disturb the traces that checks look
for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Float32, UInt8

from oddpixel.datasets.coefficients import Coefficients
from oddpixel.datasets.entry import Entry
from oddpixel.datasets.limits import Limits
from oddpixel.datasets.sandbox import Decoder, Pixels
from oddpixel.errors import CorruptFile, UnreadableInput, UnsupportedFormat

from .facts import container
from .gate import Gate

Answer = TypeVar("Answer")
VIDEO = "video"
NO_VIDEO = "a video: it has no one picture that could be an exhibit; `audit_entry` audits its time line"
LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601, as JFIF has it


@dataclass(frozen=True, eq=False)
class Exhibit:
    """One image file under examination, read-only, with what is computed from it once for all checks.

    Arguments:
        name: as the source calls it.
        content: the file's bytes.
        pixels: grey levels 0..255 as stored (deeper samples keep their fractions), read-only.
        bits: stored depth.
        coefficients: of a JPEG, else None.
        may_show_text: whether a name may be burned into the pixels: then no picture of it is written.
        num_pictures: that the file holds; only the first is examined.
        used_bits: where a container of 16 holds fewer, as a camera's raw 10 or 12; else None.
        part_of: the whole, of a tile: its gate decides what applies.
    """

    name: str
    content: bytes
    pixels: Float32[np.ndarray, "h w c"]
    bits: int = 8
    coefficients: Coefficients | None = None
    may_show_text: bool = False
    num_pictures: int = 1
    used_bits: int | None = None
    part_of: Exhibit | None = field(default=None, repr=False)
    _kept: dict[str, Any] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        self.pixels.flags.writeable = False

    @property
    def size(self) -> tuple[int, int]:
        """The height and width in pixels."""
        return self.pixels.shape[0], self.pixels.shape[1]

    @cached_property
    def sha256(self) -> str:
        """The hash of the file's bytes, in hexadecimal."""
        return hashlib.sha256(self.content).hexdigest()

    @cached_property
    def sha512(self) -> str:
        """The SHA-512 of the file's bytes, in hexadecimal."""
        return hashlib.sha512(self.content).hexdigest()

    @property
    def num_bytes(self) -> int:
        """The size of the file."""
        return len(self.content)

    @property
    def picture(self) -> UInt8[np.ndarray, "h w *c"]:
        """The image as a report shows it: 8 bits, one plane where it has one channel."""
        grey = np.rint(np.clip(self.pixels, 0, 255)).astype(np.uint8)
        picture: np.ndarray = grey[..., 0] if grey.shape[2] == 1 else grey
        return picture

    @property
    def seed(self) -> int:
        """A seed from the file's hash, so that whatever is drawn for this file is drawn alike each time."""
        return int(self.sha256[:8], 16)

    @property
    def container(self) -> str | None:
        """The file format by its first bytes, such as `JPEG`; None where unknown."""
        return container(self.content)

    @cached_property
    def luma(self) -> Float32[np.ndarray, "h w"]:
        """The brightness in grey levels, 0..255."""
        return np.ascontiguousarray(self.pixels[..., 0] if self.pixels.shape[2] == 1 else self.pixels @ LUMA)

    @cached_property
    def gate(self) -> Gate:
        """The gate's measurements: the kind of file, and its stratum."""
        return Gate.of(self) if self.part_of is None else self.part_of.gate

    def once(self, name: str, measure: Callable[[Exhibit], Answer]) -> Answer:
        """The value that `measure` computes of this exhibit, computed once and shared by all checks."""
        if name not in self._kept:
            self._kept[name] = measure(self)
        kept: Answer = self._kept[name]
        return kept


def read_exhibit(entry: Entry, decoder: Decoder, limits: Limits) -> Exhibit:
    """The exhibit of a file's first picture, decoded in the sandbox.

    Raises: UnreadableInput, UnsupportedFormat for video.
    """
    try:
        with entry.open(limits) as file:
            content = file.read()
            file.seek(0)
            limits.check_bytes(len(content))
            facts = decoder.open(file, entry.member or entry.path.name)
            if facts.header.format == VIDEO:
                raise UnsupportedFormat(NO_VIDEO)
            stored = decoder.as_stored()
            try:
                coefficients = decoder.coefficients()
            except UnreadableInput:
                # A damaged file may still be seen: what needs coefficients abstains. The decoder may have died of it.
                coefficients = None
                file.seek(0)
                decoder.open(file, entry.member or entry.path.name)
    except OSError as error:
        raise CorruptFile(f"cannot be read: {error}") from error
    if stored.unit != "display":
        raise UnreadableInput(
            f"its samples are in {stored.unit}, not those of a display image; only display images can be audited"
        )
    may_show_text = "text_in_pixels" in facts.header.meta
    return Exhibit(
        entry.name, content, _grey_levels(stored), stored.bits, coefficients, may_show_text, facts.header.frames,
        stored.meta.get("used_bits"),
    )  # fmt: skip


def exhibit_of(content: bytes, name: str = "image") -> Exhibit:
    """The exhibit of bytes that the caller made, decoded in this process."""
    import io
    import tempfile

    from oddpixel.datasets.sandbox import DirectDecoder

    decoder = DirectDecoder(Limits(), b"", any_suffix=True)
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.seek(0, io.SEEK_SET)
        decoder.open(file, name)
        stored, coefficients = decoder.as_stored(), decoder.coefficients()
    return Exhibit(
        name, content, _grey_levels(stored), stored.bits, coefficients, used_bits=stored.meta.get("used_bits")
    )


def _grey_levels(stored: Pixels) -> Float32[np.ndarray, "h w c"]:
    """0..255; of a container of 16 bits that holds fewer, the largest value of those is white."""
    white = stored.meta["display"]["value"][1] if "used_bits" in stored.meta else 1.0
    pixels: np.ndarray = np.ascontiguousarray(stored.array.transpose(1, 2, 0)) * np.float32(255 / white)
    return np.rint(pixels) if stored.bits == 8 else pixels
