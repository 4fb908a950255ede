"""Export: the run, or what this view's filters leave of it, in a form that other programs read."""

from __future__ import annotations

import tempfile
import zipfile
from pathlib import Path

import streamlit as st

from oddpixel.dashboards.library import OpenRun
from oddpixel.dashboards.query import SHOWN, Query
from oddpixel.dashboards.roles import READER
from oddpixel.dashboards.visit import author, blind_items, chosen_run, failed, may, plain, quiet, reads_blindly, require
from oddpixel.errors import OddPixelError
from oddpixel.forensics.runs.export import export, forms

MOST = 1_000_000


def items(run: OpenRun, query: Query) -> list[str]:
    """The names of the items that a view shows, in its order, at most `MOST`."""
    rows = run.table.page(query.filters, order_by=query.order_by, descending=not query.up, limit=MOST)
    return [row.item for row in rows]


def made(run: OpenRun, form: str, wanted: list[str] | None) -> tuple[str, bytes, list[str]]:
    """The file name, the content, and what was left out; several DICOM objects come as one archive."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{run.folder_name}-{form}{forms()[form].suffix}"
        left_out = export(run.run, form, path, store=run.store, items=wanted)
        if not path.is_dir():
            return path.name, path.read_bytes(), left_out
        packed = path.with_suffix(".zip")
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in sorted(path.iterdir()):
                archive.write(file, file.name)
        return packed.name, packed.read_bytes(), left_out


run = chosen_run("export")
if run is not None and blind_items(run):
    reads_blindly(run, "Nothing is exported")
elif run is not None:
    st.subheader("What")
    left, right = st.columns(2)
    show = left.selectbox("Items", SHOWN, format_func=lambda name: {"unflagged": "not flagged"}.get(name, name))
    verdict = right.selectbox("Verdict", ["all", "decided", "undecided", "odd", "normal", "unsure"])
    st.subheader("As")
    form = st.radio(
        "Form",
        list(forms()),
        index=list(forms()).index("csv"),
        format_func=lambda name: f"{name}: {forms()[name].meaning}",
        label_visibility="collapsed",
    )
    try:
        query = Query.of({"show": show, "decision": verdict})
        wanted = items(run, query) if query.filters else None
        plain(f"{run.table.count() if wanted is None else len(wanted)} items")
        if may(READER, "Taking it along") and st.button("Prepare", type="primary"):
            require(READER)
            with st.spinner("Writing …"):
                name, content, left_out = made(run, form, wanted)
            run.verdicts.note_action(run.key, "", f"exported as {form}", author=author())
            st.download_button(
                f"Download {name} ({len(content) / 1e6:.1f} MB)", content, file_name=name, on_click="ignore"
            )
            for sentence in left_out[:10]:
                quiet(f"left out: {sentence}")
            if len(left_out) > 10:
                quiet(f"left out: {len(left_out) - 10} more")
    except OddPixelError as error:
        failed(error)
    st.subheader("The same without a browser")
    st.code(f"oddpixel export RUN --to {form}", language="bash")
