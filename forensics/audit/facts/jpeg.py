"""JPEG: markers in order, quantisation tables and the quality they speak of, what was appended (ITU-T T.81, annex B).

Tables scaled as libjpeg does (Annex K tables times 5000 / q or 200 - 2 q percent) name their quality; others come from another
encoder, and the nearest quality is an orientation only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from .fact import Fact, printable
from .generators import text_fact

MOST_SEGMENTS = 10_000
ZIGZAG = np.array(
    [
        0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21, 28,
        35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55,
        62, 63,
    ]
)  # fmt: skip
# T.81, tables K.1 and K.2, row by row.
LUMINANCE = np.array(
    [
        16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87,
        80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92, 49, 64, 78, 87, 103, 121, 120, 101, 72, 92,
        95, 98, 112, 100, 103, 99,
    ]
)  # fmt: skip
CHROMINANCE = np.array(
    [
        17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99, 24, 26, 56, 99, 99, 99, 99, 99, 47, 66, 99, 99, 99, 99,
        99, 99, *[99] * 32,
    ]
)  # fmt: skip
FRAMES = {
    0xC0: "baseline",
    0xC1: "extended",
    0xC2: "progressive",
    0xC3: "lossless",
    0xC9: "arithmetic",
    0xCA: "arithmetic progressive",
}
NAMES = {0xD8: "SOI", 0xD9: "EOI", 0xDA: "SOS", 0xDB: "DQT", 0xC4: "DHT", 0xDD: "DRI", 0xFE: "COM"}


@dataclass
class Jpeg:
    """The structure of a JPEG, as its markers give it.

    Arguments:
        markers: in order, with the identifier of application segments.
        tables: by number, `[64]` row by row.
        end: where the file should end, or None where it is cut off.
        segments: (marker, payload), without scans.
    """

    markers: list[str] = field(default_factory=list)
    tables: dict[int, np.ndarray] = field(default_factory=dict)
    frame: str = "none"
    sampling: list[str] = field(default_factory=list)
    end: int | None = None
    segments: list[tuple[int, bytes]] = field(default_factory=list)


def parse(content: bytes) -> Jpeg | None:
    """The structure of a JPEG, or None for another container. Never raises: a damaged file has no end."""
    if not content.startswith(b"\xff\xd8"):
        return None
    jpeg = Jpeg(markers=["SOI"])
    place = 2
    while place + 4 <= len(content) and len(jpeg.markers) < MOST_SEGMENTS:
        if content[place] != 0xFF:
            break
        marker = content[place + 1]
        if marker == 0xFF:  # fill byte
            place += 1
            continue
        if marker == 0xD9:
            break
        length = int.from_bytes(content[place + 2 : place + 4], "big")
        payload = content[place + 4 : place + 2 + length]
        if length < 2 or len(payload) < length - 2:
            break
        _note(jpeg, marker, payload)
        place += 2 + length
        if marker == 0xDA:
            place = _after_scan(content, place)
    if content[place : place + 2] == b"\xff\xd9":
        jpeg.markers.append("EOI")
        jpeg.end = place + 2
    return jpeg


def look(content: bytes) -> Iterator[Fact]:
    """Facts of a JPEG: markers, coding process, quantisation tables, comments, bytes after its end."""
    jpeg = parse(content)
    if jpeg is None:
        return
    yield Fact("JPEG markers", printable(" ".join(jpeg.markers)))
    yield Fact("JPEG process", jpeg.frame, ", ".join(jpeg.sampling))
    for number, table in sorted(jpeg.tables.items()):
        digest = hashlib.sha256(table.astype("<u2").tobytes()).hexdigest()[:16]
        quality, distance = nearest_quality(table, number)
        because = (
            f"libjpeg's table of quality {quality}"
            if distance == 0
            else f"of another encoder; nearest to libjpeg's quality {quality} (mean difference {distance:.2f})"
        )
        yield Fact(f"quantisation table {number}", digest, because)
    for marker, payload in jpeg.segments:
        if marker == 0xFE:
            yield text_fact("JPEG comment", "comment", _decoded(payload))
    if jpeg.end is None:
        yield Fact("JPEG end", "missing", "the file is cut off or damaged")
    elif extra := content[jpeg.end :]:
        because = "another JPEG begins in it" if b"\xff\xd8\xff" in extra else "not part of the picture"
        yield Fact("bytes after the end", len(extra), because)


def _decoded(text: bytes) -> str:
    """A byte order mark tells UTF-16."""
    return text.decode("utf-16" if text[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8", "replace")


def nearest_quality(table: np.ndarray, number: int = 0) -> tuple[int, float]:
    """libjpeg's quality 1..100 whose table differs least, and the mean absolute difference; the higher of equals.

    Arguments:
        number: of the table in the file; 0 is luminance by custom, and compared with that table first.
    """
    best = (0, np.inf)
    for base in (LUMINANCE, CHROMINANCE) if number == 0 else (CHROMINANCE, LUMINANCE):
        distances = [float(np.abs(scaled(base, quality).astype(int) - table).mean()) for quality in range(100, 0, -1)]
        if min(distances) < best[1]:
            best = (100 - int(np.argmin(distances)), min(distances))
    return best


def scaled(base: np.ndarray, quality: int) -> np.ndarray:
    """An Annex K table at a quality of 1..100, as libjpeg scales it (integers, 1..255)."""
    percent = 5000 // quality if quality < 50 else 200 - 2 * quality
    result: np.ndarray = np.clip((base * percent + 50) // 100, 1, 255)
    return result


def _note(jpeg: Jpeg, marker: int, payload: bytes) -> None:
    name = NAMES.get(marker) or (f"SOF{marker - 0xC0}" if marker in FRAMES else f"{marker:02X}")
    if 0xE0 <= marker <= 0xEF:
        label = payload.partition(b"\0")[0][:32].decode("ascii", "replace")
        name = f"APP{marker - 0xE0}" + (f":{label}" if label else "")
    jpeg.markers.append(name)
    if marker != 0xDA:
        jpeg.segments.append((marker, payload))
    if marker == 0xDB:
        jpeg.tables |= _tables(payload)
    elif marker in FRAMES and len(payload) >= 6:
        jpeg.frame = FRAMES[marker]
        parts = [payload[6 + 3 * k : 9 + 3 * k] for k in range(payload[5])]
        jpeg.sampling = [f"{part[1] >> 4}x{part[1] & 15}" for part in parts if len(part) == 3]


def _tables(payload: bytes) -> dict[int, np.ndarray]:
    tables: dict[int, np.ndarray] = {}
    place = 0
    while place < len(payload):
        wide, number = payload[place] >> 4, payload[place] & 15
        size = 128 if wide else 64
        content = payload[place + 1 : place + 1 + size]
        if len(content) != size:
            break
        values = np.frombuffer(content, ">u2" if wide else "u1")
        table = np.empty(64, np.uint16)
        table[ZIGZAG] = values
        tables[number] = table
        place += 1 + size
    return tables


def _after_scan(content: bytes, place: int) -> int:
    """Where the next marker stands: in a scan, FF is followed by 00 or a restart marker."""
    while (place := content.find(b"\xff", place)) >= 0 and place + 1 < len(content):
        if content[place + 1] == 0 or 0xD0 <= content[place + 1] <= 0xD7:
            place += 2
        elif content[place + 1] == 0xFF:
            place += 1
        else:
            return place
    return len(content)
