"""`oddpixel flag`: incoming images against a detector, into a run.

Scoring is shard by shard and knows nothing of decisions: each shard's rows hold raw scores, reasons and, for what looks odd,
a map. Deciding comes last and needs all of them (groups, false discovery rates, drift), costs a second, and can be done
again with another alpha on a finished run without scoring anything anew.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from oddpixel.border import border
from oddpixel.counting import counted
from oddpixel.datasets.decoders import FROM_SHARD_TO_SHARD
from oddpixel.datasets.entry import Entry
from oddpixel.datasets.limits import Limits
from oddpixel.datasets.listing import Listing
from oddpixel.datasets.reading import Reader
from oddpixel.datasets.source import FileSource, open_source, reader_of
from oddpixel.envelope import plain
from oddpixel.errors import CalibrationTooSmall, InvalidImage, RunError, UsageError
from oddpixel.forensics.runs.executors import Executor, InProcess, Rank
from oddpixel.forensics.runs.freshness import drop_outdated, note_stamps, stamps_of
from oddpixel.forensics.runs.heat_map import MAPS_UP_TO, write_evidence
from oddpixel.forensics.runs.order import Order, identities
from oddpixel.forensics.runs.plots import plot
from oddpixel.forensics.runs.rows import Row, failed_row
from oddpixel.forensics.runs.run import Run
from oddpixel.forensics.runs.table import RunTable
from oddpixel.image import Image, Unreadable
from oddpixel.results import Result, Shown

from .calibrated import facts_of, stratum
from .decide import Decided, Rule, decide
from .detector import Detector
from .grouping import grouped
from .guarantee import groups_needed, guarantee
from .levels import WARNING
from .power import as_json
from .store import load, read_record

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHARD_SIZE = 32  # files; a kill costs at most so much work
GROUP_SHOWN = ("group", "stratum", "p_value", "q_value", "flagged", "num_images", "oddest")
MOST_RULES = 100  # that a run remembers


@dataclass(frozen=True, kw_only=True)
class Incoming:
    """What is to be flagged, as any process can open it.

    Arguments:
        places: as for `open_source`.
        group_from: `grouping.WAYS`, or None.
    """

    places: tuple[str, ...]
    group_from: str | None = None
    any_suffix: bool = False
    every: int = 1
    by_shot: bool = False
    max_megapixels: float = 150.0
    follow_links: bool = False

    def open(self, num_workers: int = 1) -> FileSource:
        """The source of all incoming images, with groups as `group_from` says. Raises: UsageError."""
        return grouped(open_source(*self.places, num_workers=num_workers, **self._options()), self.group_from)

    def reader(self) -> Reader:
        """How its files are read, on whichever machine."""
        return reader_of(num_workers=1, **self._options())

    def _options(self) -> dict[str, Any]:
        limits = Limits(max_pixels=int(self.max_megapixels * 1e6))
        names = ("any_suffix", "every", "by_shot", "follow_links")
        return {"limits": limits, **{name: getattr(self, name) for name in names}}


@dataclass(frozen=True, kw_only=True)
class Shard:
    """All that scoring one shard needs.

    Arguments:
        entries: the shard's files, as they were listed once for the whole run.
        encoder: the caller's own, by name; None for what the detector names.
        device: where the encoder runs.
        strata: facts that rows are compared within.
        maps_up_to: the p-value, of an image by itself, up to which it gets a map; 0 for none.
    """

    run: Path
    detector: Path
    incoming: Incoming
    entries: tuple[Entry, ...]
    shard: int
    encoder: str | None = None
    device: str = "cpu"
    strata: tuple[str, ...] = ()
    maps_up_to: float = MAPS_UP_TO


@dataclass(frozen=True, eq=False, repr=False)
class Flagged(Result):
    """A decided run.

    Arguments:
        rows: as in the run's table, oddest group first.
        decision: as in run.json.
        groups: as in groups.json, oddest first.
        listing: what was at the places, with what is not flagged.
    """

    run: Run
    rows: list[Row]
    decision: dict[str, Any] = field(default_factory=dict)
    groups: list[dict[str, Any]] = field(default_factory=list)
    listing: Listing = field(default_factory=Listing)

    def records(self) -> list[dict[str, Any]]:
        """One mapping an image, oddest first: item, group, p_value, q_value, flagged, because, raw, reasons, error, ..."""
        return [_record(row) for row in self.rows]

    def headline(self) -> str:
        """How many groups are flagged, and the promise that holds."""
        flagged, groups = self.decision.get("num_flagged_groups", 0), self.decision.get("num_groups", 0)
        promise = self.decision.get("promise", "")
        promised = f" {promise[0].upper()}{promise[1:]}." if promise else ""
        return f"{flagged} of {counted(groups, 'group')} flagged.{promised}"

    def shown(self, most: int) -> Sequence[Shown]:
        """The oddest images with picture, decision and reason."""
        return [self._row(row) for row in self.rows[:most]]

    def plot(self, name: str = "scores", labels: str | None = None) -> Figure:
        """A figure of the run: scores, overlays, power, ... (`oddpixel.forensics.runs.plots`).

        Raises: UsageError, NotPlotted.
        """
        return plot(self.run, name, labels)

    def _row(self, row: Row) -> Shown:
        picture = None if row.thumbnail is None else (self.run.content(row.thumbnail), "image/webp")
        if row.error is not None:
            return Shown({"item": row.item, "p": "-", "decision": "not read", "why": row.error.message}, picture)
        decision = "flagged" if row.flagged else "not flagged"
        why = row.reason.because if row.flagged and row.reason is not None else ""
        cells = {"item": row.item, "p": f"{row.p_value:.4f}", "decision": decision, "why": why}
        return Shown(cells, picture, bool(row.flagged))

    def as_json(self, detector: Path) -> dict[str, Any]:
        """What `flag --json` says: the guarantee, and groups and scores, oddest first."""
        rule = self.decision["rule"]
        return {
            "run": self.run.path,
            "detector": detector,
            "alpha": rule["alpha"] if rule["fdr"] is None else rule["fdr"],
            "guarantee": self.decision.get("guarantee"),
            "power": self.decision.get("power"),
            "warnings": self.decision.get("warnings", []),
            "drift_alarm": self.decision.get("drift_alarm"),
            "map_threshold": self.decision.get("map_threshold"),
            "groups": [{name: group[name] for name in GROUP_SHOWN} for group in self.groups],
            "scores": [row.as_json() for row in self.rows],
        }


def _record(row: Row) -> dict[str, Any]:
    record = row.as_json()
    because = None if row.reason is None else row.reason.because
    first = ("item", "group", "p_value", "q_value", "flagged")
    return {name: record[name] for name in first} | {"because": because} | record


def flag_into(
    out: Path,
    incoming: Incoming,
    detector: Path,
    rule: Rule,
    *,
    encoder: str | None = None,
    device: str = "cpu",
    executor: Executor | None = None,
    source: FileSource | None = None,
    maps: bool = True,
    title: str | None = None,
    overwrite: bool = False,
    shard_size: int = SHARD_SIZE,
    on_item: Callable[[], None] = lambda: None,
) -> Flagged | None:
    """Score what is missing, decide, and write the run; None where other ranks have shards to finish.

    Arguments:
        source: what `incoming.open()` gave, where that was asked for already.

    Raises: RunError, UsageError (before anything is scored), and what loading a detector raises.
    """
    record = read_record(detector)
    _check_rule(rule)
    executor = executor or InProcess()
    source = incoming.open() if source is None else source
    source.check_any()
    options = {
        "detector": record["channels_sha256"],
        "calibration": record["calibration_sha256"],
        "model": record["model_sha256"],
        "incoming": asdict(incoming) | {"places": None},
        "strata": list(rule.strata),
        "maps": maps,
    }
    order = Order(
        kind="flag", items=identities(source.entries), options=options, places=incoming.places, shard_size=shard_size,
        title=title, overwrite=overwrite, reopens=True,
    )  # fmt: skip
    # One that is finished is only decided anew, but for files that have changed since.
    run = Run.begin(out, order)
    drop_outdated(run, source.entries, order)
    specs = [
        Shard(
            run=run.path, detector=detector, incoming=incoming, shard=shard, encoder=encoder, device=device,
            entries=tuple(order.part(shard, source.entries)), strata=rule.strata,
            maps_up_to=max(MAPS_UP_TO, rule.fdr or rule.alpha) if maps else 0.0,
        )
        for shard in run.missing_shards()
    ]  # fmt: skip
    if isinstance(executor, Rank):
        _score(executor, specs, on_item)
        if run.missing_shards():
            return None
        with run.writing_alone():
            return replace(decide_run(run, load(detector, encoder, device), rule), listing=source.listing)
    with run.writing_alone():
        _score(executor, specs, on_item)
        return replace(decide_run(run, load(detector, encoder, device), rule), listing=source.listing)


def decide_anew(path: Path, detector: Path, rule: Rule, *, device: str = "cpu") -> Flagged:
    """Decide a finished run by another rule, from its scores alone: the images need not be there any more.

    Raises: RunError where the run has no scores of this detector, UsageError for other strata, and what loading one raises.
    """
    run, record = Run.open(path), read_record(detector)
    made = run.record
    if made["kind"] != "flag" or made["finished"] is None:
        raise RunError(f"{path} is no finished run of `oddpixel flag`: there is nothing to decide anew")
    given = (record["channels_sha256"], record["calibration_sha256"])
    if (made["options"].get("detector"), made["options"].get("calibration")) != given:
        raise RunError(f"{path} was scored by another detector than {detector}; give the one that it was made with")
    if list(rule.strata) != made["options"].get("strata"):
        raise UsageError(f"{path} was compared within {made['options'].get('strata') or 'no strata'}; that stays")
    _check_rule(rule)
    with run.writing_alone():
        return decide_run(run, load(detector, None, device), rule)


def _score(executor: Executor, shards: Sequence[Shard], on_item: Callable[[], None]) -> None:
    try:
        for count in executor.run(score_shard, shards):
            for _ in range(count):
                on_item()
    finally:
        FROM_SHARD_TO_SHARD.close()


def score_shard(spec: Shard) -> int:
    """Write the part of one shard; how many files that were. Raises: RunError."""
    run, detector = Run.open(spec.run), _loaded(spec.detector, spec.encoder, spec.device)
    stamps = stamps_of(spec.entries)
    images = replace(spec.incoming.reader(), kept=FROM_SHARD_TO_SHARD).read(spec.entries)
    note_stamps(run, spec.shard, stamps)
    run.write_part(spec.shard, score_rows(run, images, detector, spec.strata, spec.maps_up_to))
    return len(spec.entries)


@cache
def _loaded(folder: Path, encoder: str | None, device: str) -> Detector:
    return load(folder, encoder, device)


def score_rows(
    run: Run,
    images: Iterable[Image | Unreadable],
    detector: Detector,
    strata: Sequence[str] = (),
    maps_up_to: float = MAPS_UP_TO,
) -> list[Row]:
    """One row an image: its score, or its error."""

    def step(image: Image | Unreadable) -> Row:
        return score_row(run, image, detector, strata, maps_up_to)

    return list(border(images, step, failed_row, side_by_side=True))


def score_row(
    run: Run, image: Image | Unreadable, detector: Detector, strata: Sequence[str] = (), maps_up_to: float = MAPS_UP_TO
) -> Row:
    """Raw score, descriptive p-value, reasons, thumbnail and, where it looks odd, a map.

    Raises: whatever goes wrong with the image.
    """
    judged = detector.judge(image)
    assert isinstance(image, Image)
    if not np.isfinite(judged.raw):
        raise InvalidImage(f"its score is {judged.raw}: the detector cannot take these pixels")
    p_value = float(detector.calibrated_.p_values(np.array([judged.raw]))[0])
    return Row(
        item=image.source,
        sha256=image.sha256,
        group=image.group,
        stratum=stratum(facts_of(image), strata),
        raw=float(judged.raw),
        p_value=p_value,
        height=image.pixels.shape[1],
        width=image.pixels.shape[2],
        reasons=detector.reasons(judged),
        notes=tuple(judged.notes),
        thumbnail=run.write_thumbnail(image),
        map=write_evidence(run, image, judged.heat, judged.size) if p_value <= maps_up_to else None,
    )


def decide_run(run: Run, detector: Detector, rule: Rule) -> Flagged:
    """Groups, p- and q-values and decisions into every part; the page and the record."""
    from oddpixel.forensics.runs.report import write_report

    rows = RunTable(run).rows()
    readable = [row for row in rows if row.error is None]
    decision: dict[str, Any] = {"rule": asdict(rule)}
    groups: list[dict[str, Any]] = []
    if readable:
        facts = [_facts(row.stratum, rule.strata) for row in readable]
        scores = np.array([row.raw for row in readable], np.float64)
        decided = decide(
            scores, [str(row.group) for row in readable], facts, detector.calibrated_, rule, doubts=detector.doubts_
        )
        rows = _with_decisions(rows, decided)
        groups = _groups([row for row in rows if row.error is None], decided)
        decision |= _decision(decided, detector, rule)
        decision["warnings"] = [
            *decision["warnings"],
            *_known(readable, detector),
            *_lossy(readable),
            *_unmapped(rows, run, rule),
        ]
    for shard, part in itertools.groupby(rows, lambda row: row.shard):
        run.write_part(int(shard or 0), list(part))
    run.write_json("groups.json", {"groups": groups})
    run.finish(decision=decision, decided_before=_decided_before(run, rule))
    rows = _oddest_first(rows)
    write_report(run, rows, decision, groups)
    return Flagged(run, rows, decision, groups)


def _decided_before(run: Run, rule: Rule) -> list[dict[str, Any]]:
    """The rules by which a finished run was decided before: whoever reads its promise can see how often it was chosen."""
    made = run.record
    before: list[dict[str, Any]] = made.get("decided_before") or []
    latest: dict[str, Any] | None = (made.get("decision") or {}).get("rule")
    if made["finished"] is None or latest is None or plain(latest) == plain(asdict(rule)):
        return before
    return [*before, latest][-MOST_RULES:]


def _with_decisions(rows: Sequence[Row], decided: Decided) -> list[Row]:
    """Each with its group's q-value and decision; p-values too, where an image is a group by itself."""
    place = {group: index for index, group in enumerate(decided.groups)}
    sizes = Counter(row.group for row in rows if row.error is None)

    def with_decision(row: Row) -> Row:
        if row.error is not None:
            return replace(row, q_value=None, flagged=None)
        index = place[str(row.group)]
        p_value = float(decided.p_value[index]) if sizes[row.group] == 1 else row.p_value
        return replace(
            row, p_value=p_value, q_value=float(decided.q_value[index]), flagged=bool(decided.flagged[index])
        )

    return [with_decision(row) for row in rows]


