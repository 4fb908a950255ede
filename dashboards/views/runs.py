"""Runs: flag uploads or a folder, fit a detector, watch a folder; live progress and logs of all of it."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from oddpixel.dashboards.detectors import detectors
from oddpixel.dashboards.forms import fresh, images, place_of, show_job, start
from oddpixel.dashboards.site import the_site
from oddpixel.dashboards.uploads import allowed
from oddpixel.dashboards.visit import failed, label, quiet
from oddpixel.errors import OddPixelError
from oddpixel.forensics.runs.table import Filter

MODELS = ("photo-grey", "photo-rgb", "ct")
JOBS_SHOWN = 12


def flag_form() -> None:
    """The form that flags uploads or a folder with a detector."""
    fitted = detectors()
    if not fitted:
        st.info("There is no detector yet: fit one in the next tab, or run `oddpixel fit NORMALS -o DETECTOR` here.")
        return
    given = images("flag", "Images")
    detector = st.selectbox("Detector", list(fitted))
    left, right = st.columns(2)
    alpha = left.number_input("Rate of false alarms (alpha)", 0.001, 0.5, 0.05, step=0.01, format="%.3f")
    name = right.text_input("Name of the run", max_chars=60)
    if st.button("Flag", type="primary"):
        try:
            place, out = place_of(given), fresh("runs", name)
            command = ["flag", str(place), "--detector", str(fitted[detector]), "-o", str(out), "--alpha", f"{alpha:g}"]
            start(f"flag {name or place.name}", command, out)
        except OddPixelError as error:
            failed(error)


def fit_form() -> None:
    """The form that fits a detector to normal images."""
    given = images("fit", "Normal images")
    left, middle, right = st.columns(3)
    model = left.selectbox("Model", MODELS)
    encoder = middle.selectbox(
        "Encoder",
        ["none", "efficientnet-lite0"],
    )
    group = right.selectbox("Group by", ["as the source says", "folder", "dicom", "file"])
    aligned = st.checkbox("The same place shows the same thing in all (anatomy, a fixed camera)")
    name = st.text_input("Name of the detector", max_chars=60)
    if st.button("Fit", type="primary"):
        try:
            place, out = place_of(given), fresh("detectors", name)
            command = ["fit", str(place), "-o", str(out), "--model", model]
            command += ["--encoder", encoder]
            command += ["--group-from", group] if group != "as the source says" else []
            start(f"fit {name or place.name}", command + (["--aligned"] if aligned else []), out)
        except OddPixelError as error:
            failed(error)


def watch_form() -> None:
    """The form that watches a folder with a detector."""
    fitted = detectors()
    path = st.text_input("Folder where images arrive", placeholder="a path on this machine", key="watch-folder")
    detector = st.selectbox("Detector", list(fitted), key="watch-detector") if fitted else None
    if detector is None:
        st.info("There is no detector yet.")
    elif st.button("Watch", type="primary"):
        try:
            place, out = allowed(path.strip(), the_site().data), fresh("runs", "watch")
            start(
                f"watch {place.name}", ["watch", str(place), "--detector", str(fitted[detector]), "-o", str(out)], out
            )
        except OddPixelError as error:
            failed(error)


@st.fragment(run_every=1.0)
def jobs() -> None:
    """The jobs with their progress, refreshed every second without the rest of the page."""
    started = the_site().jobs.all()
    if not started:
        quiet("No jobs yet.")
    for job in started[:JOBS_SHOWN]:
        show_job(job)


def listed() -> None:
    """A table of the latest 50 runs with their counts."""
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
