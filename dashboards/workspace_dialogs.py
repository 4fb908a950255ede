"""Dialogs of the Runs view about one run: a new name, another rule, deletion."""

from __future__ import annotations

from typing import Any

import streamlit as st

from oddpixel.counting import counted
from oddpixel.errors import OddPixelError
from oddpixel.forensics.detect.decide import Rule, promised_by, ranked_only
from oddpixel.forensics.runs.order import LONGEST_TITLE

from .detectors import folder_of
from .forms import start
from .library import OpenRun
from .roles import LEAD
from .site import the_site
from .visit import author, failed, plain, quiet, require
from .workspace import delete, is_own, items_decided, rename

RATES = {
    "alpha": "false alarms among normal groups, on average over calibrations",
    "confidence": "the same for this very calibration, with a confidence",
    "fdr": "false alarms among all that is flagged",
}


@st.dialog("Rename the run")
def ask_name(run: OpenRun) -> None:
    """A field for the run's new name."""
    title = st.text_input("Name", run.name, max_chars=LONGEST_TITLE, key="rename-title")
    quiet("Its folder keeps its own name. Without a name here, the run is known by its folder's.")
    if st.button("Rename", type="primary", key="rename-do"):
        try:
            require(LEAD)
            rename(run, title)
        except OddPixelError as error:
            failed(error)
        else:
            st.rerun()


@st.dialog("Delete the run")
def ask_deletion(run: OpenRun) -> None:
    """What goes with a run, and the button that deletes it; others' verdicts have to be agreed to."""
    plain(f"{run.name}: {counted(run.run.record['num_items'], 'file')}, in {run.run.path}")
    if not is_own(the_site().library, run):
        quiet("This run was not made in this dashboard, which deletes no folder that it did not make. Delete it there.")
        return
    decided = items_decided(run)
    others = {name: count for name, count in decided.items() if name != author()}
    if own := decided.get(author(), 0):
        plain(f"You have decided on {counted(own, 'item')}.")
    for name, count in sorted(others.items()):
        plain(f"{name} has decided on {counted(count, 'item')}.")
    quiet(
        "Scores, maps and thumbnails go; originals stay where they are. Verdicts and their log stay in the dashboard's folder."
    )
    agreed = not others or st.checkbox("It may go although others have decided on it", key=f"delete-others-{run.key}")
    if st.button("Delete", type="primary", key="delete-do", disabled=not agreed):
        try:
            require(LEAD)
            delete(the_site().library, run, author=author(), with_others=bool(others))
        except OddPixelError as error:
            failed(error)
        else:
            if st.session_state.get("run") == run.key:
                del st.session_state["run"]
            st.rerun()


@st.dialog("Decide anew")
def ask_rule(run: OpenRun) -> None:
    """Another rule for a scored run: what it would promise, and the job that decides by it."""
    record = run.run.record
    decision: dict[str, Any] = record.get("decision") or {}
    detector = folder_of(run)
    if record["kind"] != "flag" or not record["finished"]:
        quiet("Only a finished run of `flag` can be decided anew.")
        return
    if detector is None:
        quiet("The detector that scored this run is not here: put it into one of the folders given by --data.")
        return
    rate = st.radio("What is bounded", list(RATES), format_func=RATES.__getitem__, key="rule-rate")
    alpha = st.number_input("Rate", 0.001, 0.5, 0.05, step=0.01, format="%.3f", key="rule-alpha")
    confidence = (
        st.number_input("Confidence", 0.5, 0.999, 0.95, step=0.01, format="%.3f", key="rule-confidence")
        if rate == "confidence"
        else None
    )
    rule = Rule(alpha=alpha, confidence=confidence, fdr=alpha if rate == "fdr" else None)
    plain(f"What it promises: {words_of(rule, int(decision.get('num_calibration_groups') or 0), record['options'])}.")
    quiet(
        "Nothing is fitted or scored again. A promise is about a rule that was not chosen by looking at these scores; the run "
        f"remembers its earlier rules ({len(record.get('decided_before') or [])} so far)."
    )
    if st.button("Decide", type="primary", key="rule-do"):
        command = ["runs", "decide", str(run.run.path.resolve()), "--detector", str(detector)]
        command += ["--fdr", f"{alpha:g}"] if rate == "fdr" else ["--alpha", f"{alpha:g}"]
        command += ["--confidence", f"{confidence:g}"] if confidence is not None else []
        try:
            start(f"decide {run.name} anew", command, run.run.path, once=f"decide {run.key}")
            run.verdicts.note_action(run.key, "", f"decided anew: {rate} {alpha:g}", author=author())
        except OddPixelError as error:
            failed(error)
        else:
            st.rerun()


def words_of(rule: Rule, num_calibration: int, options: dict[str, Any]) -> str:
    """The promise of a rule, in the words in which the run would have it."""
    if options.get("strata"):
        return "for every stratum by itself, on as many calibration groups as it has"
    if rule.fdr is not None:
        return f"on average at most {rule.fdr:g} of what is flagged is normal, by a calibration of {num_calibration} groups"
    promised = promised_by(num_calibration, rule)
    return ranked_only(num_calibration, rule) if promised is None else str(promised)
