"""What `tests.launch` imports once, for every command that it starts; a command that needs more imports that itself.

None may start a thread that what is forked would lack: ONNX Runtime's does, so it is not among them.
"""

from __future__ import annotations

import os
from importlib import import_module

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"  # read where libraries are loaded

MODULES = (
    *("cv2", "duckdb", "jsonschema", "pandas", "pydicom", "scipy.stats", "sklearn", "sqlalchemy.dialects.sqlite"),
    *("httpx", "jinja2", "pyarrow.parquet", "rich.progress", "starlette.applications", "torch", "typer"),
    *("uvicorn", "websockets"),
    *("streamlit", "streamlit.web.server.starlette"),
    *("oddpixel.commands", "oddpixel.dashboards.app", "oddpixel.dashboards.library", "oddpixel.dashboards.site"),
    *("oddpixel.datasets.source", "oddpixel.node.run", "oddpixel.service.serve"),
    *("oddpixel.forensics.detect.flag", "oddpixel.forensics.detect.store", "oddpixel.forensics.runs.export"),
)
for name in MODULES:
    import_module(name)
