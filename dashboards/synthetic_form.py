"""Synthetic pictures on a case's page: make one, watch it being made, end that, and what there is. The viewer shows them."""

from __future__ import annotations

import html
import os
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import streamlit as st

from oddpixel.errors import OddPixelError
from oddpixel.forensics.runs.rows import Row

from .detectors import detector_of
from .job_runner import Step
from .jobs import Job
from .library import OpenRun
from .roles import LEAD, READER
from .site import the_site
from .synthetic import LARGEST_SEED, MARK, TITLES, Synthetic, read_all
from .synthetic_job import NO_DETECTOR, NO_MAP, TEXT_IN_PIXELS
from .visit import author, failed, may, plain, quiet, require, table_of, ticket

MODULE = "oddpixel.dashboards.synthetic_job"
SIZES = {1: "about 512 x 512 pixels", 2: "about 1024 x 1024 pixels"}
AWAITED = "awaited: "  # and what it is about: the job that this visitor's page waited for last


def for_viewer(run: OpenRun, row: Row) -> list[dict[str, Any]]:
    """The records of a case's synthetic pictures that the viewer needs, newest first."""
    return [
        {
            "name": picture.name,
            "sha256": picture.record["picture_sha256"],
            "title": picture.title,
            "mark": f"Synthetic: {MARK}",
            "maker": _made_by(picture),
            "window": picture.record["window"],
        }
        for picture in _readable(run, row)[0]
    ]


def _made_by(synthetic: Synthetic) -> str:
    """In one line, for the viewer."""
    label = f"{synthetic.title}, {synthetic.maker} {synthetic.record['maker_sha256'][:12]}"
    return label if (values := _values(synthetic)) is None else f"{label}, {values}"


def _values(synthetic: Synthetic) -> str | None:
    """The values that a scan's synthetic picture has."""
    if (window := synthetic.record["window"]) is None:
        return None
    unit = synthetic.record["unit"]
    return f"only from {window[0]:g} to {window[1]:g}{' HU' if unit == 'HU' else ''}"


def show(run: OpenRun, row: Row) -> None:
    """The section of a case for synthetic pictures: the form, the running job, the finished pictures."""
    about = f"synthetic {run.key} {row.item}"
    pictures, errors = _readable(run, row)
    job = the_site().jobs.running(about)
    is_open = bool(pictures or job or AWAITED + about in st.session_state)
    with st.expander(f"Synthetic pictures ({len(pictures)})", expanded=is_open, icon=":material/auto_awesome:"):
        quiet(f"Each picture is {MARK}. None counts as evidence: no score, verdict or threshold uses it.")
        if (reason := why_not(run, row)) is not None:
            quiet(f"No synthetic picture can be made of this image: {reason}")
        elif may(LEAD, "Making one"):
            form(run, row, about, is_running=job is not None)
        if job is not None:
            st.session_state[AWAITED + about] = job.path.name
            progress(job.path.name)
        outcome(about)
        for error in errors:
            failed(error)
        for picture in pictures:
            listed(run, row, picture)


def _readable(run: OpenRun, row: Row) -> tuple[list[Synthetic], list[OddPixelError]]:
    return read_all(run, row) if row.sha256 else ([], [])


def why_not(run: OpenRun, row: Row) -> str | None:
    """Why no synthetic picture can be made; None where one can."""
    if (error := row.error) is not None:
        return str(error.message)
    try:
        facts = run.originals.picture(row).facts
    except OddPixelError as reason:
        return str(reason)
    if "text_in_pixels" in facts["meta"]:
        return TEXT_IN_PIXELS
    if not os.access(run.run.path, os.W_OK):
        return f"the run is kept in {run.run.path}, where this dashboard may not write"
    return None


def form(run: OpenRun, row: Row, about: str, *, is_running: bool) -> None:
    """The choice of a kind with its options, and the button that starts the job."""
    kind = st.radio("Make", list(TITLES), format_func=TITLES.__getitem__, horizontal=True, key="synthetic-kind")
    options = reference_options() if kind == "reference" else expected_options(run, row)
    label = f"Make {TITLES[kind].lower()}"
    is_idle = is_running or options is None
    if st.button(label, type="primary", key="synthetic-make", disabled=is_idle) and options is not None:
        try:
            start(run, row, about, kind, options)
        except OddPixelError as error:
            failed(error)
        else:
            st.rerun()


