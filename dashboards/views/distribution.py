"""Distribution: how odd everything is, where a threshold would cut, and what may be promised about it."""

from __future__ import annotations

from typing import Any

import altair as alt
import pandas as pd
import streamlit as st

from oddpixel.dashboards.components import component
from oddpixel.dashboards.library import OpenRun
from oddpixel.dashboards.statistics import along, curves, slices
from oddpixel.dashboards.visit import chosen_run, failed, plain, quiet
from oddpixel.errors import OddPixelError
from oddpixel.forensics.runs.table import Filter

BINS = 80
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


def thresholds(run: OpenRun) -> None:
    """The histogram of a measure with a movable threshold, and how many items lie beyond it."""
    name = st.segmented_control("Measure", list(MEASURES), default="p-value", key="measure") or "p-value"
    column, up = MEASURES[name]
    bins = run.table.histogram(column, BINS)
    of_rule = rule_threshold(run, column)
    key = f"threshold-{run.key}-{column}"
    moved = (st.session_state.get(key) or {}).get("threshold")
    threshold = of_rule if moved is None else float(moved)
    count = run.table.count([Filter(column, ">=" if up else "<=", threshold)])
    component("threshold")(
        data={"bins": bins, "threshold": threshold, "up": up, "label": name, "count": count},
        key=key,
        on_threshold_change=lambda: None,
    )
    guarantee(run, moved is not None)
    if column == "p_value" and threshold > 0:
        st.page_link("views/triage.py", label="Open this queue", query_params={"run": run.key, "p": f"{threshold:.6g}"})


def guarantee(run: OpenRun, moved: bool) -> None:
    """The guarantee of the threshold: it holds for the rule that was fixed beforehand, and for no other."""
    decision: dict[str, Any] = run.run.record.get("decision") or {}
    if moved:
        st.warning(
            "Exploratory: this threshold was chosen while looking at the scores, so no rate of false alarms is promised. "
            "To have one, fix alpha first: `oddpixel flag ... --alpha A` on this finished run decides anew within seconds.",
            icon=":material/science:",
        )
    elif decision.get("promise"):
        st.success(f"Guaranteed: {decision['promise']}.", icon=":material/verified:")
    elif decision:
        st.warning("Nothing is promised for this run; see its warnings.", icon=":material/warning:")
    else:
        quiet("This run did not score its items: `oddpixel flag` does.")
    for warning in decision.get("warnings", []):
        plain(f"• {warning}.")


def power(run: OpenRun) -> None:
    """What the detector finds of anomalies planted into normals, by kind and amount."""
    found = (run.run.record.get("decision") or {}).get("power")
    if not found:
        return
    st.subheader("What would be found")
    plain(f"{found['text'][:1].upper()}{found['text'][1:]}.")
    cells = pd.DataFrame(found["cells"]).assign(share=lambda table: table["found"] / table["tried"])
    share = alt.Y("share:Q", scale=alt.Scale(domain=[0, 1]), title="share flagged")
    base = alt.Chart(cells).encode(x=alt.X("strength:Q", scale=alt.Scale(domain=[0, 1])))
    band = base.mark_area(opacity=0.2).encode(y=alt.Y("low:Q", scale=alt.Scale(domain=[0, 1]), title=""), y2="high:Q")
    line = base.mark_line(point=True).encode(y=share, tooltip=["kind:N", "measured:N", "found:Q", "tried:Q"])
    st.altair_chart((band + line).properties(width=150, height=110).facet("kind:N", columns=5))
    quiet(
        "Bands are 95 % intervals; what strength means stands beside each point. Other anomalies may be found better or worse."
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
        labelled(run)
    except OddPixelError as error:
        failed(error)
