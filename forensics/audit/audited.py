"""One file audited: gate, facts, findings, verdict, in that order."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from oddpixel.datasets.entry import Entry
from oddpixel.datasets.formats.video import FORMAT
from oddpixel.datasets.limits import Limits
from oddpixel.datasets.sandbox import Decoder
from oddpixel.errors import CorruptFile, UnreadableInput

from .calibration import Calibration, table
from .checks import Check, checks
from .exhibit import Exhibit, read_exhibit
from .faces.judged import JudgedFace, judged_faces
from .facts import facts_of
from .facts.c2pa import facts_from
from .facts.fact import Fact
from .finding import Finding
from .judge import examine
from .medium import FILM, PICTURE
from .sensitivity import Altered, sensitivity_of
from .trust import TrustList, joined
from .verdict import ALPHA, Verdict, counts, decide, settled
from .video.audited import audit_film, measured
from .video.checks import timeline_checks
from .video.film import Film


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options that decide the content of a report.

    Arguments:
        checks: names with commas, or None for all.
        alpha: rate of false alarms of the verdict.
        anchors: the certificates that C2PA manifests may be signed under; without any, nobody is trusted.
        aids: whether pictures without an error rate are drawn too.
        sensitivity: whether altered copies are judged too, which costs the tests eight times more.
    """

    checks: str | None = None
    alpha: float = ALPHA
    anchors: tuple[TrustList, ...] = ()
    aids: bool = True
    sensitivity: bool = False

    def as_json(self) -> dict[str, Any]:
        """The options as they stand in run.json; of the trust anchors their SHA-256."""
        pem = joined(self.anchors)
        digest = None if pem is None else hashlib.sha256(pem.encode()).hexdigest()
        more = {"sensitivity": True} if self.sensitivity else {}
        return {"checks": self.checks, "alpha": self.alpha, "anchors_sha256": digest, "aids": self.aids, **more}


@dataclass(frozen=True, eq=False)
class Audited:
    """All results for one file, from which its report is written.

    Arguments:
        faces: of a picture, each judged by itself.
        calibration: what the tests of this kind of file were measured to do.
    """

    exhibit: Exhibit | Film
    facts: list[Fact]
    findings: list[Finding]
    verdict: Verdict
    sensitivity: list[Altered] = field(default_factory=list)
    faces: list[JudgedFace] = field(default_factory=list)
    calibration: Calibration = field(default_factory=table)

    @property
    def evidence(self) -> list[Finding]:
        """The findings that decide: they count, and reach their share of the level; the strongest first."""
        gate = self.exhibit.gate
        deciding = [
            finding
            for finding in self.findings
            if finding.status == "evidence" and counts(finding, gate, self.calibration)
        ]
        return sorted(deciding, key=lambda finding: finding.probability or 0.0)


def is_film(entry: Entry, limits: Limits) -> bool:
    """Whether a file is a video, by its first bytes. Raises: UnreadableInput."""
    try:
        with entry.open(limits) as file:
            return FORMAT().recognise(file.read(512)) is not None
    except OSError as error:
        raise CorruptFile(f"cannot be read: {error}") from error


def audit_entry(
    entry: Entry,
    decoder: Decoder,
    limits: Limits,
    options: Options,
    on_check: Callable[[str], None] = lambda name: None,
) -> Audited:
    """Read one file in the sandbox, collect its facts, run the checks, and draw the verdict.

    Raises: UnreadableInput, UsageError.
    """
    if is_film(entry, limits):
        return _audited_film(entry, decoder, limits, options, on_check)
    chosen = [checks()[name] for name in PICTURE.named(options.checks)]
    on_check("reading")
    exhibit = read_exhibit(entry, decoder, limits)
    on_check("facts")
    declared = _manifest(exhibit.container or "", decoder, options)
    facts = [*facts_of(exhibit.content, entry.member or entry.path.name), *_samples(exhibit), *declared]
    return audited(exhibit, facts, options, chosen, on_check)


def _samples(exhibit: Exhibit) -> list[Fact]:
    if exhibit.used_bits is None:
        return []
    because = "brightened for the tests and for the eye: the largest value of that many bits is white"
    return [Fact("samples", f"{exhibit.used_bits} of {exhibit.bits} bits are in use", because)]


def _audited_film(
    entry: Entry, decoder: Decoder, limits: Limits, options: Options, on_check: Callable[[str], None]
) -> Audited:
    chosen = [timeline_checks()[name] for name in FILM.named(options.checks)]
    try:
        film, facts, findings, verdict = audit_film(
            entry, decoder, limits, chosen, options.alpha, on_check,
            lambda container: _manifest(container, decoder, options),
        )  # fmt: skip
    except OSError as error:
        raise CorruptFile(f"cannot be read: {error}") from error
    return Audited(film, facts, findings, verdict, calibration=measured())


def audited(
    exhibit: Exhibit,
    facts: list[Fact],
    options: Options,
    chosen: Sequence[Check] | None = None,
    on_check: Callable[[str], None] = lambda name: None,
) -> Audited:
    """Run the checks on an exhibit whose facts were read, and draw the verdict from them."""
    chosen = [checks()[name] for name in PICTURE.named(options.checks)] if chosen is None else chosen
    findings = settled(examine(exhibit, chosen, on_check), exhibit.gate, options.alpha)
    verdict = decide(exhibit.gate, facts, findings, options.alpha)
    altered: list[Altered] = []
    if options.sensitivity and exhibit.gate.too_small is None:
        on_check("sensitivity")
        altered = sensitivity_of(exhibit, chosen, options.alpha)
    on_check("faces")
    return Audited(exhibit, facts, findings, verdict, altered, judged_faces(exhibit, findings, verdict.label))


def _manifest(container: str, decoder: Decoder, options: Options) -> list[Fact]:
    """Asked last: the native reader may take the decoder down with it."""
    try:
        manifest = decoder.manifest(container, joined(options.anchors))
    except UnreadableInput as error:
        manifest = {"state": "unreadable", "failures": [str(error)]}
    return list(facts_from(manifest, [each.described for each in options.anchors]))
