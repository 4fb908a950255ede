"""The components of our own, as Streamlit components: plain ES modules, no build, no request to anywhere else.

A folder is a component: `index.js` exports the function that Streamlit calls, NAME.css styles it; `shared` is what they have in
common.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

from .bundle import bundle

FOLDER = files(__package__ or "")


@cache
def component(name: str) -> Any:
    """The Streamlit component in the folder of that name."""
    import streamlit as st

    css = "\n".join(FOLDER.joinpath(part, f"{part}.css").read_text(encoding="utf-8") for part in ("shared", name))
    js = bundle(FOLDER, f"{name}/index.js")
    return st.components.v2.component(f"oddpixel_{name}", html='<div class="odd"></div>', css=css, js=js)
