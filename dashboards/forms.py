"""What pages that start work share: images to work on, folders for the results, jobs with their progress."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from oddpixel.errors import UsageError
from oddpixel.forensics.runs.table import Filter

from .jobs import Job
from .library import OpenRun
from .site import the_site
from .uploads import allowed, keep
from .visit import author, plain, quiet

SIGNS = {
    "running": ":material/progress_activity:",
    "done": ":material/check_circle:",
    "failed": ":material/error:",
    "stopped": ":material/stop_circle:",
}
REASON_SHOWN = 160  # characters of why a job failed, in its title
PROGRESS = re.compile(r"(.*) \d+/\d+")


def images(key: str, what: str) -> tuple[Sequence[object], str]:
    """The fields for images: uploads, or the path of a folder."""
    uploaded = st.file_uploader(f"{what}: files", accept_multiple_files=True, key=f"{key}-files")
    path = st.text_input(f"{what}: or a folder here", key=f"{key}-folder", placeholder="a path on this machine")
    return uploaded or [], path.strip()


def place_of(given: tuple[Sequence[object], str]) -> Path:
    """The folder that a visitor named, or the one that uploads were saved in. Raises: UsageError, RunError."""
    uploaded, path = given
    if uploaded and path:
        raise UsageError("give files or a folder, not both")
    return allowed(path, the_site().data) if path else keep(uploaded, the_site().folder / "uploads")


def fresh(kind: str, name: str = "") -> Path:
    """The path of a new folder for a run or a detector."""
    slug = "".join(letter if letter.isalnum() or letter in "-_" else "-" for letter in name.strip())[:60]
    folder = the_site().folder / kind
    folder.mkdir(parents=True, exist_ok=True)
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    path = folder / (f"{stamp}-{slug}" if slug else stamp)
    if path.exists():
        raise UsageError("a folder of this name was begun within the same second; try again")
    return path


def start(title: str, arguments: list[str], out: Path) -> Job:
    """Start an `oddpixel` command as a job of this visitor, and show it opened on the page."""
    job = the_site().jobs.start(title, arguments, author(), out)
    st.toast(f"Started: {literal(title)}")
    st.session_state["job"] = job.path.name
    return job


def literal(text: str) -> str:
    """Markdown that shows exactly this text, for labels: links, formulas, icons and colours in it stay letters."""
    flat = " ".join(text.split())
    if re.fullmatch(r"[\w ,()-]*", flat) and not flat.startswith("-"):
        return flat.replace("_", r"\_")
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", flat)), default=0))
    return f"{fence} {flat} {fence}" if flat.startswith("`") or flat.endswith("`") else f"{fence}{flat}{fence}"


def show_job(job: Job) -> None:
    """A job with its progress, command and log, a button to stop it, and a link to its run."""
    record, state = job.record, job.state
    why = why_failed(job) if state == "failed" else ""
    with st.expander(
        f"{literal(record['title'])} · {state}" + (f": {literal(why[:REASON_SHOWN])}" if why else ""),
        expanded=job.path.name == st.session_state.get("job"),
        icon=SIGNS[state],
    ):
        if why:
            plain(why)
        if state == "running" and (progress := job.progress()) is not None:
            done, whole = progress
            st.progress(min(done / max(whole, 1), 1.0), text=f"{done} of {whole}")
            quiet(doing(job))
        quiet(f"{record['started']} · {record['author']}")
        st.code(" ".join(record["command"]), language="bash", wrap_lines=True)
        st.text(job.log[-6000:] or "(nothing printed yet)")
        left, right = st.columns(2)
        if state == "running" and left.button("Stop", key=f"stop-{job.path.name}"):
            job.stop()
        if (run := run_of(job)) is not None:
            reports = run.run.record["kind"] == "audit"
            right.page_link(
                "views/audit.py" if reports else "views/triage.py",
                label="Open the reports" if reports else "Open the run",
                icon=":material/policy:" if reports else ":material/grid_view:",
                query_params={"run": run.key},
            )


def why_failed(job: Job) -> str:
    """The file that could not be read and the reason, where the job wrote a run; else the last that it printed."""
    run = run_of(job)
    failures = [] if run is None else run.table.page([Filter("error", "is not null")], limit=1)
    for row in failures:
        assert run is not None
        assert row.error is not None
        more = run.table.count([Filter("error", "is not null")]) - 1
        return f"{row.item}: {row.error.type}: {row.error.message}" + (f" ({more} more)" if more else "")
    lines = [line.strip() for line in job.log.splitlines() if line.strip() and not PROGRESS.fullmatch(line.strip())]
    return lines[-1] if lines else "it ended without a word"


def doing(job: Job) -> str:
    """The text before the last `done/all` that a job printed."""
    lines = (PROGRESS.fullmatch(line.strip()) for line in reversed(job.log.splitlines()))
    return next((match[1] for match in lines if match), "")


def run_of(job: Job) -> OpenRun | None:
    """The run that a job makes, or has made."""
    out = job.record["out"]
    if out is None:
        return None
    folder = Path(out).resolve()
    return next((run for run in the_site().library.runs() if run.run.path.resolve() == folder), None)
