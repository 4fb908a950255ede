"""The film strip of a report: frames that matter, and below them how much changes from frame to frame, with what was found."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import cv2
import numpy as np
from jaxtyping import UInt8
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from ..finding import Finding
from .event import Event
from .shots import Shot
from .timeline import Timeline

WIDTH, IN_A_ROW, GAP = 1200, 4, 10  # pixels; frames
CURVE, AXIS, CAPTION = 150, 26, 22
MOST_FRAMES = 12
PAPER, INK, QUIET = (255, 255, 255), (31, 41, 55), (107, 114, 128)
SHADES = ((243, 244, 246), (229, 231, 235))  # of shots, in turn
COLOURS = {"manipulation": (192, 57, 43), "anomaly": (199, 119, 0)}
Picture = UInt8[np.ndarray, "h w 3"]


def frames_to_show(timeline: Timeline, shots: Sequence[Shot], events: Sequence[Event]) -> list[int]:
    """Frames around each event, then the middle of each shot, at most twelve, in order."""
    last = len(timeline) - 1
    wanted = [
        frame
        for event in sorted(events, key=lambda each: each.log10_nfa)
        for frame in (event.first - 1, event.first, event.last, event.last + 1, *(event.like or ()))
    ]
    wanted += [(shot.first + shot.last) // 2 for shot in sorted(shots, key=lambda each: each.first - each.last)]
    kept = dict.fromkeys(min(max(frame, 0), last) for frame in wanted)
    return sorted(list(kept)[:MOST_FRAMES])


def strip(
    timeline: Timeline, shots: Sequence[Shot], events: Sequence[Event], findings: Sequence[Finding],
    shown: dict[int, Picture],
) -> UInt8[np.ndarray, "y x 3"]:  # fmt: skip
    """Draw the strip; `shown` are frames by their number, of one size."""
    side = (WIDTH - GAP * (IN_A_ROW - 1)) // IN_A_ROW
    ratio = next((each.shape[0] / each.shape[1] for each in shown.values()), 0.75)
    tall = min(max(1, round(side * ratio)), 4 * side)
    rows = -(-len(shown) // IN_A_ROW)
    top = rows * (tall + CAPTION + GAP)
    canvas = Pillow.new("RGB", (WIDTH, top + CURVE + AXIS), PAPER)
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(size=15)
    about = {finding.check: finding.about for finding in findings}
    for place, (frame, picture) in enumerate(sorted(shown.items())):
        x, y = place % IN_A_ROW * (side + GAP), place // IN_A_ROW * (tall + CAPTION + GAP)
        small = cv2.resize(picture, (side, tall), interpolation=cv2.INTER_AREA)
        canvas.paste(Pillow.fromarray(small), (x, y))
        touching = [event for event in events if event.first <= frame <= event.last]
        if touching:
            colour = COLOURS[about.get(touching[0].check, "anomaly")]
            draw.rectangle((x, y, x + side - 1, y + tall - 1), outline=colour, width=4)
        draw.text((x, y + tall + 2), f"frame {frame}, {timeline.time(frame):.2f} s", INK, font)
    _curve(draw, font, timeline, shots, [(event, about.get(event.check, "anomaly")) for event in events], top)
    return np.asarray(canvas)


def _curve(
    draw: ImageDraw.ImageDraw, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, timeline: Timeline,
    shots: Sequence[Shot], events: Sequence[tuple[Event, str]], top: int,
) -> None:  # fmt: skip
    count, bottom = len(timeline), top + CURVE

    def at(frame: int) -> int:
        return round(frame / max(count - 1, 1) * (WIDTH - 1))

    for number, shot in enumerate(shots):
        draw.rectangle((at(shot.first), top, at(shot.last + 1), bottom), fill=SHADES[number % 2])
    for event, about in events:
        draw.rectangle((at(event.first), top, max(at(event.last), at(event.first) + 3), top + 12), fill=COLOURS[about])
        if event.like:
            draw.rectangle((at(event.like[0]), top + 16, at(event.like[1]), top + 22), outline=COLOURS[about])
    heights = np.log10(1 + timeline.steps)
    if len(heights):
        # The largest step of each column: a jump must not be lost between pixels.
        columns = np.linspace(0, len(heights), min(WIDTH, len(heights)) + 1).astype(int)
        largest = [float(heights[a : max(b, a + 1)].max()) for a, b in pairwise(columns)]
        scale = (CURVE - 30) / max(max(largest), 1e-6)
        points = [
            (at(int(column)), bottom - round(value * scale)) for column, value in zip(columns, largest, strict=False)
        ]
        draw.line(points, fill=INK, width=2)
    for frame in np.linspace(0, count - 1, 7).astype(int).tolist():
        text = f"{timeline.time(frame):.1f} s"
        wide = draw.textlength(text, font)
        draw.text((min(max(at(frame) - wide / 2, 0), WIDTH - wide), bottom + 4), text, QUIET, font)
