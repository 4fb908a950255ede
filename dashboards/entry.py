"""The script that Streamlit runs for every visit: page frame, navigation, who is looking."""

from __future__ import annotations

import streamlit as st

from oddpixel.dashboards.site import the_site
from oddpixel.dashboards.start_forms import empty_state
from oddpixel.dashboards.visit import icon, sign_in

WITHOUT_RUNS = ("Audit", "Runs")  # views that are of use before there is any run

st.set_page_config(page_title="OddPixel", page_icon=icon(), layout="wide")
sign_in()
views = (
    ("views/triage.py", "Triage", ":material/grid_view:", True),
    ("views/case.py", "Case", ":material/image_search:", False),
    ("views/distribution.py", "Distribution", ":material/bar_chart:", False),
    ("views/alike.py", "Alike", ":material/bubble_chart:", False),
    ("views/reading.py", "Blind reading", ":material/visibility_off:", False),
    ("views/two_runs.py", "Compare", ":material/compare_arrows:", False),
    ("views/audit.py", "Audit", ":material/policy:", False),
    ("views/runs.py", "Runs", ":material/deployed_code_history:", False),
    ("views/export.py", "Export", ":material/download:", False),
)
pages = [st.Page(path, title=title, icon=icon, default=default) for path, title, icon, default in views]
page = st.navigation(pages)
if page.title in WITHOUT_RUNS or the_site().library.runs():
    page.run()
else:
    empty_state()
