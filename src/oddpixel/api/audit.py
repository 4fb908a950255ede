"""`oddpixel.audit`: facts, tests with error rates, maps, and a bounded verdict for each file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from oddpixel.errors import UsageError
from oddpixel.forensics.audit.audited import Options
from oddpixel.forensics.audit.medium import PICTURE
from oddpixel.forensics.audit.report.pdf import check_installed
from oddpixel.forensics.audit.run import AuditRun, Handling, audit_into, sign_reports
from oddpixel.forensics.audit.trust import read_trust_lists
from oddpixel.forensics.runs.executors import executor
from oddpixel.places import Place, Places, as_places, default_folder
from oddpixel.progress import Progress, counting, silent


def audit(
    files: Places,
    *,
    out: Place | None = None,
    checks: str | None = None,
    alpha: float = 0.05,
    anchors: Sequence[Path] = (),
    aids: bool = True,
    sensitivity: bool = False,
    pdf: bool = False,
    sign: Path | None = None,
    key: Path | None = None,
    case: str | None = None,
    examiner: str | None = None,
    jobs: int = 1,
    max_megapixels: float = 150.0,
    follow_links: bool = False,
    overwrite: bool = False,
    talk: bool = False,
    on_progress: Progress = silent,
) -> AuditRun:
    """Audit files, as `oddpixel audit` does; a report a file is kept in `out`.

    Arguments:
        files: files, folders, globs, manifests, archives; one or several.
        out: the run's folder; of the first place's name where None.
        checks: only these, with commas; all where None.
        alpha: at most this share of authentic images gets a label.
        anchors: PEM certificates that C2PA may be signed under.
        aids: visual aids, without an error rate, in the report.
        sensitivity: also judge copies that were saved again, resized or cropped.
        pdf: a PDF beside each page; `sign` and `key` sign it by C2PA.
        case, examiner: noted in report and custody.
        jobs: files at once.
        talk: name each check on stderr as it begins.
        on_progress: told `(what, done, total)` as files are done.

    Raises: UsageError, RunError. What is wrong with one file is that file's row.
    """
    if (sign is None) != (key is None) or (sign is not None and not pdf):
        raise UsageError("signing needs --sign CERTIFICATES, --key KEY and --pdf: it is the PDF that is signed")
    if pdf:
        check_installed()
    PICTURE.named(checks)
    places = as_places(files)
    options = Options(checks=checks, alpha=alpha, anchors=read_trust_lists(anchors), aids=aids, sensitivity=sensitivity)
    handling = Handling(
        max_megapixels=max_megapixels, follow_links=follow_links, case=case, examiner=examiner, with_pdf=pdf, talk=talk
    )
    source = handling.open(places)
    audited = audit_into(
        default_folder(places, "audit") if out is None else Path(out), places, options, handling, source=source,
        executor=executor(jobs, None, None, None), overwrite=overwrite,
        on_item=counting("auditing", len(source), on_progress),
    )  # fmt: skip
    if sign is not None and key is not None:
        sign_reports(audited.run, sign, key)
    return audited
