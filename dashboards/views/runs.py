"""Runs: flag uploads or a folder, fit a detector, watch a folder; live progress and logs of all of it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import streamlit as st

from oddpixel.dashboards.jobs import Job
from oddpixel.dashboards.site import the_site
from oddpixel.dashboards.uploads import allowed, keep
from oddpixel.dashboards.visit import author, failed, label, quiet
from oddpixel.errors import OddPixelError, UsageError
from oddpixel.forensics.run_table import Filter

MODELS = ("photo-grey", "photo-rgb", "ct")
SIGNS = {
    "running": ":material/progress_activity:",
    "done": ":material/check_circle:",
    "failed": ":material/error:",
    "stopped": ":material/stop_circle:",
}
JOBS_SHOWN = 12


def detectors() -> dict[str, Path]:
    """By name: those made here, those beside the runs that were given, and those in folders that may be read."""
    site = the_site()
    found = sorted(site.folder.glob("detectors/*/detector.json"), reverse=True)
    roots = [*(run.resolve().parent for run in site.library.given), *site.data]
    for root in dict.fromkeys(roots):
        found += [path for pattern in ("*", "*/*") for path in sorted(root.glob(f"{pattern}/detector.json"))]
    return {f"{path.parent.name} ({path.parent.parent.name})": path.parent for path in found}


def images(key: str, what: str) -> tuple[Sequence[object], str]:
    """Uploads, or a folder's path."""
    uploaded = st.file_uploader(f"{what}: files", accept_multiple_files=True, key=f"{key}-files")
    path = st.text_input(f"{what}: or a folder here", key=f"{key}-folder", placeholder="a path on this machine")
    return uploaded or [], path.strip()


def place_of(given: tuple[Sequence[object], str]) -> Path:
    """Raises: UsageError, RunError."""
    uploaded, path = given
    if uploaded and path:
        raise UsageError("give files or a folder, not both")
    return allowed(path, the_site().data) if path else keep(uploaded, the_site().folder / "uploads")


def fresh(kind: str, name: str = "") -> Path:
    """A new folder's name of ours for a run or a detector."""
    said = "".join(letter if letter.isalnum() or letter in "-_" else "-" for letter in name.strip())[:60]
    folder = the_site().folder / kind
    folder.mkdir(parents=True, exist_ok=True)
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    path = folder / (f"{stamp}-{said}" if said else stamp)
    if path.exists():
        raise UsageError("that was asked for twice within a second")
    return path


def start(title: str, arguments: list[str], out: Path) -> None:
    job = the_site().jobs.start(title, arguments, author(), out)
    st.toast(f"Started: {title}")
    st.session_state["job"] = job.path.name


def flag_form() -> None:
    known = detectors()
    if not known:
        st.info("There is no detector yet: fit one in the next tab, or run `oddpixel fit NORMALS -o DETECTOR` here.")
        return
    given = images("flag", "Images")
    detector = st.selectbox("Detector", list(known))
    left, right = st.columns(2)
    alpha = left.number_input("Rate of false alarms (alpha)", 0.001, 0.5, 0.05, step=0.01, format="%.3f")
    name = right.text_input("Name of the run", max_chars=60)
    if st.button("Flag", type="primary"):
        try:
            place, out = place_of(given), fresh("runs", name)
            command = ["flag", str(place), "--detector", str(known[detector]), "-o", str(out), "--alpha", f"{alpha:g}"]
            start(f"flag {name or place.name}", command, out)
        except OddPixelError as error:
            failed(error)


def fit_form() -> None:
    given = images("fit", "Normal images")
    left, middle, right = st.columns(3)
    model = left.selectbox("Model", MODELS)
    encoder = middle.selectbox(
        "Encoder",
        ["none", "efficientnet-lite0"],
        help="Fetched once by `oddpixel data fetch efficientnet-lite0`.",
    )
    group = right.selectbox("Group by", ["as the source says", "folder", "dicom", "file"])
    aligned = st.checkbox("The same place shows the same thing in all (anatomy, a fixed camera)")
    name = st.text_input("Name of the detector", max_chars=60)
    if st.button("Fit", type="primary"):
        try:
            place, out = place_of(given), fresh("detectors", name)
            command = ["fit", str(place), "-o", str(out), "--model", model]
            command += ["--encoder", encoder] if encoder != "none" else []
            command += ["--group-from", group] if group != "as the source says" else []
            start(f"fit {name or place.name}", command + (["--aligned"] if aligned else []), out)
        except OddPixelError as error:
            failed(error)


def watch_form() -> None:
    known = detectors()
    path = st.text_input("Folder where images arrive", placeholder="a path on this machine", key="watch-folder")
    detector = st.selectbox("Detector", list(known), key="watch-detector") if known else None
    if detector is None:
        st.info("There is no detector yet.")
    elif st.button("Watch", type="primary"):
        try:
            place, out = allowed(path.strip(), the_site().data), fresh("runs", "watch")
            start(f"watch {place.name}", ["watch", str(place), "--detector", str(known[detector]), "-o", str(out)], out)
        except OddPixelError as error:
            failed(error)


@st.fragment(run_every=1.0)
def jobs() -> None:
    """Looked at every second, without the rest of the page."""
    found = the_site().jobs.all()
    if not found:
        quiet("No jobs yet.")
    for job in found[:JOBS_SHOWN]:
        one(job)


def one(job: Job) -> None:
    record, state = job.record, job.state
    with st.expander(
        f"{record['title']} · {state}", expanded=job.path.name == st.session_state.get("job"), icon=SIGNS[state]
    ):
        progress = job.progress()
        if progress is not None and state == "running":
            done, whole = progress
            st.progress(min(done / max(whole, 1), 1.0), text=f"{done} of {whole}")
        quiet(f"{record['started']} · {record['author']}")
        st.code(" ".join(record["command"]), language="bash", wrap_lines=True)
        st.text(job.log[-6000:] or "(nothing printed yet)")
        left, right = st.columns(2)
        if state == "running" and left.button("Stop", key=f"stop-{job.path.name}"):
            job.stop()
        if (opened := run_key(job)) is not None:
            right.page_link(
                "views/triage.py", label="Open the run", icon=":material/grid_view:", query_params={"run": opened}
            )


def run_key(job: Job) -> str | None:
    out = job.record["out"]
    return next((run.key for run in the_site().library.runs() if str(run.run.path) == out), None)


def listed() -> None:
    runs = the_site().library.runs()
    if not runs:
        quiet("No runs yet.")
        return
    rows = [
        {
            "run": label(run),
            "items": run.table.count(),
            "flagged": (run.run.record.get("decision") or {}).get("num_flagged_groups"),
            "errors": run.table.count([Filter("error", "is not null")]),
            "decided": run.table.count([Filter("decision", "is not null")]),
            "started": run.run.record["started"],
        }
        for run in runs[:50]
    ]
    st.dataframe(pd.DataFrame(rows), hide_index=True, width="stretch")


flagging, fitting, watching = st.tabs(["Flag images", "Fit a detector", "Watch a folder"])
with flagging:
    flag_form()
with fitting:
    fit_form()
with watching:
    watch_form()
st.subheader("Jobs")
jobs()
st.subheader("Runs")
listed()
