"""What all visitors of one dashboard process share: its library, its signer, its rules."""

from __future__ import annotations

import getpass
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from oddpixel.errors import RunError, UsageError
from oddpixel.forensics.runs.rows import Row

from .access import COOKIE, Signer
from .jobs import Jobs
from .library import Library, OpenRun
from .readings import Reading, Readings
from .roles import LEAD, READER, VIEWER, Visitor, check
from .saved_views import SavedViews
from .sign_on import SignOn
from .tags import Tags


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

    def looks(self, run: str) -> Path:
        """Where a `looks_job` writes what the encoder sees in a run's thumbnails."""
        return self.folder / "looks" / f"{run}.npz"

    def tags(self, run: str) -> Tags:
        """The tags of a run, by its key."""
        return Tags(self.folder / "tags" / f"{run}.json")

    @property
    def readings(self) -> Readings:
        """What was handed out for blind reading."""
        return Readings(self.folder / "readings")

    def open_readings(self, reader: str) -> list[tuple[Reading, OpenRun]]:
        """The blind readings that were handed out to a reader who is not through with them, each with its run."""
        found = []
        for reading in self.readings.handed_to(reader):
            try:
                run = self.library.run(reading.run)
                if reading.is_open(run, reader):
                    found.append((reading, run))
            except RunError:  # the run has gone
                continue
        return found

    def blind_items(self, run: OpenRun, reader: str) -> frozenset[str]:
        """The items of a run of which a reader sees the picture alone: they are, in this run or with the same content in
        another, in one of their open readings."""
        return frozenset(
            item for reading, read in self.open_readings(reader) for item in run.same_as(read, reading.items)
        )

    def seen_row(self, run: OpenRun, item: str, cookies: Mapping[str, str]) -> Row:
        """The row of an item. Raises: UsageError where whoever asks reads it blindly, RunError."""
        row = run.row(item)
        if row.item in self.blind_items(run, self.looker(cookies)):
            raise UsageError(
                "this item is in a blind reading that is open for you; nothing is told of it until you are through"
            )
        return row

    def ticket(self, author: str, role: str) -> str:
        """A ticket with which a browser may send decisions under that name, if the role allows it."""
        return self.signer.sign("decide", {"author": author, "role": role})

    def author_of(self, ticket: str) -> str | None:
        """The author that a valid ticket names; None for a forged or expired one.

        Raises: UsageError for a visitor who may only look.
        """
        claims: dict[str, Any] | None = self.signer.read("decide", ticket)
        if claims is None:
            return None
        check(self._role(claims), READER)
        return str(claims["author"])

    def visitor(self, cookie: str) -> Visitor | None:
        """Whom a sign-on cookie vouches for; None where it is not valid."""
        claims = self.signer.read("visit", cookie) or {}
        return Visitor(str(claims["author"]), self._role(claims)) if claims.get("author") else None

    def looker(self, cookies: Mapping[str, str]) -> str:
        """Who looks, as far as cookies tell: signed on, or by the name that they gave."""
        if self.sign_on is not None:
            visitor = self.visitor(cookies.get(COOKIE, ""))
            return "" if visitor is None else visitor.author
        return unquote(cookies.get(NAME, ""))[:LONGEST_NAME].strip() or default_author()

    def _role(self, claims: dict[str, Any]) -> str:
        """Of what was signed: what was signed before there were roles names none, and then may not do more than look."""
        has_roles = self.sign_on is not None and bool(self.sign_on.roles)
        return str(claims.get("role", VIEWER)) if has_roles else LEAD


NAME = "oddpixel-name"  # the cookie with the name that a visitor gave
LONGEST_NAME = 80


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
