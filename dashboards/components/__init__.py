"""The components of our own, as Streamlit components: plain ES modules, no build, no request to anywhere else.

A folder is a component: `index.js` exports the function that Streamlit calls, NAME.css styles it; `shared` is what they have in
common. Browsers import the modules one by one from `/oddpixel/components/VERSION/`, as they lie here.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

from .modules import PREFIX, modules_version

# Streamlit runs its script from a blob, which has no address that relative imports could start from.
ENTRY = "const {{ default: mount }} = await import(new URL({path!r}, location.origin));\nexport default mount;\n"


@cache
def component(name: str) -> Any:
    """The Streamlit component in the folder of that name."""
    import streamlit as st

    folder = files(__package__ or "")
    css = "\n".join(folder.joinpath(part, f"{part}.css").read_text() for part in ("shared", name))
    js = ENTRY.format(path=f"{PREFIX}/{modules_version()}/{name}/index.js")
    return st.components.v2.component(f"oddpixel_{name}", html='<div class="odd"></div>', css=css, js=js)
