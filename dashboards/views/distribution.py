"""Distribution: how odd everything is, where a threshold would cut, and what may be promised about it."""

from __future__ import annotations

import math
import re
from typing import Any

import altair as alt
import pandas as pd
import streamlit as st

from oddpixel.dashboards.agreement import share_with_interval
from oddpixel.dashboards.bars import Bars, bars_of
from oddpixel.dashboards.components import component
from oddpixel.dashboards.library import OpenRun
from oddpixel.dashboards.query import range_of
from oddpixel.dashboards.reviewed import reviewed_normals
from oddpixel.dashboards.statistics import along, curves, observed_alarms, slices
from oddpixel.dashboards.visit import chosen_run, failed, plain, quiet
from oddpixel.errors import OddPixelError
from oddpixel.forensics.detect.power import OFTEN
from oddpixel.forensics.runs.table import DECISION, Filter

BINS = 60
PLAIN, UNDECIDED = "nothing", "no verdict"
COLOURS = {PLAIN: PLAIN, "verdict": DECISION, "stratum": "stratum"}
KINDS_A_ROW = 4
AMOUNT = re.compile(r"\d+(\.\d+)?%?")
FEWEST_REVIEWED = 5
MEASURES = {"p-value": ("p_value", False), "oddness": ("raw", True)}
FEWEST_LABELS = 5


def rule_threshold(run: OpenRun, column: str) -> float:
    """The threshold of the run's own rule in this column: the least odd value that it flagged."""
    rule = (run.run.record.get("decision") or {}).get("rule") or {}
    if column == "p_value" and rule.get("fdr") is None:
        return float(rule.get("alpha", 0.05))
    odder = column == "raw"
    scored = Filter(column, "is not null")
    least: dict[str, Any] = {"order_by": column, "descending": not odder, "limit": 1}
    flagged = run.table.page([Filter("flagged", "=", True), scored], **least)
    if flagged:
        return float(getattr(flagged[0], column))
    most = run.table.page([scored], order_by=column, descending=odder, limit=1)
    return float(getattr(most[0], column)) if most else 0.0


def histogram(run: OpenRun, column: str, colour: str, is_log: bool) -> Bars:
    """The bars of a column of the run, coloured by verdict or stratum; only values that the axis has."""
    scored = [Filter(column, "is not null")]
    values = run.table.column(column, scored)
    named = [None] * len(values) if colour == PLAIN else run.table.column(COLOURS[colour], scored)
    none = UNDECIDED if COLOURS[colour] == DECISION else PLAIN
    kept = [
        (value, name or none)
        for value, name in zip(values, named, strict=True)
        if math.isfinite(value) and (value > 0 or not is_log)
    ]
    return bars_of([value for value, _ in kept], [name for _, name in kept], BINS, is_log=is_log)


def thresholds(run: OpenRun) -> None:
    """The histogram of a measure with a movable threshold, and how many items lie beyond it; a bar opens its images."""
    first, second, third = st.columns([2, 2, 2], vertical_alignment="bottom")
    name = first.segmented_control("Measure", list(MEASURES), default="p-value", key="measure") or "p-value"
    column, up = MEASURES[name]
    colour = second.selectbox("Colour by", list(COLOURS), key="colour")
    is_log = column == "p_value" and third.toggle("Logarithmic axis", value=True, key="is-log")
    bars = histogram(run, column, colour, is_log)
    of_rule = rule_threshold(run, column)
    key = f"threshold-{run.key}-{column}"
    moved = (st.session_state.get(key) or {}).get("threshold")
    threshold = of_rule if moved is None else float(moved)
    count = run.table.count([Filter(column, ">=" if up else "<=", threshold)])
    component("threshold")(
        data={
            "bins": bars.as_rows, "parts": bars.parts, "isLog": is_log, "threshold": threshold, "up": up, "label": name,
            "count": count,
        },
        key=key,
        on_threshold_change=lambda: None,
        on_bar_change=lambda: st.session_state.update({"bar": st.session_state[key].get("bar")}),
    )  # fmt: skip
    quiet(
        "A click on a bar opens its images; dragging, or the arrow keys, move the threshold. Heights are roots of counts."
    )
    if (bar := st.session_state.pop("bar", None)) is not None and 0 <= int(bar) < len(bars.counts):
        low, high = bars.edges[int(bar)], bars.edges[int(bar) + 1]
        within = range_of(column, low, None if int(bar) == len(bars.counts) - 1 else high)
        st.switch_page("views/triage.py", query_params={"run": run.key, "range": within})
    guarantee(run, moved is not None)
    if column == "p_value" and threshold > 0:
        st.page_link("views/triage.py", label="Open this queue", query_params={"run": run.key, "p": f"{threshold:.6g}"})