def reference_options() -> list[str]:
    """The fields for a reference: seed and size, as options of the job's command."""
    quiet("A picture by the bundled cascade with the layout of this image, at low resolution; all detail is invented.")
    left, right = st.columns(2)
    seed = left.number_input("Seed", 0, LARGEST_SEED, 0, step=1, key="synthetic-seed")
    scale = right.selectbox("Size", list(SIZES), format_func=SIZES.__getitem__, key="synthetic-size")
    return [f"--seed={seed}", f"--scale={scale}"]


def expected_options(run: OpenRun, row: Row) -> list[str] | None:
    """The fields for an expected normal; None where the page names a reason against it, or no folder was given."""
    for reason, holds in ((NO_DETECTOR, "detector" not in run.run.record["options"]), (NO_MAP, row.map is None)):
        if holds:
            quiet(f"No synthetic picture can be made of this image: {reason}.")
            return None
    quiet("This image with its odd region filled from normal images; everything else in it stays as it is.")
    name, is_aligned = detector_of(run)
    place = st.text_input("Folder of normal images", key="synthetic-normals", placeholder="a path on this machine")
    aligned = st.checkbox(
        "The same place shows the same thing in all (anatomy, a fixed camera)", is_aligned, key="synthetic-aligned"
    )
    return [f"--normals={place.strip()}", f"--detector={name}", *(["--aligned"] if aligned else [])] if place else None


def start(run: OpenRun, row: Row, about: str, kind: str, options: list[str]) -> None:
    """Start a job that makes a synthetic picture, and note it in the run's log. Raises: UsageError, RunError."""
    require(LEAD)
    given = [str(run.run.path.resolve()), f"--item={row.item}", f"--kind={kind}", f"--author={author()}", *options]
    given += [f"--data={root}" for root in run.roots]
    title = f"{TITLES[kind].lower()} for {row.item}"
    job = the_site().jobs.start(title, given, author(), module=MODULE, once=about)
    run.verdicts.note_action(run.key, row.item, f"synthetic {kind} begun", author=author())
    st.session_state[AWAITED + about] = job.path.name


@st.fragment(run_every=1.0)
def progress(name: str) -> None:
    """The running job, refreshed every second without the rest of the page; the page follows when it has ended."""
    job = _job(name)
    if job.state != "running":
        st.rerun()
    step = job.step or Step("starting", "starting")
    done, whole = step.counts or (0, 1)
    st.progress(step.share, text=f"{step.doing}: {done} of {whole}")
    if may(LEAD) and st.button("Cancel", key="synthetic-cancel"):
        job.stop()
        st.rerun()


def outcome(about: str) -> None:
    """The end of the last job that this visitor waited for, where it made nothing."""
    name = st.session_state.get(AWAITED + about)
    if name is None or (job := _job(name)).state == "running":
        return
    if job.state == "stopped":
        st.info("Cancelled; nothing was kept.", icon=":material/stop_circle:")
    elif job.state == "failed":
        lines = [line for line in job.log.splitlines() if line.strip()]
        st.error("No picture was made.", icon=":material/error:")
        plain(lines[-1] if lines else "The job ended without a message.")


def _job(name: str) -> Job:
    return Job(the_site().jobs.folder / name)


def listed(run: OpenRun, row: Row, synthetic: Synthetic) -> None:
    """A finished picture with its record and a link to download it."""
    record = synthetic.record
    st.html(f"<strong>{html.escape(synthetic.title)}</strong>: synthetic, {MARK}")
    spacing = record["spacing_mm"]
    shown = {
        "made by": f"{synthetic.maker}, SHA-256 {record['maker_sha256']}",
        "seed": record["seed"],
        "size": f"{record['width']} x {record['height']}, 8 bits",
        "values": _values(synthetic),
        "spacing, mm": None if spacing is None else " x ".join(f"{distance:g}" for distance in spacing),
        "taken from": ", ".join(Path(source).name for source in record["sources"]) or None,
        "made": f"{record['made']} for {record['author']}",
        "SHA-256": record["picture_sha256"],
    }
    table_of({name: value for name, value in shown.items() if value is not None})
    if not may(READER, "Downloading it"):
        return
    query = urlencode({"item": row.item, "name": synthetic.name, "ticket": ticket()})
    link = html.escape(f"/oddpixel/runs/{run.key}/synthetic?{query}")
    st.html(f'<a href="{link}" download>Download it</a>; the file declares itself synthetic (noted in the log)')
