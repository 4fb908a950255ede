"""Whether the entropy-coded data of a JPEG are whole (ITU-T T.81, F.2.2 and H.2.2).

libjpeg fills missing blocks with grey and only warns, and most of its wrappers drop the warning. simplejpeg (libjpeg-turbo)
raises the first one; at an eighth of the size it still decodes every code. Metadata are left away, since a warning about them
would hide the one about the data. It reads 8 bits a sample: a 12-bit or lossless stream is probed instead. Bytes appended to
whole data change no sample, and a change of its last bytes changes some.

What is not seen: damage after which the codes still add up to the whole picture, and, in 8 bits, up to eight bytes too many.
"""

from __future__ import annotations

import re

import numpy as np

from oddpixel.errors import CorruptFile

from .jpeg_scans import missing_scans
from .jpeg_segments import END_OF_IMAGE, without_metadata

DAMAGE = ("Corrupt JPEG data", "Premature end")
OTHER_WARNINGS = ("Warning", "Unknown", "Inconsistent", "Invalid SOS")  # all others are errors (libjpeg, jerror.h)
SURPLUS = re.compile(r"(\d+) extraneous bytes before marker 0xd9")
# Neither a marker nor a run of equal bits, so that any code reads samples out of it.
PROBE = bytes.fromhex("5aa53cc36996b44b") * 4
NOT_CHECKED = "the JPEG data could not be checked for damage"


def check_jpeg(stream: bytes) -> list[str]:
    """Check that the picture data of a JPEG stream are whole; returns notes.

    Raises: CorruptFile, where samples are missing or more data are there than the picture needs.
    """
    import simplejpeg

    picture = without_metadata(stream)
    try:
        simplejpeg.decode_jpeg(picture + END_OF_IMAGE, "GRAY", min_factor=8, strict=True)
    except ValueError as error:
        notes = _judged(str(error), picture)
    else:
        notes = []
    return [*notes, *missing_scans(stream)]


def _judged(warning: str, stream: bytes) -> list[str]:
    if not warning.startswith(DAMAGE):
        hides_others = warning.startswith(OTHER_WARNINGS)
        return [*_probed(stream), *([f"{NOT_CHECKED} ({warning})"] if hides_others else [])]
    if (surplus := SURPLUS.search(warning)) and _is_padding(stream, int(surplus[1])):
        return []
    raise CorruptFile(f"the JPEG data are damaged or cut short ({warning}); get an undamaged copy of the file")


def _is_padding(stream: bytes, length: int) -> bool:
    """Whether only zeros stand before the end-of-image marker: some cameras fill their files up with them."""
    ends = (match.start() for match in re.finditer(END_OF_IMAGE, stream))
    return any(stream[end - length : end] == bytes(length) for end in ends if end >= length)


def _probed(stream: bytes) -> list[str]:
    end = stream.rfind(END_OF_IMAGE)
    data = stream[: end if end >= 0 else len(stream)].rstrip(b"\xff")  # fill bytes before a marker (B.1.1.2)
    expected = _decoded(data)
    if expected is None:
        return [NOT_CHECKED]
    if not _is_same(expected, _decoded(data + PROBE)):
        raise CorruptFile("the JPEG data are cut short: samples are missing; get an undamaged copy of the file")
    if _is_same(expected, _decoded(_last_bytes_changed(data))):
        raise CorruptFile(
            "the JPEG data are damaged: the image does not need all of them; get an undamaged copy of the file"
        )
    return []


def _last_bytes_changed(data: bytes) -> bytes:
    """Two bytes, as the last one may be padding bits alone; neither becomes the beginning of a marker."""
    entropy_coded = data.rstrip(b"\0\xff")
    return entropy_coded[:-2] + bytes(0xBF if byte == 0xAA else byte ^ 0x55 for byte in entropy_coded[-2:])


def _decoded(data: bytes) -> np.ndarray | None:
    import imagecodecs

    try:
        samples: np.ndarray = imagecodecs.jpeg8_decode(data + END_OF_IMAGE)
    except imagecodecs.Jpeg8Error:
        return None
    return samples


def _is_same(expected: np.ndarray, samples: np.ndarray | None) -> bool:
    return samples is not None and np.array_equal(expected, samples)
