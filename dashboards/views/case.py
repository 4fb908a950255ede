"""One case: the original with its map, why it looks odd, what normal looks like beside it, and what was decided."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import streamlit as st

from oddpixel.dashboards.case_facts import of_run
from oddpixel.dashboards.components import component
from oddpixel.dashboards.identifiers import identifiers
from oddpixel.dashboards.library import OpenRun
from oddpixel.dashboards.query import QUEUE
from oddpixel.dashboards.roles import READER
from oddpixel.dashboards.synthetic_form import for_viewer
from oddpixel.dashboards.synthetic_form import show as show_synthetic
from oddpixel.dashboards.visit import (
    author,
    blind_items,
    chosen_run,
    failed,
    is_named,
    may,
    name_given,
    plain,
    quiet,
    reads_blindly,
    refusal,
    require,
    table_of,
    ticket,
)
from oddpixel.errors import OddPixelError
from oddpixel.forensics.runs.rows import Row
from oddpixel.forensics.runs.table import Filter
from oddpixel.forensics.runs.verdicts import UNDECIDED, Verdict, is_undo
from oddpixel.image import spacing_as_size

MOST_SLICES = 3000


def slices(run: OpenRun, row: Row) -> list[dict[str, Any]]:
    """Items of the same group, in the order of the inputs: a series, a volume, a video."""
    rows = run.table.page([Filter("group", "=", row.group), Filter("error", "is null")], limit=MOST_SLICES)
    return [{"item": member.item, "map": member.map is not None} for member in rows]


def show(run: OpenRun, row: Row) -> None:
    """One case: the viewer with what is said of it, history, file, and synthetic pictures."""
    queue = {name: st.query_params[name] for name in QUEUE if name in st.query_params}
    st.session_state.setdefault("queue", {})[run.key] = queue | {"item": row.item}
    component("viewer")(
        data={
            "run": run.key,
            "item": row.item,
            "group": row.group,
            "slices": slices(run, row),
            "decision": row.decision,
            "opinions": run.opinions(row.item),
            "author": author(),
            "named": is_named(),
            "about": of_run(run),
            "queue": queue,
            "synthetic": for_viewer(run, row),
            "ticket": ticket(),
            "refusal": refusal(),
        },
        key="viewer",
        on_named_change=lambda: name_given("viewer"),
        on_go_change=lambda: None,  # the address has the item already
        on_decided_change=lambda: None,
    )
    history, file = st.columns(2, gap="large")
    with history:
        decisions(run, row)
    with file:
        facts(run, row)
    show_synthetic(run, row)  # last: it reads pictures


def decisions(run: OpenRun, row: Row) -> None:
    """The latest twelve decisions about the item, newest first."""
    st.subheader("History")
    history = run.verdicts.history(run.key, row.item)
    if not history:
        quiet("No verdict yet.")
    for verdict in reversed(history[-12:]):
        plain(f"{verdict.at[:16].replace('T', ' ')} · {verdict.author}: {said_by(verdict)}")


def said_by(verdict: Verdict) -> str:
    """What somebody decided, or took back: then what stands is somebody else's, or an earlier one."""
    if not is_undo(verdict):
        return verdict.decision + (f" · {verdict.note}" if verdict.note else "")
    left = "nothing stands" if verdict.decision == UNDECIDED else f"{verdict.decision} stands"
    return f"{verdict.note}, {left}"


def facts(run: OpenRun, row: Row) -> None:
    """The file's properties, a link to the original, and the identifiers of a DICOM file on request."""
    st.subheader("File")
    shown: dict[str, Any] = {
        "SHA-256": row.sha256,
        "group": row.group,
        "size": f"{row.width} x {row.height}",
    }
    try:
        properties = run.originals.picture(row).facts
        spacing = spacing_as_size(properties["spacing_mm"]) or None
        shown |= {"unit": properties["unit"], "bits": properties["bits"], "spacing, mm": spacing, **properties["meta"]}
    except OddPixelError as error:
        shown["original"] = str(error)
    table_of({name: value for name, value in shown.items() if value is not None})
    if not may(READER, "The original and its identifiers"):
        return
    query = urlencode({"item": row.item, "ticket": ticket()})
    st.html(
        f'<a href="/oddpixel/runs/{run.key}/original?{query}" download>Download the original</a> (noted in the log)'
    )
    if shown.get("format") == "DICOM" and st.button(
        "Show identifiers", help="Name, numbers, dates of the patient. The log notes that you looked."
    ):
        try:
            require(READER)
            table_of(identifiers(run, row.item, author()))
        except OddPixelError as error:
            failed(error)


run = chosen_run("case")
if run is not None:
    item = st.query_params.get("item")
    try:
        if not item:
            first = run.table.page(order_by="raw", descending=True, limit=1)
            item = first[0].item if first else None
        if item is None:
            st.info("This run holds no items yet.")
        else:
            if st.query_params.get("item") != item:
                st.query_params["item"] = item
            if item in blind_items(run):
                reads_blindly(run, "Nothing is told of this item")
            else:
                show(run, run.row(item))
    except OddPixelError as error:
        failed(error)
