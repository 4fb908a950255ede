"""Blind reading: items handed out to several readers, who see the picture alone; how far they agree, once they are through."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from urllib.parse import urlencode

import pandas as pd
import streamlit as st

from oddpixel.dashboards.components import component
from oddpixel.dashboards.library import DECISIONS, OpenRun
from oddpixel.dashboards.query import Query
from oddpixel.dashboards.readings import Reading, decide, drawn
from oddpixel.dashboards.roles import LEAD, READER
from oddpixel.dashboards.site import the_site
from oddpixel.dashboards.visit import author, chosen_run, failed, may, plain, quiet, require
from oddpixel.errors import OddPixelError
from oddpixel.forensics.runs.table import Filter

BUTTONS = (("odd", "Odd", "o"), ("normal", "Normal", "n"), ("unsure", "Unsure", "u"))
PARTS = {"all": "all items", "flagged": "what is flagged", "unflagged": "what is not flagged"}
DISPUTED_SHOWN = 100


def hand_out(run: OpenRun) -> None:
    """The form by which a lead begins a reading."""
    with st.form("hand-out", border=False, enter_to_submit=False):
        left, right = st.columns(2)
        name = left.text_input("Name of the reading", max_chars=80, key="reading-name")
        readers = right.text_input(
            "Readers, separated by commas",
            key="reading-readers",
            placeholder="the names that their verdicts are logged under",
        )
        first, second, third = st.columns(3)
        part = first.selectbox("From", list(PARTS), format_func=PARTS.__getitem__, key="reading-part")
        count = second.number_input(
            "How many, drawn by chance", 1, 5000, min(50, max(run.table.count(), 1)), key="reading-count"
        )
        seed = third.number_input("Seed of the draw", 0, 10**6, 0, key="reading-seed")
        if st.form_submit_button("Hand out", type="primary"):
            try:
                require(LEAD)
                filters = [*Query.of({"show": part}).filters, Filter("error", "is null")]
                items = drawn(run, run.table.items(filters, limit=1_000_000), int(count), int(seed))
                reading = the_site().readings.hand_out(run, name, readers.split(","), items, author())
                run.verdicts.note_action(run.key, "", f"blind reading {reading.key} handed out", author=author())
            except OddPixelError as error:
                failed(error)
            else:
                st.session_state["reading"] = reading.key
                st.rerun()


def read(run: OpenRun, reading: Reading) -> bool:
    """The next picture that this visitor has not decided on, and nothing else of it; whether they are through."""
    own = reading.verdicts(run)[author()]
    order = reading.order(author())
    left = [item for item in order if item not in own]
    about = ""
    st.progress(len(own) / len(order), text=f"{len(own)} of {len(order)} read")
    if left:
        item = left[0]
        number = order.index(item) + 1
        query = urlencode({"item": item})
        plate = {
            "name": "picture", "kind": "picture", "title": f"Item {number}", "explanation": "",
            "address": f"/oddpixel/runs/{run.key}/preview?{query}",
        }  # fmt: skip
        about = f"{reading.key} {reading.readers.index(author())} {number}"  # readers have orders of their own
        component("plates")(
            data={
                "about": about, "label": f"Item {number}", "plates": [plate],
                "seen": st.session_state.get("reading-seen", ""),
            },
            key="reading-plates",
            on_seen_change=note_seen,
        )  # fmt: skip
    if not may(READER, "Verdicts"):
        return not left
    columns = st.columns(len(BUTTONS) + 1)
    for column, (decision, label, key) in zip(columns, BUTTONS, strict=False):
        # A button is about one picture and waits until that is on the screen: a second press finds it gone, and decides nothing.
        if left and column.button(
            label, key=f"read-{decision} {about}", shortcut=key, width="stretch",
            disabled=st.session_state.get("reading-seen") != about,
        ):  # fmt: skip
            st.session_state["reading-latest"] = left[0]
            attempt(partial(decide, reading, run, author(), left[0], decision))
    latest = st.session_state.get("reading-latest")
    if latest in own and columns[-1].button("Take back", key="read-undo", shortcut="z", width="stretch"):
        attempt(partial(run.verdicts.undo, run.key, [latest], author=author()))
    return not left


def note_seen() -> None:
    """Which picture is on the screen, as the browser says once it has drawn it."""
    st.session_state["reading-seen"] = st.session_state["reading-plates"].get("seen")


def attempt(action: Callable[[], object]) -> None:
    """Do what a button asks for, and show the next picture."""
    try:
        require(READER)
        action()
    except OddPixelError as error:
        failed(error)
    else:
        st.rerun()


def results(run: OpenRun, reading: Reading) -> None:
    """How many each has read, how far each two agree, and what they decided differently."""
    verdicts = reading.verdicts(run)
    st.subheader("Readers")
    columns = {"read": {reader: len(of) for reader, of in verdicts.items()}}
    columns |= {
        decision: {reader: sum(said == decision for said in of.values()) for reader, of in verdicts.items()}
        for decision in DECISIONS
    }
    st.dataframe(pd.DataFrame(columns), width="stretch")
    st.subheader("Agreement")
    agreements = reading.agreements(run)
    if not agreements:
        quiet("No two readers have read the same item yet.")
    for first, second, found in agreements:
        plain(f"{first} and {second}: {found.text}.")
        table = {f"{second}: {label}": found.table[:, k] for k, label in enumerate(found.labels)}
        st.dataframe(pd.DataFrame(table, index=[f"{first}: {label}" for label in found.labels]), width="stretch")
    if agreements:
        quiet("Intervals are 95 %, as if items were independent of each other. Agreement is no accuracy.")
    st.subheader("Decided differently")
    disputed = reading.disputed(run)[:DISPUTED_SHOWN]
    if not disputed:
        quiet("Nothing.")
        return
    rows = [{"key": item, "cells": [item, *(of.get(reader) for reader in reading.readers)]} for item, of in disputed]
    names = ("item", *reading.readers)
    component("records")(
        data={
            "label": "Decided differently", "opens": "Open the case",
            "columns": [{"name": name, "isNumber": False} for name in names], "rows": rows,
        },
        key="disputed",
        on_open_change=lambda: st.session_state.update({"disputed-open": st.session_state["disputed"].get("open")}),
        on_act_change=lambda: None,
    )  # fmt: skip
    if (item := st.session_state.pop("disputed-open", None)) is not None:
        st.switch_page("views/case.py", query_params={"run": run.key, "item": str(item)})


def said_of(reading: Reading) -> str:
    """A reading as the choice shows it, unlike any other."""
    readers = ", ".join(reading.readers)
    return f"{reading.name} · {len(reading.items)} items · {readers} · {reading.made[:16]} · {reading.key[:4]}"


def show(run: OpenRun) -> None:
    """The readings of a run: one's own to go on with, others' results."""
    readings = {reading.key: reading for reading in the_site().readings.all() if reading.run == run.key}
    is_lead = may(LEAD)
    if is_lead:
        with st.expander("Hand out a blind reading", expanded=not readings):
            hand_out(run)
    if not readings:
        quiet("Nothing of this run has been handed out for blind reading.")
        return
    keys = list(readings)
    wanted = st.session_state.get("reading")
    key = st.selectbox(
        "Reading",
        keys,
        index=keys.index(wanted) if wanted in keys else 0,
        format_func=lambda key: said_of(readings[key]),
    )
    reading = readings[key]
    is_reader = author() in reading.readers
    is_through = read(run, reading) if is_reader else True
    if not is_through:
        quiet("The picture alone is shown. What others said is shown once you are through.")
    elif is_reader or is_lead:
        results(run, reading)
    else:
        quiet("This reading was not handed out to you.")


run = chosen_run("reading")
if run is not None:
    try:
        show(run)
    except OddPixelError as error:
        failed(error)
