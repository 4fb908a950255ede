"""`oddpixel audit`: files into a run, each with a report of its own. Taken up again where it was left, as every run is.

reports/SHA256/report.json   the truth: byte for byte the same for the same file and options
               report.html   the same to read, without a script or a request
               report.pdf    where asked for
               custody.json  who, when, where; hashes before and after
               maps/ aids/   pictures
verdicts.html, .csv, .parquet  one line a file, what calls for a look first
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from oddpixel.border import border
from oddpixel.counting import counted
from oddpixel.datasets.decoders import FROM_SHARD_TO_SHARD
from oddpixel.datasets.entry import Entry
from oddpixel.datasets.limits import Limits
from oddpixel.datasets.listing import Listing
from oddpixel.datasets.reading import Reader
from oddpixel.datasets.source import FileSource, open_source, reader_of
from oddpixel.errors import OddPixelError, RunError, UnreadableInput, describe
from oddpixel.forensics.runs.executors import Executor, InProcess
from oddpixel.forensics.runs.freshness import drop_outdated, note_stamps, stamps_of
from oddpixel.forensics.runs.heat_map import EVIDENCE_SHOWN, write_evidence
from oddpixel.forensics.runs.order import Order, identities
from oddpixel.forensics.runs.plots import plot
from oddpixel.forensics.runs.rows import Failure, Reason, Row
from oddpixel.forensics.runs.run import Run
from oddpixel.forensics.runs.table import RunTable
from oddpixel.image import Image
from oddpixel.provenance import sign_report
from oddpixel.records import read_record
from oddpixel.results import Result, Shown

from .audited import Audited, Options, audit_entry, is_film
from .exhibit import Exhibit
from .labels import FLAGGED
from .medium import FILM, PICTURE
from .report.custody import CUSTODY, Custody
from .report.page import page, shown_pictures
from .report.pdf import pdf
from .report.record import as_bytes, files_of, record_of
from .report.schema import DETAILS
from .report.verdict_table import tables
from .video.film import Film

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHARD_SIZE = 1  # an audit takes seconds; a kill costs at most one
LONGER_SIDE = 1024  # of the map that the run's table points to


@dataclass(frozen=True, kw_only=True)
class Handling:
    """How files are read and reported; none of it decides what is found.

    Arguments:
        max_megapixels: a larger image is refused before it is decoded.
        follow_links: whether listing walks folders that links lead to, inside the given place alone.
        case, examiner: noted in reports and custody.
        with_pdf: a PDF beside the page.
        talk: whether each check is named on stderr as it begins.
    """

    max_megapixels: float = 150.0
    follow_links: bool = False
    case: str | None = None
    examiner: str | None = None
    with_pdf: bool = False
    talk: bool = False

    @property
    def limits(self) -> Limits:
        """Caps on what one file may cost."""
        return Limits(max_pixels=int(self.max_megapixels * 1e6))

    @property
    def reader(self) -> Reader:
        """Reads by content alone, with a decoder that is kept for the next file."""
        return replace(reader_of(limits=self.limits, num_workers=1, any_suffix=True), kept=FROM_SHARD_TO_SHARD)

    def open(self, places: Sequence[str]) -> FileSource:
        """Whatever its name promises, a file is read by its content: a name that lies is a fact of the report."""
        return open_source(
            *places, limits=self.limits, num_workers=1, any_suffix=True, follow_links=self.follow_links
        )  # fmt: skip

    def as_json(self) -> dict[str, Any]:
        """What makes one run of the audit another."""
        return {name: getattr(self, name) for name in ("max_megapixels", "follow_links", "case", "with_pdf")}


@dataclass(frozen=True, kw_only=True)
class Shard:
    """The work order of one file, as it travels to a worker."""

    run: Path
    entry: Entry
    shard: int
    options: Options
    handling: Handling


@dataclass(frozen=True, eq=False, repr=False)
class AuditRun(Result):
    """The results of an audit that has finished.

    Arguments:
        items: one record a file, in order: item, sha256, error, verdict, findings, report.
        listing: what was at the places, with what is not audited.
    """

    run: Run
    items: list[dict[str, Any]] = field(default_factory=list)
    listing: Listing = field(default_factory=Listing)

    def records(self) -> list[dict[str, Any]]:
        """One mapping a file: item, label, p_value, because, report, sha256, error."""
        return [self._record(item) for item in self.items]

    def headline(self) -> str:
        """How many files got which label; and that none of them says authentic."""
        labels = [record["label"] or "not read" for record in self.records()]
        counts = ", ".join(f"{labels.count(label)} {label}" for label in sorted(set(labels)))
        return f"{counted(len(labels), 'file')}: {counts}. No result here says that an image is authentic."

    def shown(self, most: int) -> Sequence[Shown]:
        """The files with picture, label and reason."""
        rows = {row.item: row for row in RunTable(self.run).rows()}
        return [self._row(record, rows.get(record["item"])) for record in self.records()[:most]]

    def plot(self, name: str = "overlays", labels: str | None = None) -> Figure:
        """A figure of the run: overlays, scores, ... (`oddpixel.forensics.runs.plots`). Raises: UsageError, NotPlotted."""
        return plot(self.run, name, labels)

    def _record(self, item: dict[str, Any]) -> dict[str, Any]:
        if item["error"]:
            blank = dict.fromkeys(("label", "p_value", "because", "report"))
            return {"item": item["item"], **blank, "sha256": item["sha256"], "error": item["error"]["message"]}
        verdict = item["verdict"]
        return {
            "item": item["item"],
            "label": str(verdict["label"]),
            "p_value": verdict["p_value"],
            "because": "; ".join(verdict["because"]),
            "report": str(self.run.path / item["report"] / "report.html"),
            "sha256": item["sha256"],
            "error": None,
        }

    def _row(self, record: dict[str, Any], row: Row | None) -> Shown:
        is_there = row is not None and row.thumbnail is not None
        picture = (self.run.content(str(row.thumbnail)), "image/webp") if is_there and row is not None else None
        p_value = "-" if record["p_value"] is None else f"{record['p_value']:.2g}"
        why = record["because"] or record["error"] or ""
        cells = {"item": record["item"], "verdict": record["label"] or "not read", "p": p_value, "why": why}
        return Shown(cells, picture, record["label"] in FLAGGED)


def audit_into(
    out: Path,
    places: Sequence[str],
    options: Options,
    handling: Handling | None = None,
    *,
    source: FileSource | None = None,
    executor: Executor | None = None,
    overwrite: bool = False,
    on_item: Callable[[], None] = lambda: None,
) -> AuditRun:
    """Audit every file at the places, one shard each, and write the run.

    Arguments:
        source: what `handling.open(places)` gave, where that was asked for already.

    Raises: RunError, UsageError.
    """
    handling = handling or Handling()
    source = handling.open(places) if source is None else source
    source.check_any()
    order = Order(
        kind="audit", items=identities(source.entries), options=options.as_json() | handling.as_json(), places=places,
        shard_size=SHARD_SIZE, overwrite=overwrite, reopens=True,
    )  # fmt: skip
    run = Run.begin(out, order)
    with run.writing_alone():
        drop_outdated(run, source.entries, order)
        shards = [
            Shard(run=run.path, entry=source.entries[k], shard=k, options=options, handling=handling)
            for k in run.missing_shards()
        ]
        try:
            for _ in (executor or InProcess()).run(audit_shard, shards):
                on_item()
        finally:
            FROM_SHARD_TO_SHARD.close()
        items = [dict(_kept(run, k)) for k in range(len(order.items))]
        if run.record["finished"] is None:
            for name, content in tables(items, handling.case).items():
                _write(run, name, content)
            run.finish(decision=_decision(items, options.alpha))
    return AuditRun(run, items, source.listing)


def audit_shard(spec: Shard) -> int:
    """Audit one file: write its report, its details, and last its row, which marks it as done. Raises: RunError."""
    run = Run.open(spec.run)
    note_stamps(run, spec.shard, stamps_of([spec.entry]))
    ((row, item),) = border([spec.entry], lambda entry: _audited(run, entry, spec), _failed)
    run.write_json(f"details/part-{spec.shard:05d}.json", item)
    run.write_part(spec.shard, [row])
    return 1


Rows = tuple[Row, dict[str, Any]]  # of the run's table, and of the details beside it


def _failed(entry: Entry, error: OddPixelError) -> Rows:
    row = Row(item=entry.name, group=entry.group or entry.name, error=Failure.of(error))
    return row, {"item": entry.name, "sha256": None, "error": describe(error)}


def _audited(run: Run, entry: Entry, spec: Shard) -> Rows:
    """The rows of one file, whose report and custody record are written to the run.

    Raises: whatever goes wrong with the file.
    """
    custody = Custody(entry.name, spec.handling.case, spec.handling.examiner)
    limits = spec.handling.limits
    with spec.handling.reader.lent_decoder() as decoder:
        before = _digest(entry, limits)
        custody.note("opened for reading", sha256=before)
        tell = _teller(entry.name, spec, run.record["num_items"]) if spec.handling.talk else lambda name: None
        audited = audit_entry(entry, decoder, limits, spec.options, tell)
        if audited.exhibit.sha256 != before or (after := _digest(entry, limits)) != before:
            raise UnreadableInput(
                "the file changed while it was read; copy it to where nobody writes, and audit the copy"
            )
        custody.note("closed; not changed", sha256=after)
    row = _row(run, audited, entry, before)
    report = write_report(run, audited, spec, custody, entry.name)
    verdict = audited.verdict
    item = {
        "item": entry.name,
        "sha256": before,
        "error": None,
        "verdict": verdict.as_json(),
        "report": report["folder"],
    }
    return row, item | {"findings": report["record"]["findings"], "gate": report["record"]["gate"]}


def write_report(run: Run, audited: Audited, spec: Shard, custody: Custody, name: str) -> dict[str, Any]:
    """Write all files of one report; the record, and the folder relative to the run. Raises: RunError."""
    record = record_of(audited, spec.options, name, spec.handling.case)
    folder = f"reports/{audited.exhibit.sha256}"
    whole = files_of(audited, spec.options)
    content: dict[str, bytes] = {"report.json": as_bytes(record), **whole}
    for path, each in content.items():
        custody.note(f"written: {path}", sha256=hashlib.sha256(each).hexdigest())
    pictures = shown_pictures(audited.exhibit, record, whole)
    said = custody.as_json()
    content["report.html"] = page(record, said, pictures).encode()
    if spec.handling.with_pdf:
        content["report.pdf"] = pdf(record, said, pictures)
    # Only now, so that a report whose drawing fails leaves none of its files behind.
    for path, each in content.items():
        _write(run, f"{folder}/{path}", each)
    run.write_json(f"{folder}/custody.json", said | _earlier(run, folder))
    return {"record": record, "folder": folder}


def _earlier(run: Run, folder: str) -> dict[str, Any]:
    """Custody of the same bytes that were examined before, under another name perhaps: nothing noted is lost."""
    path = run.path / folder / "custody.json"
    if not path.is_file():
        return {}
    before = read_record(path, CUSTODY, RunError)
    return {"earlier": [*before.pop("earlier", []), before]}


def _write(run: Run, path: str, content: bytes) -> None:
    with run.writing(run.path / path) as file:
        file.write(content)


def _row(run: Run, audited: Audited, entry: Entry, sha256: str) -> Row:
    exhibit, verdict = audited.exhibit, audited.verdict
    image = Image(
        np.ascontiguousarray(exhibit.pixels.transpose(2, 0, 1)) / np.float32(255), exhibit.bits, "display", None,
        exhibit.name, sha256, exhibit.name, {"format": exhibit.container, **_text(exhibit)},
    )  # fmt: skip
    p_value = verdict.p_value
    because = f"{verdict.label}: {'; '.join(verdict.because)}"
    return Row(
        item=entry.name,
        sha256=sha256,
        group=entry.group or entry.name,
        stratum=exhibit.gate.stratum,
        raw=None if p_value is None else float(-np.log10(max(p_value, 1e-300))),
        p_value=p_value,
        flagged=verdict.label in FLAGGED,
        height=exhibit.size[0],
        width=exhibit.size[1],
        thumbnail=run.write_thumbnail(image),
        reasons=(
            Reason("verdict", p_value, because),
            *(Reason(finding.check, finding.probability, finding.because) for finding in audited.evidence),
        ),
        map=_map(run, image, [finding.map for finding in audited.evidence if finding.map is not None]),
    )


def _map(run: Run, image: Image, maps: list[np.ndarray]) -> str | None:
    if not maps:
        return None
    heat, size = _reduced(np.maximum.reduce(maps) * EVIDENCE_SHOWN)
    return write_evidence(run, image, heat, size)


def _text(exhibit: Exhibit | Film) -> dict[str, str]:
    return {"text_in_pixels": "possible"} if exhibit.may_show_text else {}


def _reduced(heat: np.ndarray) -> tuple[np.ndarray, tuple[int, int]]:
    factor = min(1.0, LONGER_SIDE / max(heat.shape))
    size = (max(1, round(heat.shape[0] * factor)), max(1, round(heat.shape[1] * factor)))
    return cv2.resize(heat, size[::-1], interpolation=cv2.INTER_AREA).astype(np.float64), size


def _digest(entry: Entry, limits: Limits) -> str:
    try:
        with entry.open(limits) as file:
            digest: Any = file
            return hashlib.file_digest(digest, "sha256").hexdigest()
    except OSError as error:
        raise UnreadableInput(f"cannot be read: {error}") from error


def _teller(name: str, spec: Shard, num_files: int) -> Callable[[str], None]:
    """Says on stderr what begins: `auditing NAME (2 of 5): CHECK k/n`, over reading, facts and each check."""
    import itertools
    import sys

    from .facts.fact import printable

    medium = FILM if is_film(spec.entry, spec.handling.limits) else PICTURE
    steps, num_steps = itertools.count(1), 2 + len(medium.named(spec.options.checks))
    said = f"auditing {printable(name)} ({spec.shard + 1} of {num_files})"
    return lambda step: print(f"{said}: {step} {next(steps)}/{num_steps}", file=sys.stderr, flush=True)


def _kept(run: Run, shard: int) -> dict[str, Any]:
    """The details of a shard that an earlier call has finished. Raises: RunError."""
    try:
        return read_record(run.file(f"details/part-{shard:05d}.json"), DETAILS, RunError)
    except UnreadableInput as error:
        raise RunError(f"{run.path} lacks the details of shard {shard}: {error}") from error


def _decision(items: list[dict[str, Any]], alpha: float) -> dict[str, Any]:
    labels = [each["verdict"]["label"] if each["error"] is None else "not read" for each in items]
    return {
        "labels": {label: labels.count(label) for label in sorted(set(labels))},
        "num_groups": len(labels) - labels.count("not read"),
        "num_flagged_groups": sum(label in FLAGGED for label in labels),
        "promise": f"at most {alpha:g} of authentic images, of the kinds that were measured, are called manipulated or anomalous",
        "warnings": ["No result here says that an image is authentic"],
    }


def sign_reports(run: Run, certificates: Path, key: Path) -> None:
    """Write a signed copy beside every PDF report; the evidence itself is never touched. Raises: UsageError."""
    for path in sorted(run.path.glob("reports/*/report.pdf")):
        sign_report(path, path.with_name("report-signed.pdf"), certificates, key, f"Audit report {path.parent.name}")
