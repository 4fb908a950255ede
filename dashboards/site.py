"""What all visitors of one dashboard process share: its library, its signer, its rules."""

from __future__ import annotations

import getpass
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from oddpixel.errors import RunError

from .access import Signer
from .jobs import Jobs
from .library import Library
from .saved_views import SavedViews
from .sign_on import SignOn


@dataclass(frozen=True)
class Site:
    """What all pages and routes of one dashboard share.

    Arguments:
        library: runs.
        folder: where uploads, new runs and detectors, jobs and saved views go.
        data: the folders that a visitor may name to read images from.
        sign_on: how visitors say who they are; None takes their word.
    """

    library: Library
    folder: Path
    data: tuple[Path, ...] = ()
    signer: Signer = field(default_factory=Signer)
    sign_on: SignOn | None = None

    @property
    def jobs(self) -> Jobs:
        """The jobs that visitors started."""
        return Jobs(self.folder / "jobs")

    @property
    def views(self) -> SavedViews:
        """The views that visitors saved."""
        return SavedViews(self.folder / "views.json")

    def ticket(self, author: str) -> str:
        """A ticket with which a browser may send decisions under that name."""
        return self.signer.sign("decide", {"author": author})

    def author_of(self, ticket: str) -> str | None:
        """The author that a valid ticket names; None for a forged or expired one."""
        claims: dict[str, Any] | None = self.signer.read("decide", ticket)
        return None if claims is None else str(claims["author"])

    def visitor(self, cookie: str) -> str | None:
        """The name that a sign-on cookie carries; None where it is not valid."""
        claims = self.signer.read("visit", cookie) or {}
        return claims.get("author")


def default_author() -> str:
    """The name of the user who runs this process, for decisions of visitors who give no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "visitor"


_sites: list[Site] = []
_lock = threading.Lock()


def open_site(site: Site) -> Site:
    """Make a site the one that pages and routes of this process use."""
    with _lock:
        _sites[:] = [site]
    return site


def the_site() -> Site:
    """The site of this process. Raises: RunError where none was opened."""
    if not _sites:
        raise RunError("no dashboard is open in this process; start one with `oddpixel dashboard`")
    return _sites[0]
