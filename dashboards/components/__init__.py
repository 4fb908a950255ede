"""The widgets of our own, as Streamlit components: plain JavaScript, no build, no request to anywhere else."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any


@cache
def widget(name: str) -> Any:
    """A component out of NAME.js and NAME.css, with what is shared in front."""
    import streamlit as st

    def text(suffix: str) -> str:
        folder = files(__package__ or "")
        return "\n".join(folder.joinpath(f"{each}.{suffix}").read_text() for each in ("shared", name))

    html = '<div class="odd"></div>'
    return st.components.v2.component(f"oddpixel_{name}", html=html, css=text("css"), js=text("js"))