def guarantee(run: OpenRun, moved: bool) -> None:
    """The guarantee of the threshold: it holds for the rule that was fixed beforehand, and for no other."""
    decision: dict[str, Any] = run.run.record.get("decision") or {}
    if moved:
        st.warning(
            "Exploratory: this threshold was chosen while looking at the scores, so no rate of false alarms is promised. "
            "To have one, fix alpha first, by *Decide anew* on the page Runs, or by `oddpixel runs decide`.",
            icon=":material/science:",
        )
    elif decision.get("promise"):
        st.success(f"Guaranteed: {decision['promise']}.", icon=":material/verified:")
    elif decision:
        st.warning("Nothing is promised for this run; see its warnings.", icon=":material/warning:")
    else:
        quiet("This run did not score its items; runs of oddpixel flag do.")
    for warning in decision.get("warnings", []):
        plain(f"{warning[:1].upper()}{warning[1:]}.")


def power(run: OpenRun) -> None:
    """What the detector finds of anomalies planted into normals: of each kind, from which size or contrast on."""
    found = (run.run.record.get("decision") or {}).get("power")
    if not found:
        return
    st.subheader("What would be found")
    plain(f"{found['text'][:1].upper()}{found['text'][1:]}.")
    cells = pd.DataFrame(found["cells"]).assign(share=lambda table: table["found"] / table["tried"])
    kinds = list(dict.fromkeys(cells["kind"]))
    columns = [column for _ in range(0, len(kinds), KINDS_A_ROW) for column in st.columns(KINDS_A_ROW)]
    for column, kind in zip(columns, kinds, strict=False):
        column.altair_chart(ladder(kind, cells[cells["kind"] == kind]), width="stretch")
    quiet(
        f"The share flagged among planted anomalies, with 95 % intervals; from the dashed line ({OFTEN:.0%}) on, a kind counts "
        "as found. Contrasts are shares of the image's own range of greys. Other anomalies may be found better or worse."
    )


def ladder(kind: str, cells: pd.DataFrame) -> alt.LayerChart:
    """The share found of one kind of anomaly, against how much of it there is in its own unit."""
    unit = AMOUNT.sub("…", str(cells["measured"].iloc[0]))
    x = alt.X(
        "amount:Q",
        title=unit,
        axis=alt.Axis(tickCount=4, format="%" if "%" in str(cells["measured"].iloc[0]) else ".3~g"),
    )
    y = alt.Y("low:Q", scale=alt.Scale(domain=[0, 1]), title="share flagged", axis=alt.Axis(format="%", tickCount=3))
    base = alt.Chart(cells, title=kind).encode(x=x)
    band = base.mark_area(opacity=0.2).encode(y=y, y2="high:Q")
    line = base.mark_line(point=True).encode(y="share:Q", tooltip=["measured:N", "found:Q", "tried:Q"])
    often = (
        alt.Chart(pd.DataFrame({"share": [OFTEN]})).mark_rule(strokeDash=[4, 3], color="#888888").encode(y="share:Q")
    )
    layers: alt.LayerChart = (band + line + often).properties(height=230)
    return layers


def calibration(run: OpenRun) -> None:
    """The rate of false alarms that reviewed normal items had, against the rate that was promised, at every alpha."""
    st.subheader("False alarms, observed and promised")
    reviewed = reviewed_normals(run)
    if len(reviewed.p_values) < FEWEST_REVIEWED:
        quiet(
            f"At least {FEWEST_REVIEWED} groups that people decided to be normal are needed; there are {len(reviewed.p_values)}. "
            "A group counts once all its items are decided normal."
        )
        return
    points = pd.DataFrame(observed_alarms(reviewed.p_values))
    domain = alt.Scale(domain=[0, 1])
    base = alt.Chart(points).encode(x=alt.X("promised:Q", scale=domain, title="promised: alpha"))
    band = base.mark_area(opacity=0.25, interpolate="step-after").encode(
        y=alt.Y("low:Q", scale=domain, title="observed: share with p ≤ alpha"), y2="high:Q"
    )
    line = base.mark_line(interpolate="step-after").encode(y="observed:Q", tooltip=list(points.columns))
    equal = alt.Chart(pd.DataFrame({"x": [0, 1], "y": [0, 1]})).mark_line(strokeDash=[4, 3], color="#888888")
    st.altair_chart(band + line + equal.encode(x="x:Q", y="y:Q"), width="stretch")
    rule = (run.run.record.get("decision") or {}).get("rule") or {}
    if (alpha := rule.get("alpha")) is not None and rule.get("fdr") is None:
        hits = sum(p <= alpha for p in reviewed.p_values)
        share, low, high = share_with_interval(hits, len(reviewed.p_values))
        plain(
            f"At this run's alpha of {alpha:g}: {hits} of {len(reviewed.p_values)} reviewed normal groups, "
            f"{share:.1%} [{low:.1%}, {high:.1%}]."
        )
    quiet(
        f"{reviewed.num_decided} of {reviewed.num_groups} groups are decided. Intervals are exact (95 %, binomial), each "
        "for its own alpha. The promise is about all normal groups: if the oddest were reviewed first, the line lies too high."
    )


