"""What pages that start work share: images to work on, folders for the results, jobs with their progress."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from oddpixel.errors import OddPixelError, UsageError
from oddpixel.forensics.runs.table import Filter

from .job_runner import Step, step_of
from .jobs import Job
from .library import OpenRun
from .roles import LEAD
from .site import the_site
from .uploads import allowed, keep
from .visit import author, failed, may, quiet, require

SIGNS = {
    "running": ":material/progress_activity:",
    "done": ":material/check_circle:",
    "failed": ":material/error:",
    "stopped": ":material/stop_circle:",
}
REASON_SHOWN = 160  # characters of why a job failed, in its title
GENERATED = "generated"  # where in the dashboard's folder synthetic pictures go
PICTURES_SHOWN, PICTURE_WIDTH = 8, 180


def images(key: str, what: str) -> tuple[Sequence[object], str]:
    """The fields for images: uploads, or the path of a folder."""
    uploaded = st.file_uploader(f"{what}: files", accept_multiple_files=True, key=f"{key}-files")
    path = st.text_input(f"{what}: or a folder here", key=f"{key}-folder", placeholder="a path on this machine")
    return uploaded or [], path.strip()


def place_of(given: tuple[Sequence[object], str]) -> Path:
    """The folder that a visitor named, or the one that uploads were saved in. Raises: UsageError, RunError."""
    require(LEAD)
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


def start(title: str, arguments: list[str], out: Path, *, once: str | None = None) -> Job:
    """Start an `oddpixel` command as a job of this visitor, and show it opened on the page."""
    require(LEAD)
    job = the_site().jobs.start(title, arguments, author(), out, once=once)
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
    """A job: what it is, how far it got or why it failed, what can be done about it; its command and log folded away."""
    record, state = job.record, job.state
    name = job.path.name
    with st.container(border=True, key=f"job-{name}"):
        said, acts = st.columns([7, 3], vertical_alignment="center")
        step = job.step if state == "running" else None
        said.markdown(f"{SIGNS[state]} **{literal(record['title'])}** · {headline(job, state, step)}")
        if step is not None and step.counts is not None:
            said.progress(step.share, text=literal(step.doing or "working"))
        with acts:
            act_on(job, state)
        made = pictures(job) if state == "done" else []
        if made:
            st.image(made, width=PICTURE_WIDTH, alt=[f"Synthetic picture {path.name}" for path in made])
            quiet(f"Synthetic, made by a model: {', '.join(path.name for path in made)}")
        is_mine = name == st.session_state.get("job")
        with st.expander("Command and log", expanded=is_mine and state in ("running", "failed")):
            quiet(f"{record['started']} · {record['author']}")
            st.code(" ".join(record["command"]), language="bash", wrap_lines=True)
            if the_site().open_readings(author()):
                quiet("What it printed is not shown while a blind reading is open for you.")
            else:
                st.code(job.log[-6000:] or "(nothing printed yet)", language=None)


def headline(job: Job, state: str, step: Step | None) -> str:
    """The state of a job in one line of Markdown: phase and time left, or why it failed."""
    if state == "failed":
        return f"failed: {literal(why_failed(job)[:REASON_SHOWN])}"
    if state != "running" or step is None:
        return state
    counts = "" if step.counts is None else f", {step.counts[0]} of {step.counts[1]}"
    left = job.seconds_left(step)
    return f"running: {literal(step.phase or 'working')}{counts}" + (f", {time_left(left)}" if left is not None else "")


def time_left(seconds: float) -> str:
    """A time in words, no finer than it can be known."""
    minutes = round(seconds / 60)
    if seconds < 50:
        return "less than a minute left"
    if minutes < 60:
        return f"about {max(minutes, 1)} min left"
    return f"about {minutes // 60} h {minutes % 60} min left"


def act_on(job: Job, state: str) -> None:
    """Stop it, go on with it, or open what it made."""
    name = job.path.name
    is_lead = may(LEAD)
    if is_lead and state == "running" and st.button("Stop", key=f"stop-{name}", icon=":material/stop:"):
        job.stop()
    if is_lead and state in ("stopped", "failed"):
        label = "Resume" if state == "stopped" else "Try again"
        if st.button(label, key=f"resume-{name}", icon=":material/resume:"):
            try:
                st.session_state["job"] = the_site().jobs.resume(job, author()).path.name
            except OddPixelError as error:
                failed(error)
            else:
                st.rerun()
    if (run := run_of(job)) is not None:
        reports = run.run.record["kind"] == "audit"
        st.page_link(
            "views/audit.py" if reports else "views/triage.py",
            label="Open the reports" if reports else "Open the run",
            icon=":material/policy:" if reports else ":material/grid_view:",
            query_params={"run": run.key},
        )


def pictures(job: Job) -> list[Path]:
    """The synthetic pictures that a job made, at most `PICTURES_SHOWN`."""
    out = Path(job.record["out"] or "")
    if not out.is_relative_to(the_site().folder / GENERATED):
        return []
    return sorted(path for path in out.glob("*.png") if path.is_file())[:PICTURES_SHOWN]


def why_failed(job: Job) -> str:
    """The file that could not be read and the reason, where the job wrote a run; else the last that it printed."""
    run = run_of(job)
    failures = [] if run is None else run.table.page([Filter("error", "is not null")], limit=1)
    for row in failures:
        assert run is not None
        assert row.error is not None
        more = run.table.count([Filter("error", "is not null")]) - 1
        return f"{row.item}: {row.error.type}: {row.error.message}" + (f" ({more} more)" if more else "")
    lines = [line.strip() for line in job.log.splitlines() if line.strip() and step_of(line) is None]
    return lines[-1] if lines else "it ended without a word"


def run_of(job: Job) -> OpenRun | None:
    """The run that a job makes, or has made."""
    out = job.record["out"]
    if out is None:
        return None
    folder = Path(out).resolve()
    return next((run for run in the_site().library.runs() if run.run.path.resolve() == folder), None)
