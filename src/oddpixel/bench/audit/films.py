"""Films for measuring tests of time lines: untouched in several encodings, and edited at places that are known."""

from __future__ import annotations

import tempfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from oddpixel.datasets.corpora import cached
from oddpixel.datasets.corpora.card import Role
from oddpixel.datasets.limits import Limits
from oddpixel.datasets.sandbox import DirectDecoder
from oddpixel.forensics.audit.verdict import decide, settled
from oddpixel.forensics.audit.video.audited import examine_film, measured
from oddpixel.forensics.audit.video.checks import timeline_checks
from oddpixel.forensics.audit.video.event import Event
from oddpixel.forensics.audit.video.film import FilmGate
from oddpixel.forensics.audit.video.timeline import Timeline, read_timeline

CORPORA = ("camera-films", "web-films", "standard-films", "street-video")
WIDEST = 480  # pixels that films are reduced to before they are edited
# Frames were lost when this film was streamed: it jumps five times as far as usual between 361 and 362.
ENDS = {"box.mp4": 355}
QUALITIES = (18, 23, 28, 33)  # x264's constant rate factors: visually lossless to poor
KINDS = ("frozen", "missing", "repeated", "inserted")
LENGTHS = (10, 31)  # frames of an edit, the second excluded
MARGIN = 3  # frames by which an event may miss its place
AS_IT_IS = "as published"


@dataclass(frozen=True)
class Edited:
    """One film to be measured.

    Arguments:
        film, variant: its name, and how it was encoded.
        kind: of its edit; None where it is untouched.
        places: first and last frame of what was edited, and of what was copied.
    """

    film: str
    variant: str
    kind: str | None
    places: tuple[tuple[int, int], ...]


def films(role: Role) -> list[Path]:
    """The films of one role."""
    return [file.path for corpus in CORPORA for file in cached(corpus).files(role)]


def rows_of_film(job: tuple[Path, Sequence[Path], int]) -> list[dict[str, Any]]:
    """All measurements of one film: (its path, films that frames are taken from, edits of each kind and quality)."""
    path, others, repeats = job
    frames, rate = decoded(path)
    rows = []
    if path.name not in ENDS:
        rows.append(_measured(Edited(path.name, AS_IT_IS, None, ()), timeline_of(path)))
    for name, changed, options in _variants(frames):
        rows.append(_encoded(Edited(path.name, name, None, ()), changed, rate, options))
    for kind in KINDS:
        for quality in QUALITIES:
            for repeat in range(repeats):
                random = np.random.default_rng([zlib.crc32(path.name.encode()), KINDS.index(kind), quality, repeat])
                foreign = decoded(others[int(random.integers(len(others)))])[0] if kind == "inserted" else []
                changed, places = edit(frames, kind, random, foreign)
                options = {"codec": "libx264", "crf": quality, "preset": "veryfast"}
                rows.append(_encoded(Edited(path.name, f"x264 {quality}", kind, places), changed, rate, options))
    return rows


def decoded(path: Path) -> tuple[list[np.ndarray], Any]:
    """The frames of a film as RGB, at most 480 pixels wide and of even sides, and its frame rate."""
    import av

    frames = []
    with av.open(str(path)) as container:
        stream: Any = container.streams.video[0]
        for frame in container.decode(stream):
            picture = frame.to_ndarray(format="rgb24")
            height, width = picture.shape[:2]
            size = min(width, WIDEST) // 2 * 2, round(height * min(1.0, WIDEST / width)) // 2 * 2
            frames.append(cv2.resize(picture, size, interpolation=cv2.INTER_AREA))
        # MPEG-4 knows no finer time base than a 65,535th.
        return frames[: ENDS.get(path.name)], stream.average_rate.limit_denominator(1000)


