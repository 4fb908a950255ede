"""Runs: what there is, opened, renamed, decided anew, compared or deleted; and jobs that make more, with progress and logs."""

from __future__ import annotations

import streamlit as st

from oddpixel.dashboards.components import component
from oddpixel.dashboards.forms import show_job
from oddpixel.dashboards.library import OpenRun
from oddpixel.dashboards.roles import LEAD
from oddpixel.dashboards.site import the_site
from oddpixel.dashboards.start_forms import (
    demo_button,
    fit_form,
    flag_form,
    generate_form,
    learn_form,
    watch_form,
)
from oddpixel.dashboards.visit import may, quiet
from oddpixel.dashboards.workspace_dialogs import ask_deletion, ask_name, ask_rule
from oddpixel.errors import RunError
from oddpixel.forensics.runs.table import DECISION, Filter

JOBS_SHOWN = 12
RUNS_SHOWN = 50
COLUMNS = (
    ("run", False),
    ("made by", False),
    ("items", True),
    ("flagged", True),
    ("errors", True),
    ("decided", True),
    ("began", False),
)
DIALOGS = {"rename": ask_name, "decide": ask_rule, "delete": ask_deletion}
FORMS = {
    "Flag images": flag_form,
    "Fit a detector": fit_form,
    "Learn from verdicts": learn_form,
    "Generate": generate_form,
    "Watch a folder": watch_form,
}


@st.fragment(run_every=1.0)
def jobs() -> None:
    """The jobs with their progress, refreshed every second without the rest of the page.

    The page follows when one has ended: its run is in the list then.
    """
    started = the_site().jobs.all()[:JOBS_SHOWN]
    if not started:
        quiet("No jobs yet.")
    for job in started:
        show_job(job)
    running = {job.path.name for job in started if job.state == "running"}
    before = st.session_state.get("jobs-running", set())
    st.session_state["jobs-running"] = running
    if before - running:
        st.rerun()


def acts(run: OpenRun) -> list[dict[str, str]]:
    """What can be done with a run, besides opening it."""
    if not may(LEAD):
        return []
    is_scored = run.run.record["kind"] == "flag"
    names = {"compare": "Compare", "decide": "Decide anew"} if is_scored else {}
    return [{"name": name, "label": label} for name, label in {**names, "rename": "Rename", "delete": "Delete"}.items()]


def row_of(run: OpenRun) -> dict[str, object]:
    """A run as the table has it."""
    record, table = run.run.record, run.table
    unfinished = "" if record["finished"] else " (unfinished)"
    cells = [
        f"{run.name}{unfinished}",
        record["kind"],
        table.count(),
        (record.get("decision") or {}).get("num_flagged_groups"),
        table.count([Filter("error", "is not null")]),
        table.count([Filter(DECISION, "is not null")]),
        str(record["started"])[:16].replace("T", " "),
    ]
    return {"key": run.key, "cells": cells, "acts": acts(run)}


def listed() -> None:
    """The latest runs, each a row that opens it."""
    runs = the_site().library.runs()
    if not runs:
        demo_button()
        return
    columns = [{"name": name, "isNumber": is_number} for name, is_number in COLUMNS]
    component("records")(
        data={"label": "Runs", "opens": "Open", "columns": columns, "rows": [row_of(run) for run in runs[:RUNS_SHOWN]]},
        key="runs",
        on_open_change=lambda: asked("open"),
        on_act_change=lambda: asked("act"),
    )


def asked(what: str) -> None:
    """Keep what the table was asked for until the page has been drawn."""
    st.session_state["runs-asked"] = (what, st.session_state["runs"].get(what))


def answer() -> None:
    """Open the run, or the dialog about it, that the table was asked for."""
    what, about = st.session_state.pop("runs-asked", (None, None))
    if not about:
        return
    key, act = (about, "open") if what == "open" else (about["key"], about["name"])
    try:
        run = the_site().library.run(str(key))
    except RunError as error:
        st.warning(str(error))
        return
    if act == "open":
        view = "audit" if run.run.record["kind"] == "audit" else "triage"
        st.switch_page(f"views/{view}.py", query_params={"run": run.key})
    elif act == "compare":
        st.switch_page("views/two_runs.py", query_params={"run": run.key})
    elif act in DIALOGS:
        DIALOGS[act](run)


st.subheader("Runs")
listed()
st.subheader("Jobs")
jobs()
if may(LEAD, "Jobs, and changes of runs"):
    st.subheader("Start")
    for tab, form in zip(st.tabs(list(FORMS)), FORMS.values(), strict=True):
        with tab:
            form()
st.page_link("views/audit.py", label="Audit suspected images", icon=":material/policy:")
answer()
