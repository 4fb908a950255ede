"""The dashboard as one ASGI process: Streamlit's pages, the routes that their components use, and access around both.

uvicorn.run(application(site, token))
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from .access import Access
from .routes import ROUTES
from .sign_on import BACK, START
from .site import Site, open_site
from .static_cache import StaticCache

ENTRY = Path(__file__).with_name("entry.py")
# Streamlit's own options: no telemetry, no word about what failed inside, no watching of files.
OPTIONS = {
    "browser.gatherUsageStats": False,
    "client.toolbarMode": "minimal",
    "client.showErrorDetails": "none",
    "logger.level": "warning",
    "server.enableStaticServing": False,
    "server.fileWatcherType": "none",
    "server.headless": True,
}


def application(site: Site, token: str | None = None, max_upload: int = 500) -> Access:
    """The whole dashboard as one ASGI application: pages, routes, access.

    Arguments:
        max_upload: MB a file.
        token: what every visitor must know; with none, and no sign-on, loopback names only are answered.
    """
    import streamlit
    from streamlit import config

    for name, value in (*OPTIONS.items(), ("server.maxUploadSize", max_upload)):
        config.set_option(name, value)
    _settle_path()
    open_site(site)
    open_paths = (START, BACK) if site.sign_on is not None else ()
    return Access(StaticCache(streamlit.App(ENTRY, routes=ROUTES)), site.signer, token, open_paths)


def _settle_path() -> None:
    """Keep the folder of the pages in `sys.path`, at its end, once and for all.

    Streamlit puts it in front for each run of a page and takes it out again, unless it is there: an import in another thread then
    walks a list that shrinks under it and misses packages that are there, and `statistics` would be ours.
    """
    pages = os.path.abspath(ENTRY.parent)
    if pages not in sys.path:
        sys.path.append(pages)