def _known(readable: Sequence[Row], detector: Detector) -> list[str]:
    """Images that the detector was made from have nothing to prove: what is promised holds for others."""
    made_from = {*detector.fitted_on_, *(normal.sha256 for normal in detector.calibrated_.rows)}
    count = sum(row.sha256 in made_from for row in readable)
    if not count:
        return []
    return [
        f"the detector was fitted to or calibrated on {count} of {counted(len(readable), 'image')}; "
        "what is promised of false alarms holds for images that it has not seen"
    ]


def _decision(decided: Decided, detector: Detector, rule: Rule) -> dict[str, Any]:
    calibrated = detector.calibrated_
    try:
        marks = calibrated.heat_threshold(guarantee(calibrated.num_groups, rule.fdr or rule.alpha, rule.confidence))
    except CalibrationTooSmall:  # for this rate: then nothing is marked
        marks = float("inf")
    return {
        "promise": decided.promise,
        "guarantee": _guarantee(decided, calibrated.num_groups, rule),
        "power": _power(decided, detector, rule),
        "warnings": decided.warnings,
        "drift_alarm": decided.drift_alarm,
        "num_groups": len(decided.groups),
        "num_flagged_groups": int(decided.flagged.sum()),
        "flagged_up_to": float(decided.p_value[decided.flagged].max()) if decided.flagged.any() else None,
        "num_calibration_groups": calibrated.num_groups,
        "map_threshold": marks if np.isfinite(marks) else None,
        "map_places": min((each.count for each in detector.heat_evidence_.values()), default=None),
    }


