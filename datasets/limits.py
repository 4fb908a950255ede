"""Caps on what one untrusted file may cost, checked from the header first and enforced by the operating system after.

The defaults let a 100-megapixel image pass and stop a 400-megapixel one.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from oddpixel.errors import TooLarge

# Finding the shots of a video decodes all of it: that many times the allowance of one frame.
SHOTS_FACTOR = 10


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What decoding one file may use.

    Arguments:
        max_pixels: width x height of one frame.
        max_frames: frames or pages of one file.
        max_file_bytes: size of the file itself (of an archive member: after inflation).
        memory_bytes: address space of a decoding worker; 150 MP in colour need about 3 GB on the way to float32.
        cpu_seconds: processor time for one frame.
        wall_seconds: waiting time for one answer of the worker.
        jobs_per_worker: files after which a worker is replaced, so that leaks cannot pile up.
    """

    max_pixels: int = 150_000_000
    max_frames: int = 100_000
    max_file_bytes: int = 4 * 2**30
    memory_bytes: int = 6 * 2**30
    cpu_seconds: int = 60
    wall_seconds: float = 120.0
    jobs_per_worker: int = 5_000

    def as_json(self) -> dict[str, Any]:
        """The caps as a JSON object."""
        return asdict(self)

    def check_size(self, width: int, height: int, frames: int = 1) -> None:
        """Check the pixels of one frame and the number of frames. Raises: TooLarge, naming the figure and the cap."""
        if width * height > self.max_pixels:
            raise TooLarge(
                f"{width} x {height} is {round(width * height / 1e6, 2):g} megapixels, over the cap of "
                f"{round(self.max_pixels / 1e6, 2):g}; raise max_pixels if you trust this file"
            )
        if frames > self.max_frames:
            raise TooLarge(
                f"the file has {frames} frames, over the cap of {self.max_frames}; raise max_frames if you trust this file"
            )

    def check_bytes(self, size: int) -> None:
        """Check the size of a file in bytes. Raises: TooLarge."""
        if size > self.max_file_bytes:
            raise TooLarge(
                f"the file has {size / 2**30:.1f} GiB, over the cap of {self.max_file_bytes / 2**30:.1f} GiB"
            )
