"""Triage: the queue, oddest first."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode

import streamlit as st

from oddpixel.dashboards.components import component
from oddpixel.dashboards.library import OpenRun
from oddpixel.dashboards.site import the_site
from oddpixel.dashboards.visit import chosen_run, ticket

KNOWN = ("sort", "up", "decision", "show", "p", "find", "stratum", "item")


def strata(run: OpenRun) -> list[str]:
    """The names of the strata to choose from, at most 50."""
    counted = run.table.counts("stratum")
    return sorted(name for name in counted if name)[:50]


def opened(run: OpenRun) -> None:
    """Open the case that the grid asked for, and remember the queue that it came from."""
    request = st.session_state["grid"].get("open") or {}
    st.session_state["queue"] = str(request.get("query", ""))
    st.session_state["open-case"] = {"run": run.key, "item": str(request.get("item", ""))}


run = chosen_run("triage")
if run is not None:
    query = urlencode({name: st.query_params[name] for name in KNOWN if name in st.query_params})
    component("grid")(
        data={
            "run": run.key,
            "query": query,
            "ticket": ticket(),
            "strata": strata(run),
            "views": the_site().views.all(),
        },
        key="grid",
        on_open_change=lambda: opened(run),
    )
    if (case := st.session_state.pop("open-case", None)) is not None:
        st.session_state["queue-query"] = dict(parse_qsl(st.session_state.get("queue", "")))
        st.switch_page("views/case.py", query_params=case)
