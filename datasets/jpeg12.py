"""12-bit JPEG (transfer syntax 1.2.840.10008.1.2.4.51) for pydicom, through imagecodecs (BSD).

pydicom's other decoders for it are either 8-bit or GPL-licensed; libjpeg-turbo 3 inside imagecodecs reads both depths.
The three names below are pydicom's plugin interface.
"""

from __future__ import annotations

import contextlib
from typing import Any

from pydicom.uid import JPEGExtended12Bit

DECODER_DEPENDENCIES = {JPEGExtended12Bit: ("numpy", "imagecodecs")}
LABEL = "imagecodecs"


def is_available(uid: str) -> bool:
    """Whether imagecodecs can decode 12-bit JPEG here (pydicom's plugin interface)."""
    try:
        import imagecodecs
    except ImportError:
        return False
    return bool(imagecodecs.JPEG8.available)


def decode_frame(source: bytes, runner: Any) -> bytearray:
    """Decode one frame to native bytes and tell pydicom their bits allocated (pydicom's plugin interface)."""
    import imagecodecs

    samples = imagecodecs.jpeg8_decode(source)
    runner.set_option("bits_allocated", 8 * samples.itemsize)
    return bytearray(samples.tobytes())


def register() -> None:
    """Register this decoder with pydicom. Calling it again changes nothing."""
    from pydicom.pixels import get_decoder

    with contextlib.suppress(ValueError):  # "already has a plugin named"
        get_decoder(JPEGExtended12Bit).add_plugin(LABEL, (__name__, decode_frame.__name__))
