"""Alike: a map of a run by looks, groups of near duplicates, and what looks most like one item; tagged from here."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
import streamlit as st

from oddpixel.counting import counted
from oddpixel.dashboards.alike import MOST, NEAR, Looks, looks_of
from oddpixel.dashboards.components import component
from oddpixel.dashboards.forms import literal
from oddpixel.dashboards.library import OpenRun
from oddpixel.dashboards.roles import LEAD, READER
from oddpixel.dashboards.site import the_site
from oddpixel.dashboards.visit import author, blind_items, chosen_run, failed, may, plain, quiet, require
from oddpixel.errors import OddPixelError

MOST_POINTS = 5000
MODULE = "oddpixel.dashboards.looks_job"
BY_GREYS, BY_ENCODER = "thumbnails of 16 x 16 greys", "what the encoder sees in the thumbnails"
GROUPS_SHOWN, MEMBERS_SHOWN, NEIGHBOURS, CHOSEN_SHOWN = 20, 12, 12, 60
COLOURS = {
    "odd": "#d1495b",
    "normal": "#2a8f6d",
    "unsure": "#b7791f",
    "flagged, no verdict": "#0072b2",
    "no verdict": "#8a949e",
}


def card(run: OpenRun, looks: Looks, index: int, said: str) -> dict[str, Any]:
    """An item as the gallery shows it."""
    query = urlencode({"name": Path(looks.thumbnails[index]).stem})
    item = looks.items[index]
    return {
        "key": item,
        "name": item,
        "verdict": said,
        "tone": "",
        "picture": f"/oddpixel/runs/{run.key}/thumbnail?{query}",
    }


def gallery(run: OpenRun, name: str, label: str, cards: list[dict[str, Any]], current: str | None = None) -> None:
    """Items as cards; a click asks for what is like one."""
    component("gallery")(
        data={"label": label, "current": current, "cards": cards},
        key=f"alike-{name}",
        on_open_change=lambda: st.query_params.update({"item": st.session_state[f"alike-{name}"].get("open")}),
    )


def tag_form(run: OpenRun, name: str, items: list[str]) -> None:
    """A field for a tag, and the button that puts it on these items and opens them in Triage."""
    if not may(READER, "Tagging"):
        return
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    tag = left.text_input(f"Tag for these {counted(len(items), 'item')}", max_chars=40, key=f"tag-{name}")
    if right.button("Tag", key=f"tag-do-{name}", width="stretch"):
        try:
            require(READER)
            kept = the_site().tags(run.key).put(tag, items)
            run.verdicts.note_action(run.key, "", f"tag {kept} put on {len(items)}", author=author())
        except OddPixelError as error:
            failed(error)
        else:
            st.session_state["tagged"] = (name, kept)
    where, known = st.session_state.get("tagged", ("", ""))
    if where == name:
        st.page_link(
            "views/triage.py", label=f"Open {literal(known)} in Triage", query_params={"run": run.key, "tag": known}
        )


def state_of(run: OpenRun) -> dict[str, str]:
    """What each item is coloured by: its verdict, else whether it is flagged."""
    columns = [run.table.column(name) for name in ("item", "decision", "flagged")]
    return {
        item: decision or ("flagged, no verdict" if flagged else "no verdict")
        for item, decision, flagged in zip(*columns, strict=True)
    }


def looks_map(run: OpenRun, looks: Looks) -> None:
    """All items by looks; those within a line that is drawn around them can be tagged."""
    st.subheader("Map")
    placed, state = unit(looks.map()[:MOST_POINTS]), state_of(run)
    names = looks.items[:MOST_POINTS]
    said = [state.get(item, "no verdict") for item in names]
    numbers = {name: number for number, name in enumerate(COLOURS)}
    counts = Counter(said)
    component("scatter")(
        data={
            "about": f"{run.key} {len(names)}",
            "label": "Items by looks",
            "points": [[*map(float, place), numbers[name]] for place, name in zip(placed.round(4), said, strict=True)],
            "names": list(names),
            "states": [{"name": name, "colour": COLOURS[name], "count": counts[name]} for name in COLOURS],
        },
        key=f"looks-{run.key}",
        on_chosen_change=lambda: chosen(run),
    )
    quiet(
        f"Near is alike in {BY_GREYS if looks.seen is None else BY_ENCODER}, by their first two principal components."
    )
    inside = [index for index in st.session_state.get(f"chosen-{run.key}", []) if index < len(names)]
    if inside:
        plain(f"{counted(len(inside), 'item')} within the line")
        shown = [card(run, looks, index, said[index]) for index in inside[:CHOSEN_SHOWN]]
        gallery(run, "area", "Items within the line", shown)
        tag_form(run, "area", [names[index] for index in inside])


def chosen(run: OpenRun) -> None:
    """Keep which points the line was drawn around."""
    given = st.session_state[f"looks-{run.key}"].get("chosen") or []
    st.session_state[f"chosen-{run.key}"] = [int(index) for index in given][:MOST_POINTS]


def unit(places: np.ndarray) -> np.ndarray:
    """Places within 0..1, across and down."""
    if not len(places):
        return places
    low, high = places.min(0), places.max(0)
    inside: np.ndarray = (places - low) / np.maximum(high - low, 1e-9)
    return inside


def like_one(run: OpenRun, looks: Looks) -> None:
    """What looks most like the item in the address, oddest first without one."""
    st.subheader("Most alike")
    wanted = st.query_params.get("item")
    item = wanted if wanted in looks.items else looks.items[0]
    plain(item)
    own = looks.items.index(item)
    near = looks.nearest(item, NEIGHBOURS)
    cards = [card(run, looks, own, "this item"), *(card(run, looks, index, f"r = {r:.2f}") for index, r in near)]
    gallery(run, "like", f"Most alike {item}", cards, item)
    st.page_link(
        "views/case.py",
        label="Open the case",
        icon=":material/image_search:",
        query_params={"run": run.key, "item": item},
    )


def duplicates(run: OpenRun, looks: Looks) -> None:
    """The groups of near duplicates."""
    st.subheader("Near duplicates")
    least = st.slider("Correlation from which two are near", 0.9, 1.0, NEAR, step=0.005, format="%.3f", key="near")
    groups = looks.near_duplicates(least)
    if not groups:
        quiet("No two items look so much alike.")
        return
    inside = sum(map(len, groups))
    plain(f"{counted(len(groups), 'group')} with {counted(inside, 'item')}.")
    for number, group in enumerate(groups[:GROUPS_SHOWN]):
        with st.expander(f"{len(group)} items", expanded=number == 0):
            gallery(run, f"group-{number}", "Near duplicates", [card(run, looks, k, "") for k in group[:MEMBERS_SHOWN]])
            tag_form(run, f"group-{number}", [looks.items[k] for k in group])
    quiet("Copies of one picture in several groups make a calibration look larger than it is.")


def ways(run: OpenRun, looks: Looks) -> None:
    """By what is compared, and the job that lets the encoder look."""
    if looks.seen is not None:
        quiet(f"Compared by {BY_ENCODER}; near duplicates by {BY_GREYS}.")
        return
    quiet(f"Compared by {BY_GREYS}, which are alike where pictures are dark and bright in the same places.")
    about = f"looks {run.key}"
    job = the_site().jobs.running(about)
    if job is not None:
        watched(about)
    elif may(LEAD, "Looking with the encoder") and st.button("Look with the encoder", key="looks-start"):
        try:
            require(LEAD)
            out = the_site().looks(run.key)
            the_site().jobs.start(
                f"Looks of {run.run.path.name}",
                [str(run.run.path), f"--out={out}"],
                author(),
                module=MODULE,
                once=about,
            )
        except OddPixelError as error:
            failed(error)
        else:
            st.rerun()


@st.fragment(run_every=2)
def watched(about: str) -> None:
    """How far the job is; the page is drawn anew when it has ended."""
    job = the_site().jobs.running(about)
    if job is None:
        st.rerun(scope="app")
    step = job.step
    st.progress(0.0 if step is None else step.share, text="The encoder looks at the thumbnails")


def show(run: OpenRun) -> None:
    """The view of a run."""
    with st.spinner("Comparing thumbnails …"):
        blind = blind_items(run)
        looks = looks_of(run, the_site().looks(run.key)).without(blind)
    if blind:
        quiet(f"{counted(len(blind), 'item')} of a blind reading that is open for you: seen there alone.")
    if len(looks.items) < 2:
        st.info("This run has too few thumbnails to compare.")
        return
    if len(looks.items) == MOST:
        quiet(f"Of this run, the {MOST} oddest items.")
    ways(run, looks)
    like_one(run, looks)
    looks_map(run, looks)
    duplicates(run, looks)


run = chosen_run("alike")
if run is not None:
    try:
        show(run)
    except OddPixelError as error:
        failed(error)