def _guarantee(decided: Decided, num_calibration: int, rule: Rule) -> dict[str, Any]:
    """What is promised, as JSON: void where `valid` is false, and then the warnings say why."""
    marginal = "marginal" if rule.confidence is None else "training-conditional"
    return {
        "kind": marginal if rule.fdr is None else "false-discovery-rate",
        "alpha": rule.alpha if rule.fdr is None else rule.fdr,
        "confidence": rule.confidence,
        "n": num_calibration,
        "stratum": "/".join(rule.strata) or None,
        "valid": bool(decided.promise),
        "text": decided.promise,
    }


def _power(decided: Decided, detector: Detector, rule: Rule) -> dict[str, Any] | None:
    """What is found under the promise, as JSON; None where it was withdrawn, or thresholds differ by stratum or by batch."""
    if not decided.promise or rule.strata or rule.fdr is not None:
        return None
    found = detector.power(guarantee(detector.calibrated_.num_groups, rule.alpha, rule.confidence))
    return as_json(found) if found else None


def _lossy(readable: Sequence[Row]) -> list[str]:
    """A warning where images lost on the way to the networks what may have mattered."""
    count = sum(any(note.startswith(WARNING) for note in row.notes) for row in readable)
    if not count:
        return []
    return [
        f"{count} of {counted(len(readable), 'image')} went beyond the range of values that the detector knows, or kept few grey "
        "levels within it; their notes say which"
    ]


