"""Two runs: two detectors, or two rules, over the same items: where they agree, and which items change their rank."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import altair as alt
import pandas as pd
import streamlit as st

from oddpixel.dashboards.components import component
from oddpixel.dashboards.library import OpenRun
from oddpixel.dashboards.paired import Paired, paired
from oddpixel.dashboards.site import the_site
from oddpixel.dashboards.visit import blind_items, chosen_run, failed, labels, plain, quiet, reads_blindly
from oddpixel.errors import OddPixelError

MOST_POINTS = 4000
CHANGES_SHOWN = 12
CLASSES = ("flagged by both", "by the first only", "by the second only", "by neither")
COLOURS = ("#b3364a", "#b7791f", "#2f6fb5", "#7b8794")
MEASURES = {"p-value": "p", "rank": "rank"}


def scored_runs() -> list[OpenRun]:
    """All runs with scores."""
    return [run for run in the_site().library.runs() if run.run.record["kind"] in ("flag", "watch")]


def other_run(first: OpenRun) -> OpenRun | None:
    """The second run, as the address names it or the visitor chooses."""
    others = {run.key: run for run in scored_runs() if run.key != first.key}
    if not others:
        st.info(
            "There is only one run with scores. Flag the same images with another detector, on the page Runs, to compare them."
        )
        return None
    wanted = st.query_params.get("with")
    keys = list(others)
    key = st.selectbox(
        "Compared with",
        keys,
        index=keys.index(wanted) if wanted in keys else 0,
        format_func=labels(list(others.values())).__getitem__,
    )
    if st.query_params.get("with") != key:
        st.query_params["with"] = key
    return others[key]


def class_of(first: pd.Series, second: pd.Series) -> pd.Series:
    """Who flagged each item, by `CLASSES`."""
    return pd.Series(
        [CLASSES[(0 if b else 1) if a else (2 if b else 3)] for a, b in zip(first, second, strict=True)],
        index=first.index,
        dtype=str,
    )


def drawn(table: pd.DataFrame) -> pd.DataFrame:
    """At most `MOST_POINTS`: all that either flagged first, then the rest evenly."""
    if len(table) <= MOST_POINTS:
        return table
    flagged = table[table["first_flagged"] | table["second_flagged"]].head(MOST_POINTS)
    rest = table.drop(flagged.index)
    room = MOST_POINTS - len(flagged)
    return pd.concat([flagged, rest.iloc[:: max(len(rest) // max(room, 1), 1)].head(room)])


def scatter(pairs: Paired, first: OpenRun, second: OpenRun) -> None:
    """Every item as a point, by what either run says of it; a click opens the case."""
    measure = MEASURES[
        st.segmented_control("Measure", list(MEASURES), default="p-value", key="pair-measure") or "p-value"
    ]
    points = drawn(pairs.table).assign(decision=lambda table: class_of(table["first_flagged"], table["second_flagged"]))
    scale = alt.Scale(type="log") if measure == "p" else alt.Scale(zero=False, reverse=True)
    picked = alt.selection_point(name="picked", fields=["item"], on="click")
    chart = (
        alt.Chart(points[["item", "first_p", "second_p", "first_rank", "second_rank", "decision"]])
        .mark_point(filled=True, size=55, opacity=0.75)
        .encode(
            x=alt.X(f"first_{measure}:Q", scale=scale, title=f"{measure} in {first.name}"),
            y=alt.Y(f"second_{measure}:Q", scale=scale, title=f"{measure} in {second.name}"),
            color=alt.Color(
                "decision:N",
                scale=alt.Scale(domain=CLASSES, range=COLOURS),
                title="",
                legend=alt.Legend(orient="top", columns=2),
            ),
            shape=alt.Shape(
                "decision:N", scale=alt.Scale(domain=CLASSES, range=["circle", "triangle-up", "triangle-down", "cross"])
            ),
            tooltip=["item:N", "first_p:Q", "second_p:Q", "first_rank:Q", "second_rank:Q"],
        )
        .add_params(picked)
        .properties(height=420)
    )
    event: Any = st.altair_chart(chart, width="stretch", on_select="rerun", key="pair-scatter")
    hidden = len(pairs.table) - len(points)
    quiet(
        "A click on a point opens its case."
        + (f" {hidden} items that neither flagged are not drawn." if hidden > 0 else "")
    )
    chosen = (event.get("selection") or {}).get("picked") or []
    if chosen and st.session_state.get("pair-opened") != chosen[0]["item"]:
        st.session_state["pair-opened"] = chosen[0]["item"]
        st.switch_page("views/case.py", query_params={"run": first.key, "item": str(chosen[0]["item"])})


def decisions(pairs: Paired, first: OpenRun, second: OpenRun) -> None:
    """Their agreement in words and as a table."""
    st.subheader("Agreement")
    found = pairs.agreement
    assert found is not None
    plain(f"They decide {found.text}.")
    rho = pairs.rank_correlation
    if rho is not None:
        plain(f"Correlation of ranks (Spearman) {rho:.2f}.")
    columns = {f"{second.name}: {name}": found.table[:, k] for k, name in enumerate(found.labels)}
    st.table(pd.DataFrame(columns, index=[f"{first.name}: {name}" for name in found.labels]))
    quiet(
        "Agreement is no accuracy: both may be wrong alike. Intervals are 95 %, as if items were independent of each other."
    )


def changes(pairs: Paired, first: OpenRun) -> None:
    """The items that change their rank most."""
    st.subheader("Largest changes of rank")
    table = pairs.table
    order = table["moved"].abs().sort_values(ascending=False, kind="stable").index[:CHANGES_SHOWN]
    shown = table.loc[order]
    shown = shown[shown["moved"] != 0]
    if shown.empty:
        quiet("No item changes its rank.")
        return
    rows = [
        {
            "key": row.item,
            "picture": thumbnail_of(first, row.thumbnail),
            "cells": [
                row.item,
                int(row.first_rank),
                int(row.second_rank),
                int(row.moved),
                float(row.first_p),
                float(row.second_p),
            ],
        }
        for row in shown.itertuples()
    ]
    names = (
        "item",
        "rank in the first",
        "rank in the second",
        "places odder in the second",
        "p in the first",
        "p in the second",
    )
    component("records")(
        data={
            "label": "Largest changes of rank", "opens": "Open the case",
            "columns": [{"name": name, "isNumber": k > 0} for k, name in enumerate(names)], "rows": rows,
        },
        key="pair-changes",
        on_open_change=lambda: st.session_state.update({"pair-open": st.session_state["pair-changes"].get("open")}),
        on_act_change=lambda: None,
    )  # fmt: skip


def thumbnail_of(run: OpenRun, name: Any) -> str | None:
    """The address of a thumbnail; None where there is none."""
    return (
        f"/oddpixel/runs/{run.key}/thumbnail?{urlencode({'name': Path(name).stem})}" if isinstance(name, str) else None
    )


def show(first: OpenRun, second: OpenRun) -> None:
    """The comparison of two runs."""
    pairs = paired(first, second)
    plain(
        f"{len(pairs.table)} items are in both; {pairs.only_first} in the first only, {pairs.only_second} in the second only."
    )
    if pairs.table.empty:
        st.info("They have no item in common: items are the same where name and content are, or the content alone.")
        return
    left, right = st.columns([3, 2], gap="large")
    with left:
        scatter(pairs, first, second)
    with right:
        decisions(pairs, first, second)
    changes(pairs, first)
    if (item := st.session_state.pop("pair-open", None)) is not None:
        st.switch_page("views/case.py", query_params={"run": first.key, "item": str(item)})


run = chosen_run("two_runs")
if run is not None:
    try:
        if run.run.record["kind"] not in ("flag", "watch"):
            st.info("This run has no scores; choose one that `oddpixel flag` made.")
        elif blind_items(run):
            reads_blindly(run, "Runs are not compared")
        elif (second := other_run(run)) is not None:
            show(run, second)
    except OddPixelError as error:
        failed(error)
