"""The widgets of our own, as Streamlit components: plain JavaScript, no build, no request to anywhere else."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

# What a widget is made of besides `shared` and its own files.
PARTS = {"viewer": ("pyramid",)}


@cache
def widget(name: str) -> Any:
    """A component out of NAME.js and NAME.css, with what is shared and its parts in front."""
    import streamlit as st

    def text(suffix: str) -> str:
        files_in = (files(__package__ or "") / f"{each}.{suffix}" for each in ("shared", *PARTS.get(name, ()), name))
        return "\n".join(file.read_text() for file in files_in if file.is_file())

    html = '<div class="odd"></div>'
    return st.components.v2.component(f"oddpixel_{name}", html=html, css=text("css"), js=text("js"))
