"""How every command that reads images ends: what was not read and why, and an exit status that says what happened.

0   done                               2   the request makes no sense
1   `--fail-on` was asked for and met,  3   nothing was readable
    or an image failed unexpectedly
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from oddpixel.datasets.listing import Listing
    from oddpixel.forensics.runs.rows import Failure

UNEXPECTED = ("Defect", "NotEnoughMemory")


def not_read(listing: Listing) -> dict[str, Any]:
    """The files of a listing that were left out, and notes about its places, for `--json`."""
    return {"left_out": listing.left_out, "notes": listing.notes}


def print_not_read(listing: Listing, per_file: bool) -> None:
    """Print the files that were left out in a line or two; with `per_file`, a line per file."""
    from oddpixel.console import shown
    from oddpixel.counting import counted
    from oddpixel.datasets.listing import reasons

    for note in listing.notes:
        print(f"note: {shown(note)}")
    if not listing.left_out:
        return
    by_reason = ", ".join(f"{count} {reason}" for reason, count in reasons(listing.left_out).items())
    print(
        f"{counted(len(listing.left_out), 'file')} left out: {by_reason}"
        + ("" if per_file else "; --left-out lists them")
    )
    if per_file:
        for file in listing.left_out:
            print(shown(f"  {file.item}: {file.reason}" + (f" ({file.detail})" if file.detail else "")))


def exit_by(errors: Sequence[Failure | None], fail_on_error: bool = False) -> None:
    """Leave with the status that these items call for, None for one without error; return where it is 0."""
    if not errors:
        print("nothing was read: there is no image at the given places", file=sys.stderr)
    kinds = [error.type for error in errors if error is not None]
    if len(kinds) == len(errors):
        raise typer.Exit(3)
    if any(kind in UNEXPECTED for kind in kinds) or (fail_on_error and kinds):
        raise typer.Exit(1)


def failures(items: Sequence[Mapping[str, Any]]) -> list[Failure | None]:
    """The `error` of each item of a command's JSON."""
    from oddpixel.forensics.runs.rows import Failure

    return [None if item["error"] is None else Failure(**item["error"]) for item in items]


def check_choice(option: str, value: str | None, choices: Iterable[str]) -> None:
    """Refuse an option's value that is not among its choices. Raises: UsageError."""
    from oddpixel.errors import UsageError

    if value is not None and value not in choices:
        raise UsageError(f"{option} takes {' or '.join(choices)}, got {value!r}")
