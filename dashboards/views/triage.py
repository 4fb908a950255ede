"""Triage: the queue, oddest first."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode

import streamlit as st

from oddpixel.counting import counted
from oddpixel.dashboards.components import component
from oddpixel.dashboards.library import OpenRun
from oddpixel.dashboards.query import QUEUE
from oddpixel.dashboards.site import the_site
from oddpixel.dashboards.visit import author, blind_items, chosen_run, is_named, name_given, quiet, refusal, ticket

KNOWN = (*QUEUE, "item")


def strata(run: OpenRun) -> list[str]:
    """The names of the strata to choose from, at most 50."""
    counted = run.table.counts("stratum")
    return sorted(name for name in counted if name)[:50]


def opened(run: OpenRun) -> None:
    """Open the case that the grid asked for; its address carries the queue that it came from."""
    request = st.session_state["grid"].get("open") or {}
    queue = dict(parse_qsl(str(request.get("query", ""))))
    st.session_state["open-case"] = queue | {"run": run.key, "item": str(request.get("item", ""))}


run = chosen_run("triage")
if run is not None:
    given = {name: st.query_params[name] for name in KNOWN if name in st.query_params}
    # Who comes back by the side bar finds the queue as it was left.
    given = given or st.session_state.get("queue", {}).get(run.key, {})
    query = urlencode(given)
    if blind := blind_items(run):
        quiet(f"{counted(len(blind), 'item')} of a blind reading that is open for you: seen there alone.")
    component("grid")(
        data={
            "run": run.key,
            "query": query,
            "ticket": ticket(),
            "refusal": refusal(),
            "author": author(),
            "named": is_named(),
            "strata": strata(run),
            "views": the_site().views.all(),
        },
        key="grid",
        on_named_change=lambda: name_given("grid"),
        on_open_change=lambda: opened(run),
    )
    if (case := st.session_state.pop("open-case", None)) is not None:
        st.switch_page("views/case.py", query_params=case)