def _unmapped(rows: Sequence[Row], run: Run, rule: Rule) -> list[str]:
    """A warning where images that are flagged for themselves have no map, since the run was scored for rarer ones."""
    if not run.record["options"].get("maps"):
        return []
    level = rule.fdr or rule.alpha
    count = sum(bool(row.flagged) and row.map is None and MAPS_UP_TO < (row.p_value or 0) <= level for row in rows)
    if not count:
        return []
    return [
        f"{counted(count, 'flagged image')} without a map: maps were kept for a smaller rate of false alarms; flag into a new "
        "run for maps of all"
    ]


def _check_rule(rule: Rule) -> None:
    """Before hours of scoring: is the rule one at all? Raises: UsageError."""
    stratum({}, rule.strata)
    groups_needed(rule.fdr or rule.alpha, rule.confidence)


def _facts(stratum: str | None, names: Sequence[str]) -> dict[str, str]:
    return dict(zip(names, str(stratum).split("/"), strict=True)) if names else {}


def _groups(readable: Sequence[Row], decided: Decided) -> list[dict[str, Any]]:
    """One record a group, oddest first: its decision, its oddest image, and the score of each member in order."""
    members: dict[str, list[Row]] = {}
    for row in readable:
        members.setdefault(str(row.group), []).append(row)
    records = [
        {
            "group": name,
            "p_value": float(decided.p_value[index]),
            "q_value": float(decided.q_value[index]),
            "flagged": bool(decided.flagged[index]),
            "stratum": decided.stratum[index],
            "num_images": len(members[name]),
            "oddest": max(members[name], key=_raw).item,
            "curve": [round(_raw(row), 4) for row in members[name]],
        }
        for index, name in enumerate(decided.groups)
    ]
    return sorted(records, key=lambda record: (record["p_value"], -max(record["curve"])))


def _oddest_first(rows: Sequence[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: (row.raw is None, -_raw(row), row.item))


def _raw(row: Row) -> float:
    return 0.0 if row.raw is None else row.raw
