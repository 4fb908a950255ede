"""Forms that start jobs: flag, fit, learn from verdicts, generate, watch; and the demonstration, by one click."""

from __future__ import annotations

import streamlit as st

from oddpixel.datasets.source import check_stands_alone
from oddpixel.errors import OddPixelError, UsageError
from oddpixel.forensics.runs.table import DECISION, Filter

from .detectors import detectors, folder_of
from .forms import GENERATED, fresh, images, place_of, run_of, show_job, start
from .library import OpenRun
from .roles import LEAD
from .site import the_site
from .uploads import allowed
from .visit import failed, labels, may, quiet

MODELS = ("photo-grey", "photo-rgb", "ct")
LABELS = ("photograph", "object", "brain-mr", "ct")
SIZES = ("512x512", "768x512", "512x768", "1024x1024")
NO_DETECTOR = "There is no detector yet: fit one in the next tab, or run `oddpixel fit NORMALS -o DETECTOR` here."
DEMO = "demonstration"


def flag_form() -> None:
    """The form that flags uploads or a folder with a detector."""
    fitted = detectors()
    if not fitted:
        st.info(NO_DETECTOR)
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
            command += [f"--title={name.strip()}"] if name.strip() else []
            start(f"flag {name or place.name}", command, out)
        except OddPixelError as error:
            failed(error)


def fit_form() -> None:
    """The form that fits a detector to normal images."""
    given = images("fit", "Normal images")
    left, middle, right = st.columns(3)
    model = left.selectbox("Model", MODELS)
    encoder = middle.selectbox("Encoder", ["none", "efficientnet-lite0"])
    group = right.selectbox("Group by", ["as the source says", "folder", "dicom", "file"])
    aligned = st.checkbox("The same place shows the same thing in all (anatomy, a fixed camera)")
    name = st.text_input("Name of the detector", max_chars=60)
    if st.button("Fit", type="primary"):
        try:
            place, out = place_of(given), fresh("detectors", name)
            command = ["fit", str(place), "-o", str(out), "--model", model, "--encoder", encoder]
            command += ["--group-from", group] if group != "as the source says" else []
            start(f"fit {name or place.name}", command + (["--aligned"] if aligned else []), out)
        except OddPixelError as error:
            failed(error)


def learn_form() -> None:
    """The form by which a detector learns from what people decided about a run of it."""
    runs = {run.key: run for run in the_site().library.runs() if decided(run) and folder_of(run) is not None}
    if not runs:
        st.info("No run has both verdicts (odd or normal) and its detector here: decide on some items in Triage first.")
        return
    key = st.selectbox(
        "Run with verdicts", list(runs), format_func=labels(list(runs.values())).__getitem__, key="learn-run"
    )
    run, detector = runs[key], folder_of(runs[key])
    assert detector is not None
    quiet(
        f"{decided(run)} items are decided. What was decided normal joins the memory of {detector.name}; with ten groups decided "
        "odd, channels are chosen anew where that finds more. The promise stands. A new detector is written; the old one stays."
    )
    name = st.text_input("Name of the new detector", max_chars=60, key="learn-name")
    if st.button("Learn", type="primary", key="learn-do"):
        try:
            out = fresh("detectors", name or f"{detector.name}-taught")
            command = ["update", str(detector), "-o", str(out), "--from-verdicts", str(run.run.path.resolve())]
            if run.store is not None:  # a URL may hold a password, and command lines can be read
                raise UsageError("verdicts are in a database: run `oddpixel update ... --store URL` on this machine")
            start(f"learn from {run.name}", command, out)
        except OddPixelError as error:
            failed(error)


def decided(run: OpenRun) -> int:
    """How many items of a scored run are decided odd or normal."""
    if run.run.record["kind"] != "flag":
        return 0
    return sum(run.table.count([Filter(DECISION, "=", decision)]) for decision in ("odd", "normal"))


def generate_form() -> None:
    """The form that makes synthetic pictures by the bundled cascade."""
    quiet("Every picture is made by a model, marked as synthetic, and evidence of nothing.")
    left, middle, right = st.columns(3)
    what = left.selectbox("What", LABELS, key="generate-label")
    size = middle.selectbox("Size", SIZES, key="generate-size")
    count = right.number_input("How many", 1, 16, 1, key="generate-count")
    like = st.file_uploader("With the layout of an image (optional)", key="generate-like")
    seed = st.number_input("Seed of the first", 0, 2**31 - 1, 0, key="generate-seed")
    if st.button("Generate", type="primary", key="generate-do"):
        try:
            out = fresh(GENERATED, what)
            command = [
                "generate",
                what,
                "-o",
                str(out),
                "--size",
                size,
                "-n",
                str(count),
                "--seed",
                str(seed),
                "--overwrite",
            ]
            if like is not None:
                sent = next(iter(sorted(place_of(([like], "")).iterdir())))
                check_stands_alone(sent)
                command += ["--like", str(sent)]
            start(f"generate {count} {what}", command, out)
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
            command = ["watch", str(place), "--detector", str(fitted[detector]), "-o", str(out)]
            start(f"watch {place.name}", command, out)
        except OddPixelError as error:
            failed(error)


def empty_state() -> None:
    """The page without any run: one made by a click, and the commands that make others."""
    st.title("No runs yet")
    demo_button()
    st.write("Or flag images of your own, and open the run:")
    st.code(
        "oddpixel fit NORMALS -o DETECTOR\noddpixel flag INCOMING --detector DETECTOR -o RUN\noddpixel dashboard RUN",
        language="bash",
    )
    st.page_link("views/runs.py", label="The same by page", icon=":material/deployed_code_history:")


def demo_button() -> None:
    """One click to a run: real images that packages ship, with planted oddities."""
    job = the_site().jobs.running(DEMO)
    if not may(LEAD, "Making a demo"):
        return
    if st.button("Make a demo", type="primary", icon=":material/play_arrow:", disabled=job is not None, key="demo"):
        try:
            folder = the_site().folder / "demo"
            start("demo", ["demo", "-o", str(folder)], folder / "run", once=DEMO)
        except OddPixelError as error:
            failed(error)
        else:
            st.rerun()
    quiet(
        "Fits a detector to tiles of grass and flags others, some with planted scratches, and pictures that do not belong."
    )
    if job is not None:
        st.session_state["demo-awaited"] = job.path.name
    if "demo-awaited" in st.session_state:
        watch_demo()


@st.fragment(run_every=1.0)
def watch_demo() -> None:
    """The demo as it is made; its run is opened when it is there."""
    name = st.session_state.get("demo-awaited")
    job = next((job for job in the_site().jobs.all() if job.path.name == name), None)
    if job is None:
        return
    show_job(job)
    if job.state == "running":
        return
    del st.session_state["demo-awaited"]
    if (run := run_of(job)) is not None:
        st.session_state["run"] = run.key
        st.rerun()
