"""One video audited: its facts, the findings along its time line, a verdict of the whole and one of every shot."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from pathlib import Path

import numpy as np

from oddpixel.counting import counted
from oddpixel.datasets.entry import Entry
from oddpixel.datasets.limits import Limits
from oddpixel.datasets.sandbox import Decoder
from oddpixel.errors import CorruptFile, UnreadableInput

from ..calibration import Calibration
from ..facts.fact import Fact
from ..finding import Finding, Status
from ..verdict import Verdict, decide, settled
from .checks import TimelineCheck
from .event import REPORTED, Event
from .facts import facts_of_film
from .film import Digests, Film, gate_of
from .shots import shots_of
from .strip import frames_to_show, strip
from .timeline import Timeline, read_timeline

PATH = Path(__file__).with_name("measured.json")
MOST_NAMED = 3  # events in a sentence
NEAR = 3  # frames by which the edge of an event may be missed
GAP, INTERRUPTION = "missing-frames", "interrupted-shot"
# What may be no more than a part of another test's event.
EXPLAINED_BY = {
    GAP: ("frozen-frames", "repeated-frames", INTERRUPTION),
    INTERRUPTION: ("frozen-frames", "repeated-frames"),
}


@cache
def measured() -> Calibration:
    """What the tests of time lines were measured to do on untouched and edited films."""
    return Calibration(json.loads(PATH.read_text()), PATH)


def audit_film(
    entry: Entry, decoder: Decoder, limits: Limits, chosen: Sequence[TimelineCheck], alpha: float,
    on_check: Callable[[str], None], manifest: Callable[[str], Iterable[Fact]],
) -> tuple[Film, list[Fact], list[Finding], Verdict]:  # fmt: skip
    """Read one video in the sandbox and run the tests. Raises: UnreadableInput.

    Arguments:
        manifest: the facts of the C2PA manifest in a container of that name, asked last.
    """
    digests = Digests.of(entry, limits)
    on_check("reading")
    with entry.open(limits) as file:
        opened = decoder.open(file, entry.member or entry.path.name)
        tags = decoder.tags()
        timeline = read_timeline(decoder)
        if not len(timeline):
            raise CorruptFile("no frame of the video can be decoded; get an undamaged copy of the file")
        on_check("facts")
        damaged = int(timeline.facts["is_doubtful"].sum())
        gate = gate_of(opened, digests.container, len(timeline), timeline.seconds, damaged)
        findings, events = examine_film(timeline, chosen, on_check)
        findings = settled(findings, gate, alpha, measured())
        shots = shots_of(timeline, _deciding(findings, events))
        shown = _frames(decoder, frames_to_show(timeline, shots, events))
        facts = [*facts_of_film(digests, opened, tags, timeline), *manifest(digests.container or "")]
    film = Film(
        entry.name, digests.sha256, digests.sha512, digests.num_bytes, digests.container, gate,
        next(iter(shown.values())).astype(np.float32), strip(timeline, shots, events, findings, shown), shots, events,
        [timeline.time(event.first) for event in events],
    )  # fmt: skip
    return film, facts, findings, decide(gate, facts, findings, alpha, measured())


def _deciding(findings: Sequence[Finding], events: Sequence[Event]) -> list[Event]:
    """The events of tests that decide the verdict."""
    deciding = {finding.check for finding in findings if finding.status == "evidence"}
    return [event for event in events if event.check in deciding]


def examine_film(
    timeline: Timeline, chosen: Sequence[TimelineCheck], on_check: Callable[[str], None] = lambda name: None
) -> tuple[list[Finding], list[Event]]:
    """Run the tests on a time line: a finding each, and all events that none of the stronger ones explains."""
    findings, found = [], []
    for check in chosen:
        on_check(check.name)
        try:
            because = check.applies(timeline)
            # Damage looks like an edit: what touches a frame that was decoded with errors says nothing.
            whole = [] if because else check.find(timeline)
            events = [event for event in whole if not timeline.is_damaged(event.first, event.last)]
        except Exception as error:  # one test that fails is a finding, never the end of the audit
            because, events = None, []
            findings.append(Finding(check.name, "error", because=f"{type(error).__name__}: {error}"[:300]))
            continue
        if because:
            findings.append(Finding(check.name, "not-applicable", because=because, about=check.about))
        else:
            findings.append(_finding(check, events))
            found += events
    return _explained(findings, found, {check.name: check for check in chosen})


def _finding(check: TimelineCheck, events: Sequence[Event]) -> Finding:
    strongest = min(events, key=lambda each: each.log10_nfa, default=None)
    because = "nothing along the time line reaches its bound"
    if events and strongest:
        others = [f"{each.first} to {each.last}" for each in events if each is not strongest]
        also = f"; also at frames {', '.join(others[:MOST_NAMED])}" if others else ""
        more = f" and {counted(len(others) - MOST_NAMED, 'more place')}" if len(others) > MOST_NAMED else ""
        because = f"frames {strongest.first} to {strongest.last}: {strongest.because}{also}{more}"
    nfa = 0.0 if strongest is None else strongest.log10_nfa
    status: Status = "evidence" if nfa <= REPORTED else "no-evidence"
    return Finding(
        check.name, status, abs(nfa), log10_nfa=nfa, because=because, limits=check.cannot,
        about=check.about, reliability=str(measured().audit(check.name, "video")["because"]),
        details={"events": [vars(event) for event in events]},
    )  # fmt: skip


def _explained(
    findings: list[Finding], events: list[Event], by_name: dict[str, TimelineCheck]
) -> tuple[list[Finding], list[Event]]:
    """Drop what is only a part of something else: what was put in, held or repeated has edges, and what is repeated there
    interrupts a shot.
    """

    def is_part(event: Event) -> bool:
        wider = [each for each in events if each.check in EXPLAINED_BY.get(event.check, ())]
        if event.check == GAP:
            edges = [edge for each in wider for edge in (each.first, each.last, *(each.like or ()))]
            return any(event.touches(edge, edge, margin=NEAR) for edge in edges)
        return any(event.touches(each.first, each.last) for each in wider)

    kept = [event for event in events if not is_part(event)]
    for name in {event.check for event in events if event not in kept}:
        replaced = _finding(by_name[name], [event for event in kept if event.check == name])
        findings = [replaced if finding.check == name else finding for finding in findings]
    return findings, sorted(kept, key=lambda each: each.first)


def _frames(decoder: Decoder, wanted: Sequence[int]) -> dict[int, np.ndarray]:
    """Frames as 8-bit RGB by their number; those that cannot be decoded are left out. Raises: UnreadableInput without any."""
    shown: dict[int, np.ndarray] = {}
    for frame in wanted:
        try:
            pixels = decoder.frame(frame).array.transpose(1, 2, 0)
        except UnreadableInput:
            continue
        shown[frame] = np.rint(np.clip(np.broadcast_to(pixels, (*pixels.shape[:2], 3)), 0, 1) * 255).astype(np.uint8)
    if not shown:
        raise CorruptFile("no frame of the video can be decoded; get an undamaged copy of the file")
    return shown
