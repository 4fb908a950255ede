"""`data`: packaged image corpora."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from oddpixel.console import print_facts, print_rows
from oddpixel.errors import UnreadableInput, describe

from .options import AsJson

app = typer.Typer(no_args_is_help=True, help="Packaged image corpora: what there is, and getting it.")


@app.command("list")
def list_corpora(json: AsJson = False) -> None:
    """Every corpus: what it shows, its licence, and whether it is on this machine."""

    from oddpixel.datasets.corpora import cards, is_cached
    from oddpixel.envelope import envelope

    items = [card.facts() | {"cached": is_cached(card.name)} for card in cards().values()]
    print(envelope("data", items=items)) if json else print_corpora(items)


@app.command("show")
def show_corpus(name: Annotated[str, typer.Argument(help="A corpus.")], json: AsJson = False) -> None:
    """All that is known of a corpus: origin, licence, attribution, and its files by role where it is on this machine."""

    from oddpixel.datasets.corpora import cached, card, is_cached
    from oddpixel.envelope import envelope

    facts = card(name).facts() | {"cached": is_cached(name)}
    files = [vars(file) for file in cached(name).files()] if facts["cached"] else []
    print(envelope("data", items=[facts | {"files": files}])) if json else print_corpus(facts, files)


@app.command("fetch")
def fetch_corpora(
    names: Annotated[list[str] | None, typer.Argument(help="Corpora; all of them where none is named.")] = None,
    json: AsJson = False,
) -> None:
    """Get corpora through their packages' own clients, check every byte, and keep them for working offline."""
    from oddpixel.console import print_rows, progress
    from oddpixel.datasets.corpora import card, cards, fetch
    from oddpixel.envelope import envelope

    items: list[dict[str, Any]] = []
    wanted = [card(name).name for name in names or cards()]
    with progress("fetching", len(wanted)) as advance:
        for name in wanted:
            try:
                corpus = fetch(name)
                items.append(
                    {"corpus": name, "files": len(corpus.files()), "folder": str(corpus.folder), "error": None}
                )
            except UnreadableInput as error:
                items.append({"corpus": name, "files": 0, "folder": None, "error": describe(error)})
            advance()
    print(envelope("data", items=items)) if json else print_rows("corpora", items)
    if any(item["error"] for item in items):
        raise typer.Exit(3)


def print_corpora(items: list[dict[str, Any]]) -> None:
    """Print a table of all corpora with their licences."""
    rows = [
        {"corpus": item["name"], "what": item["title"], "licence": item["licence"]}
        | {"weights may ship": "yes" if item["weights_may_ship"] else "no", "here": "yes" if item["cached"] else "no"}
        for item in items
    ]
    print_rows("corpora", rows)


def print_corpus(facts: dict[str, Any], files: list[dict[str, Any]]) -> None:
    """Print a corpus's card and its files."""
    print_facts(facts)
    print_rows("files", [{"file": file["path"].name, "role": file["role"], "group": file["group"]} for file in files])


COMMAND = app
