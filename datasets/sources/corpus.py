"""A packaged corpus by name: `corpus:animals`, or one role of it: `corpus:animals/test`. Only what is in the cache."""

from __future__ import annotations

from oddpixel.errors import UsageError

from ..corpora import ROLES, cached
from ..entry import Entry
from ..listing import Listing
from ..reading import Reader

PREFIX = "corpus:"


class PackagedCorpus:
    """Lists packaged corpora that are in the cache."""

    stands_alone = False

    def accepts(self, place: str) -> bool:
        """Whether the place begins with `corpus:`."""
        return place.startswith(PREFIX)

    def listing(self, place: str, reader: Reader) -> Listing:
        """List the files of the corpus, or of one of its roles."""
        name, _, role = place.removeprefix(PREFIX).partition("/")
        corpus = cached(name)
        if corpus.card.kind == "weights":
            raise UsageError(f"{place}: {name} holds weights, not images")
        if role and role not in ROLES:
            raise UsageError(f"{place}: unknown role {role!r}; roles are {', '.join(ROLES)}")
        chosen = (file for file in corpus.files() if role in ("", file.role))
        return Listing(
            tuple(
                Entry(name=f"{name}/{file.path.name}", path=file.path, group=file.group, role=file.role)
                for file in chosen
            )
        )


LISTER = PackagedCorpus
