"""PBM, PGM, PPM, PAM and PFM, plain or raw, up to 16 bits: through netpbmfile.

White is the header's maximum value, whatever it is (netpbm's pgm(5)). Real numbers (PFM) are left as they are.
"""

from __future__ import annotations

from typing import Any, BinaryIO, ClassVar

import numpy as np

from oddpixel.errors import CorruptFile, UnsupportedEncoding

from ..appearance import Samples, appearance
from ..limits import Limits
from . import Frame, Header

MAGIC = (b"P1", b"P2", b"P3", b"P4", b"P5", b"P6", b"P7", b"Pf", b"PF")
BLANK = (b" ", b"\n", b"\t", b"\r")


class Netpbm:
    """PBM, PGM, PPM, PAM and PFM images."""

    suffixes: ClassVar[dict[str, str]] = dict.fromkeys((".pbm", ".pgm", ".ppm", ".pnm", ".pam", ".pfm"), "PPM")

    def recognise(self, head: bytes) -> str | None:
        """Netpbm by the magic number and the white space after it."""
        return "PPM" if head[:2] in MAGIC and head[2:3] in BLANK else None

    def open(self, file: BinaryIO, limits: Limits) -> OpenedNetpbm:
        """Parse the header."""
        return OpenedNetpbm(file, limits)


FORMAT = Netpbm


class OpenedNetpbm:
    """An open Netpbm file."""

    identity = None

    def __init__(self, file: BinaryIO, limits: Limits) -> None:
        import netpbmfile

        self.netpbm: Any = netpbmfile.NetpbmFile(file)
        axes = dict(zip(self.netpbm.axes, self.netpbm.shape, strict=True))
        width, height = int(axes["X"]), int(axes["Y"])
        limits.check_size(width, height)
        self.maxval = int(self.netpbm.maxval)
        is_real = self.netpbm.dtype.kind == "f"
        if not is_real and not 0 < self.maxval < 65536:
            raise CorruptFile(f"the header's maximum value is {self.maxval}; it must lie from 1 to 65535")
        notes = ["only the first of several images is read"] if int(axes.get("I", 1)) > 1 else []
        self.header = Header(
            format="PPM",
            width=width,
            height=height,
            frames=1,
            meta={"mode": str(self.netpbm.magicnumber), **({"notes": notes} if notes else {})},
        )

    def frame(self, index: int) -> Frame:
        """Decode the picture; real numbers (PFM) keep their values, in unit `modality`."""
        values = np.asarray(self.netpbm.asarray())
        channels = 1 if "S" not in self.netpbm.axes else values.shape[-1]
        values = values.reshape(-1, self.header.height, self.header.width, channels)[0]
        if values.dtype.kind == "f":
            upright = values[::-1]  # PFM stores its rows from the bottom up
            return Frame(stored=upright if channels > 1 else upright[..., 0], scale=1.0, bits=32, unit="modality")
        if values.dtype == bool:  # 1 is black (pbm(5))
            return appearance(Samples(values=(~values[..., 0]).astype(np.uint8), bits=1))
        if channels > 4:
            raise UnsupportedEncoding(
                f"{channels} samples per pixel are not supported; 1 or 3 are, with or without alpha"
            )
        if int(values.max()) > self.maxval:
            raise CorruptFile(f"a sample is {values.max()}, above the header's maximum of {self.maxval}")
        native = values.astype(np.uint8 if self.maxval < 256 else np.uint16)
        alpha = "straight" if channels in (2, 4) else "none"
        return appearance(Samples(values=native, bits=self.maxval.bit_length(), top=self.maxval, alpha=alpha))  # type: ignore[arg-type]
