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
    out: Annotated[Path | None, typer.Option("-o", "--out", help="Folder for the run and its reports.")] = None,
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

    from oddpixel.console import print_options, progress
    from oddpixel.envelope import envelope
    from oddpixel.errors import UsageError
    from oddpixel.forensics.audit.audited import Options
    from oddpixel.forensics.audit.labels import Label
    from oddpixel.forensics.audit.medium import FILM, PICTURE
    from oddpixel.forensics.audit.run import Handling, audit_into, sign_reports
    from oddpixel.forensics.audit.trust import read_trust_lists
    from oddpixel.forensics.runs.executors import executor

    from .ending import check_choice, exit_by, failures, not_read, print_not_read

    if list_checks:
        described = [
            {name: getattr(check, name) for name in FIELDS} for check in (PICTURE.checks | FILM.checks).values()
        ]
        return print(envelope("checks", items=described)) if json else print_checks(described)
    if not files or out is None:
        raise UsageError("name the files to audit, and a folder for the reports: oddpixel audit FILE -o OUT")
    check_choice("--fail-on", fail_on, ("evidence", "error"))
    if (sign is None) != (key is None) or (sign is not None and not pdf):
        raise UsageError("signing needs --sign CERTIFICATES, --key KEY and --pdf: it is the PDF that is signed")
    PICTURE.named(checks)
    options = Options(
        checks=checks, alpha=alpha, anchors=read_trust_lists(anchors or ()), aids=aids, sensitivity=sensitivity
    )
    talk = os.environ.get("ODDPIXEL_PROGRESS") == "lines"
    handling = Handling(
        max_megapixels=max_megapixels, follow_links=follow_links, case=case, examiner=examiner, with_pdf=pdf, talk=talk
    )
    if dry_run:
        given = {"files": files, "out": out, **options.as_json(), **handling.as_json()}
        return print_options("audit", given | {"examiner": examiner, "jobs": jobs})
    with progress("auditing", 0) as advance:
        found = audit_into(
            out, files, options, handling, executor=executor(jobs, None, None, None), overwrite=overwrite,
            on_item=(lambda: None) if talk else advance,
        )  # fmt: skip
    if sign is not None and key is not None:
        sign_reports(found.run, sign, key)
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


COMMAND = audit
