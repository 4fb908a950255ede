"""One file audited: gate, facts, findings, verdict, in that order."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from oddpixel.datasets.entry import Entry
from oddpixel.datasets.limits import Limits
from oddpixel.datasets.sandbox import Decoder
from oddpixel.errors import UnreadableInput

from .checks import named
from .exhibit import Exhibit, read_exhibit
from .facts import facts_of
from .facts.c2pa import facts_from
from .facts.fact import Fact
from .finding import Finding
from .judge import examine
from .verdict import ALPHA, Verdict, decide


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options that decide the content of a report.

    Arguments:
        checks: names with commas, or None for all.
        alpha: rate of false alarms of the verdict.
        anchors: PEM text of the certificates that C2PA manifests may be signed under; None trusts nobody.
        aids: whether pictures without an error rate are drawn too.
    """

    checks: str | None = None
    alpha: float = ALPHA
    anchors: str | None = None
    aids: bool = True

    def as_json(self) -> dict[str, Any]:
        """The options as they stand in run.json; of the trust anchors their SHA-256."""
        digest = None if self.anchors is None else hashlib.sha256(self.anchors.encode()).hexdigest()
        return {"checks": self.checks, "alpha": self.alpha, "anchors_sha256": digest, "aids": self.aids}


@dataclass(frozen=True, eq=False)
class Audited:
    """All results for one file, from which its report is written."""

    exhibit: Exhibit
    facts: list[Fact]
    findings: list[Finding]
    verdict: Verdict


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
    chosen = named(options.checks)
    on_check("reading")
    exhibit = read_exhibit(entry, decoder, limits)
    on_check("facts")
    facts = [*facts_of(exhibit.content, entry.member or entry.path.name), *_manifest(exhibit, decoder, options)]
    return audited(exhibit, facts, options, chosen, on_check)


def audited(
    exhibit: Exhibit,
    facts: list[Fact],
    options: Options,
    chosen: Sequence[Any] | None = None,
    on_check: Callable[[str], None] = lambda name: None,
) -> Audited:
    """Run the checks on an exhibit whose facts were read, and draw the verdict from them."""
    findings = examine(exhibit, named(options.checks) if chosen is None else chosen, on_check)
    return Audited(exhibit, facts, findings, decide(exhibit.gate, facts, findings, options.alpha))


def _manifest(exhibit: Exhibit, decoder: Decoder, options: Options) -> list[Fact]:
    """Asked last: the native reader may take the decoder down with it."""
    try:
        manifest = decoder.manifest(exhibit.container or "", options.anchors)
    except UnreadableInput as error:
        manifest = {"state": "unreadable", "failures": [str(error)]}
    return list(facts_from(manifest))
