"""What a video declares and how it is built: reported, never evidence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from oddpixel.counting import counted
from oddpixel.datasets.sandbox import FileFacts

from ..facts.fact import Fact, printable
from .film import Digests
from .timeline import Timeline

MOST_TAGS = 60
INTRA, PREDICTED, BETWEEN = 1, 2, 3  # FFmpeg's numbers of picture types
UNEVEN = 0.05  # of the usual time between frames


def facts_of_film(digests: Digests, opened: FileFacts, tags: Mapping[str, str], timeline: Timeline) -> list[Fact]:
    """All facts of a video, in the order of a report."""
    return [
        Fact("SHA-256", digests.sha256),
        Fact("bytes", digests.num_bytes),
        Fact("container", digests.container or str(opened.header.meta["container"]), "by its first bytes"),
        Fact("codec", printable(str(opened.header.meta["codec"]))),
        *(Fact(f"tag {printable(name)}", printable(value)) for name, value in list(tags.items())[:MOST_TAGS]),
        *_built(timeline),
        *(Fact("reader's note", printable(str(note))) for note in opened.header.meta.get("notes", [])),
    ]


def _built(timeline: Timeline) -> Iterator[Fact]:
    kinds = timeline.facts["kind"].astype(int)
    names = {INTRA: "I", PREDICTED: "P", BETWEEN: "B"}
    if counts := {name: int((kinds == kind).sum()) for kind, name in names.items() if (kinds == kind).any()}:
        yield Fact("frames by type", ", ".join(f"{count} {name}" for name, count in counts.items()))
    keys = np.flatnonzero(timeline.facts["is_key"])
    if len(keys) > 1:
        gaps = np.diff(keys)
        regular = f"every {gaps[0]}" if (gaps[:-1] == gaps[0]).all() else f"{gaps.min()} to {gaps.max()} apart"
        yield Fact(
            "key frames", f"{len(keys)}, {regular}", "encoders choose them; regular ones hint at a fixed setting"
        )
    yield from _time_stamps(timeline)


def _time_stamps(timeline: Timeline) -> Iterator[Fact]:
    gaps = np.diff(timeline.facts["time_s"])
    gaps = gaps[np.isfinite(gaps)]
    if not len(gaps):
        return
    middle = float(np.median(gaps))
    if backwards := int((gaps <= 0).sum()):
        yield Fact(
            "time stamps",
            f"{counted(backwards, 'frame')} not later than the one before",
            "written so, or put together from several files",
        )
    elif middle > 0 and (uneven := int((np.abs(gaps - middle) > UNEVEN * middle).sum())):
        longest = f"longest {gaps.max() * 1000:.0f} ms"
        yield Fact(
            "time stamps",
            f"{counted(uneven, 'gap')} of {len(gaps)} not as long as usual ({middle * 1000:.1f} ms); {longest}",
            "phones and screen recorders save frames as they come; elsewhere frames may be missing",
        )
