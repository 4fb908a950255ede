"""`audit`: suspected deepfakes and manipulations, one report a file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from oddpixel.console import MAX_ROWS, Cell, error_cell, print_table

from .options import AsJson, DryRun, FollowLinks, ListLeftOut, MaxPixels, Overwrite

FIELDS = ("name", "title", "kind", "purpose", "reference", "needs", "cannot")


def audit(
    files: Annotated[
        list[str] | None, typer.Argument(help="Files, folders, globs, manifests, zip archives, corpus:NAME[/ROLE].")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Folder for the run and its reports; FILE-audit if not given.")
    ] = None,
    checks: Annotated[str | None, typer.Option(help="Only these, with commas; --list-checks names them.")] = None,
    alpha: Annotated[float, typer.Option(help="At most this share of authentic images gets a label.", min=0.0)] = 0.05,
    anchors: Annotated[
        list[Path] | None,
        typer.Option(help="PEM certificates that C2PA may be signed under; for several lists, repeat."),
    ] = None,
    aids: Annotated[bool, typer.Option(help="Visual aids (no error rate) in the report.")] = True,
    sensitivity: Annotated[
        bool, typer.Option("--sensitivity", help="Also judge copies that were saved again, resized or cropped.")
    ] = False,
    pdf: Annotated[bool, typer.Option("--pdf", help="A PDF beside each page.")] = False,
    sign: Annotated[Path | None, typer.Option(help="Sign the PDFs by C2PA: PEM certificates, with --key.")] = None,
    key: Annotated[Path | None, typer.Option(help="PEM private key for --sign.")] = None,
    case: Annotated[str | None, typer.Option(help="Case id, into report and custody.")] = None,
    examiner: Annotated[str | None, typer.Option(help="Who looks, into custody; your login where not given.")] = None,
    jobs: Annotated[int, typer.Option(help="Files at once.", min=1)] = 1,
    fail_on: Annotated[str | None, typer.Option(help="Exit 1 if any was: evidence, error.")] = None,
    max_megapixels: MaxPixels = 150.0,
    follow_links: FollowLinks = False,
    left_out: ListLeftOut = False,
    overwrite: Overwrite = False,
    list_checks: Annotated[
        bool, typer.Option("--list-checks", help="What each check does, needs and cannot do.")
    ] = False,
    json: AsJson = False,
    dry_run: DryRun = False,
) -> None:
    """Facts, tests with error rates, maps, and a bounded verdict or an honest "inconclusive", for each file."""
    from oddpixel.console import print_options, shown_progress
    from oddpixel.envelope import envelope
    from oddpixel.errors import UsageError
    from oddpixel.progress import silent

    from .ending import check_choice, exit_by, failures, not_read, print_not_read

    if list_checks:
        from oddpixel.forensics.audit.medium import FILM, PICTURE

        described = [
            {name: getattr(check, name) for name in FIELDS} for check in (PICTURE.checks | FILM.checks).values()
        ]
        return print(envelope("checks", items=described)) if json else print_checks(described)
    if not files:
        raise UsageError("name the files to audit: oddpixel audit FILE")
    check_choice("--fail-on", fail_on, ("evidence", "error"))
    talk = os.environ.get("ODDPIXEL_PROGRESS") == "lines"
    options: dict[str, Any] = {
        "files": files, "out": out, "checks": checks, "alpha": alpha, "anchors": anchors or (), "aids": aids,
        "sensitivity": sensitivity, "pdf": pdf, "sign": sign, "key": key, "case": case, "examiner": examiner,
        "jobs": jobs, "max_megapixels": max_megapixels, "follow_links": follow_links, "overwrite": overwrite,
        "talk": talk,
    }  # fmt: skip
    if dry_run:
        return print_options("audit", options)
    from oddpixel.api.audit import audit as audit_files
    from oddpixel.forensics.audit.labels import Label

    with shown_progress() as on_progress:
        found = audit_files(**options, on_progress=silent if talk else on_progress)
    if json:
        print(envelope("audit", run=found.run.path, items=found.items, **not_read(found.listing)))
    else:
        print_audited(found)
        print_not_read(found.listing, left_out)
    exit_by(failures(found.items), fail_on == "error")
    labels = [each["verdict"]["label"] for each in found.items if each["error"] is None]
    if fail_on == "evidence" and Label.MANIPULATION in labels:
        raise typer.Exit(1)
    return None


def print_audited(found: Any) -> None:
    """Print a line per file, and where its report is. `found`: an `AuditRun`."""
    print_table(("item", "verdict", "p", "why"), [_audited_cells(item) for item in found.items[:MAX_ROWS]])
    if len(found.items) > MAX_ROWS:
        print(f"... {len(found.items) - MAX_ROWS} more in the run's table")
    reports = [item["report"] for item in found.items if not item["error"]]
    if reports:
        whole = found.run.path / ("verdicts.html" if len(found.items) > 1 else f"{reports[0]}/report.html")
        print(f"\n{'all verdicts, with links to the reports' if len(found.items) > 1 else 'report'}: {whole}")
    print("No result here says that an image is authentic.")


def _audited_cells(item: Mapping[str, Any]) -> tuple[Cell, ...]:
    if item["error"]:
        return item["item"], "not read", "-", error_cell(**item["error"])
    verdict = item["verdict"]
    value = verdict["p_value"]
    p = "-" if value is None else "< 1e-6" if value < 1e-6 else f"{value:.2g}"
    return item["item"], verdict["label"], p, "; ".join(verdict["because"])


def print_checks(items: list[dict[str, Any]]) -> None:
    """Print each check with what it asks, what it needs and what it cannot tell."""
    for item in items:
        print(f"{item['name']} ({item['kind']}): {item['purpose']}")
        print(f"    needs: {item['needs']}\n    cannot: {item['cannot']}\n    after: {item['reference']}")


EXAMPLES = (
    "audit photo.jpg",
    "audit incoming/ -o audit --pdf --jobs 2",
    "audit --list-checks",
)
COMMAND = audit