def edit(
    frames: Sequence[np.ndarray], kind: str, random: np.random.Generator, foreign: Sequence[np.ndarray]
) -> tuple[list[np.ndarray], tuple[tuple[int, int], ...]]:
    """An edit of one kind at a random place: the film, and the frames of the edit (and those it copies)."""
    whole, count = list(frames), len(frames)
    length = min(int(random.integers(*LENGTHS)), count // 5)
    if kind == "inserted":
        at, length = int(random.integers(5, count - 5)), min(length, len(foreign) - 1)
        start = int(random.integers(0, len(foreign) - length))
        size = whole[0].shape[1::-1]
        put = [cv2.resize(each, size, interpolation=cv2.INTER_AREA) for each in foreign[start : start + length]]
        return whole[:at] + put + whole[at:], ((at, at + length - 1),)
    if kind == "repeated":
        start = int(random.integers(2, count - length - 2))
        at = start
        while start - 5 < at < start + length + 5:
            at = int(random.integers(2, count - 2))
        shifted = start + length if at <= start else start
        copied = (shifted, shifted + length - 1)
        return whole[:at] + whole[start : start + length] + whole[at:], ((at, at + length - 1), copied)
    at = int(random.integers(count // 10, count - length - count // 10))
    if kind == "frozen":
        return whole[:at] + [whole[at]] * length + whole[at + length :], ((at, at + length - 1),)
    return whole[:at] + whole[at + length :], ((at - 1, at),)


def timeline_of(path: Path) -> Timeline:
    """The time line of a file, decoded in this process."""
    decoder = DirectDecoder(Limits(), b"", any_suffix=True)
    with path.open("rb") as file:
        decoder.open(file, path.name)
        return read_timeline(decoder)


def matched(events: Sequence[Event], places: Sequence[tuple[int, int]]) -> tuple[bool, int]:
    """Whether an event lies at one of the places, and how many lie at none."""

    def is_at_place(event: Event) -> bool:
        spans = ((event.first, event.last), *((event.like,) if event.like else ()))
        return any(a - MARGIN <= last and first <= b + MARGIN for a, b in spans for first, last in places)

    hits = [is_at_place(event) for event in events]
    return any(hits), len(hits) - sum(hits)


def _variants(frames: list[np.ndarray]) -> list[tuple[str, list[np.ndarray], dict[str, Any]]]:
    height, width = frames[0].shape[:2]
    half = (width // 4 * 2, height // 4 * 2)
    smaller = [cv2.resize(frame, half, interpolation=cv2.INTER_AREA) for frame in frames]
    return [
        *(
            (f"x264 {quality}", frames, {"codec": "libx264", "crf": quality, "preset": "veryfast"})
            for quality in QUALITIES
        ),
        ("half size, x264 23", smaller, {"codec": "libx264", "crf": 23, "preset": "veryfast"}),
        ("MPEG-4", frames, {"codec": "mpeg4", "qscale": 5}),
        ("VP9", frames, {"codec": "libvpx-vp9", "crf": 33, "b": 0, "deadline": "realtime", "cpu-used": 8}),
    ]


def _encoded(edited: Edited, frames: Sequence[np.ndarray], rate: Any, options: Mapping[str, Any]) -> dict[str, Any]:
    import av

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "film.mkv"
        with av.open(str(path), "w") as container:
            stream: Any = container.add_stream(options["codec"], rate=rate)
            stream.height, stream.width = frames[0].shape[:2]
            stream.pix_fmt = "yuv420p"
            stream.options = {name: str(value) for name, value in options.items() if name != "codec"}
            for picture in frames:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            container.mux(stream.encode())
        return _measured(edited, timeline_of(path))


def _measured(edited: Edited, timeline: Timeline) -> dict[str, Any]:
    findings, events = examine_film(timeline, list(timeline_checks().values()))
    gate = FilmGate(0, 0, None, "", len(timeline), timeline.time(len(timeline) - 1), 0.0, 0)
    verdict = decide(gate, [], settled(findings, gate, calibration=measured()), calibration=measured())
    is_found, elsewhere = matched(events, edited.places)
    return {
        **vars(edited), "frames": len(timeline), "label": str(verdict.label), "found": is_found, "elsewhere": elsewhere,
        "checks": [event.check for event in events],
        "cannot": [finding.check for finding in findings if finding.status == "not-applicable"],
    }  # fmt: skip