def labelled(run: OpenRun) -> None:
    """ROC and precision-recall curves of the scores against people's decisions, with bands."""
    st.subheader("Against verdicts")
    decided = run.table.page([Filter("decision", "is not null"), Filter("raw", "is not null")], limit=100_000)
    rows = [row for row in decided if row.decision in ("odd", "normal")]
    odd = [row.decision == "odd" for row in rows]
    if min(sum(odd), len(odd) - sum(odd)) < FEWEST_LABELS:
        quiet(
            f"Curves need at least {FEWEST_LABELS} verdicts of odd and of normal; there are {sum(odd)} and {len(odd) - sum(odd)}."
        )
        return
    result = curves([float(row.raw or 0.0) for row in rows], odd)
    assert result is not None
    shown = (("AUROC", result.auroc), ("average precision", result.average_precision))
    plain("; ".join(f"{name} {value:.3f} [{low:.3f}, {high:.3f}]" for name, (value, low, high) in shown))
    for column, (points, x, y) in zip(
        st.columns(2),
        ((result.roc, "false positives", "true positives"), (result.pr, "recall", "precision")),
        strict=True,
    ):
        base = alt.Chart(pd.DataFrame(points)).encode(x=alt.X(f"{x}:Q", scale=alt.Scale(domain=[0, 1])))
        band = base.mark_area(opacity=0.25).encode(
            y=alt.Y("low:Q", scale=alt.Scale(domain=[0, 1]), title=y), y2="high:Q"
        )
        column.altair_chart(band + base.mark_line().encode(y=f"{y}:Q"), width="stretch")
    quiet("Only items with a verdict count: if the oddest were decided first, these curves describe only those.")


def drifting(run: OpenRun) -> None:
    """The mean p-value along the run, with the band that it keeps without drift."""
    st.subheader("Along the run")
    points = along(run.table.column("p_value", [Filter("p_value", "is not null")]))
    if len(points) < 2:
        quiet("Too few scored items for windows of twenty.")
    else:
        base = alt.Chart(pd.DataFrame(points)).encode(x=alt.X("item:Q", title="items so far"))
        band = base.mark_area(opacity=0.2).encode(
            y=alt.Y("low:Q", scale=alt.Scale(domain=[0, 1]), title="mean p"), y2="high:Q"
        )
        st.altair_chart(band + base.mark_line(point=True).encode(y="mean p:Q"), width="stretch")
        quiet(
            "Without drift or odd images, the line stays in the band 99 % of the time. The run's own alarm is a martingale, "
            "which alarms falsely in at most 1 % of runs."
        )


def by_stratum(run: OpenRun) -> None:
    """The share of flagged items in each stratum."""
    st.subheader("Slices")
    table = run.table
    errors = [error is not None for error in table.column("error")]
    rows = slices(table.column("stratum"), table.column("flagged"), errors)
    st.dataframe(pd.DataFrame(rows), hide_index=True, width="stretch")
    quiet(
        "Share flagged with an exact 95 % interval. Strata are compared within only if the run was made with --strata."
    )


run = chosen_run("distribution")
if run is not None:
    try:
        thresholds(run)
        power(run)
        left, right = st.columns(2, gap="large")
        with left:
            drifting(run)
        with right:
            by_stratum(run)
        left, right = st.columns(2, gap="large")
        with left:
            calibration(run)
        with right:
            labelled(run)
    except OddPixelError as error:
        failed(error)
