"""One visit: who it is, which run is looked at, and what every page shows alike."""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Sequence
from functools import cache
from typing import Any
from urllib.parse import unquote

import streamlit as st

from oddpixel.counting import counted
from oddpixel.errors import RunError

from .access import COOKIE
from .library import OpenRun
from .roles import LEAD, READER, Visitor, check
from .roles import refusal as refusal_of
from .site import LONGEST_NAME, NAME, default_author, the_site

# Streamlit's own margins are made for prose; pictures need the room.
STYLE = """<style>
  [data-testid="stMainBlockContainer"] { padding: 4rem 2rem 1rem }
  [data-testid="stSidebarContent"] { font-size: .92rem }
  [data-testid="stMainBlockContainer"] h3 { font-size: 1.15rem; padding: .4rem 0 }
  /* What is chosen in a segmented control or by pills is too faint in Streamlit's own colours: 3.6 to 1 in the dark theme. */
  [data-testid="stButtonGroup"] button[data-selected] p { color: light-dark(#96222f, #ffa3aa) }
  [data-testid="stCode"] code span.token { color: inherit !important } /* 4.0 to 1 in the dark theme */
  .oddpixel-quiet { opacity: .75 }
  .oddpixel-facts { font-size: .88rem }
  .oddpixel-facts th { text-align: left; padding: .1rem .8rem .1rem 0; font-weight: 500; vertical-align: top }
  .oddpixel-text { overflow-wrap: anywhere; white-space: pre-wrap }
</style>"""


def sign_in() -> None:
    """The field for the visitor's name in the side bar; decisions are logged under it."""
    st.html(STYLE)
    with st.sidebar:
        if (visitor := signed_on()) is not None:
            quiet(f"Signed on as {visitor.author}, {visitor.role}")
        else:
            help = "Verdicts are logged under it."
            st.text_input("Your name", value=_kept_name(), key="author", max_chars=LONGEST_NAME, help=help)


def signed_on() -> Visitor | None:
    """Whom the sign-on provider vouches for; None without a sign-on."""
    cookie = st.context.cookies.get(COOKIE)
    return the_site().visitor(cookie) if isinstance(cookie, str) else None


def _kept_name() -> str:
    """The name that this browser gave at an earlier visit."""
    cookie = st.context.cookies.get(NAME)
    return unquote(cookie)[:LONGEST_NAME] if isinstance(cookie, str) else ""


def name_given(component: str) -> None:
    """Take the name that a component asked its visitor for."""
    request = st.session_state[component].get("named") or {}
    st.session_state["author"] = str(request.get("name", ""))[:LONGEST_NAME]


@cache
def icon() -> Any:
    """The page icon: a tile of squares, one of them odd. Drawn here: a named icon would be fetched from elsewhere."""
    import numpy as np
    from PIL import Image

    grid = np.full((32, 32, 4), (0, 0, 0, 0), np.uint8)
    for row in range(3):
        for column in range(3):
            colour = (209, 73, 91, 255) if (row, column) == (1, 2) else (96, 125, 139, 255)
            grid[2 + 10 * row : 10 + 10 * row, 2 + 10 * column : 10 + 10 * column] = colour
    return Image.fromarray(grid)


def author() -> str:
    """The name that this visitor's decisions carry: signed on, typed in, or the default."""
    if (visitor := signed_on()) is not None:
        return visitor.author
    return str(st.session_state.get("author") or "").strip() or default_author()


def is_named() -> bool:
    """Whether this visitor has said who they are."""
    return signed_on() is not None or bool(str(st.session_state.get("author") or "").strip())


def ticket() -> str:
    """A ticket with which this visitor's browser may send decisions."""
    return the_site().ticket(author(), role())


def role() -> str:
    """This visitor's role."""
    visitor = signed_on()
    return LEAD if visitor is None else visitor.role


def require(needed: str) -> None:
    """Raises: UsageError where this visitor's role may not do what is asked."""
    check(role(), needed)


def may(needed: str, what: str = "") -> bool:
    """Whether this visitor's role allows it; where not, the page says so of `what`, in the place of its controls."""
    because = refusal_of(role(), needed)
    if because is not None and what:
        quiet(f"{what}: {because}.")
    return because is None


def refusal() -> str | None:
    """Why this visitor's verdicts, tags and regions would be refused, as components say it; None where they are taken."""
    because = refusal_of(role(), READER)
    return None if because is None else f"You may look: {because}."


def blind_items(run: OpenRun) -> frozenset[str]:
    """The items of blind readings that are open for this visitor: only there they see them."""
    return the_site().blind_items(run, author())


def reads_blindly(run: OpenRun, what: str) -> None:
    """Say that something is not shown while a blind reading is open for this visitor, and lead there."""
    st.info(f"{what} while a blind reading is open for you.", icon=":material/visibility_off:")
    runs = [read for _, read in the_site().open_readings(author())]
    shown = run if run in runs or not runs else runs[0]
    st.page_link(
        "views/reading.py", label="Go on reading", icon=":material/visibility_off:", query_params={"run": shown.key}
    )


def chosen_run(page: str) -> OpenRun | None:
    """The run in the address, else the one looked at before, else the first; a choice in the side bar.

    None without runs; `entry` shows how to make one then.
    """
    runs = the_site().library.runs()
    if not runs:
        return None
    by_key = {run.key: run for run in runs}
    requested = st.query_params.get("run") or st.session_state.get("run")
    if requested not in by_key:
        if st.query_params.get("run"):
            st.warning("The run in this address was not found; the first run is shown instead.")
        requested = runs[0].key
    with st.sidebar:
        key = st.selectbox(
            "Run",
            list(by_key),
            index=list(by_key).index(requested),
            format_func=labels(runs).__getitem__,
            key=f"run-{page}",
        )
    if key != st.session_state.get("run") and st.session_state.get("run") is not None and key != requested:
        st.query_params.clear()
    st.session_state["run"] = key
    if st.query_params.get("run") != key:  # what is set again stands in the history twice
        st.query_params["run"] = key
    return by_key[key]


def label(run: OpenRun) -> str:
    """A run as lists show it: name, kind, number of files."""
    record = run.run.record
    return f"{run.name} · {record['kind']} · {counted(record['num_items'], 'file')}" + (
        "" if record["finished"] else " · unfinished"
    )


def labels(runs: Sequence[OpenRun]) -> dict[str, str]:
    """Runs as a choice shows them, by key, no two alike: Streamlit knows what was chosen by what is shown alone."""
    named = {run.key: label(run) for run in runs}
    counts = Counter(named.values())
    return {key: name if counts[name] == 1 else f"{name} · {key[:8]}" for key, name in named.items()}


def quiet(text: str) -> None:
    """A remark in a smaller, paler type; the text is escaped."""
    st.html(f'<p class="oddpixel-quiet oddpixel-text">{html.escape(text)}</p>')


def plain(text: str) -> None:
    """Text from outside, as it stands: no markup of any kind."""
    st.html(f'<p class="oddpixel-text">{html.escape(text)}</p>')


def table_of(facts: dict[str, Any]) -> None:
    """A table of names and values; every text is escaped."""
    rows = "".join(
        f"<tr><th>{html.escape(str(name))}</th><td class='oddpixel-text'>{html.escape(str(value))}</td></tr>"
        for name, value in facts.items()
    )
    st.html(f"<table class='oddpixel-facts'>{rows}</table>")


def failed(error: RunError | Exception) -> None:
    """An error as the page shows it, with its type."""
    st.error(f"{type(error).__name__}: {error}", icon=":material/error:")
