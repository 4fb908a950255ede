"""`doctor`: what is installed here, and what is missing."""

from __future__ import annotations

from typing import Any

from oddpixel.console import Coloured, print_table

from .options import AsJson


def doctor(json: AsJson = False) -> None:
    """What is installed here, what is missing, and how to get it."""

    from oddpixel.envelope import envelope

    from .installation import examine

    findings = examine()
    print(envelope("doctor", **findings)) if json else print_doctor(findings)


COLOURS = {"ok": "green", "optional": "yellow", "missing": "red"}


def print_doctor(findings: dict[str, Any]) -> None:
    """Print a table per section: what is installed, and how to get what is not."""
    for section in ("versions", "codecs", "audit", "sandbox", "devices"):
        rows = [
            (row["name"], Coloured(row["state"], COLOURS[row["state"]]), row["detail"]) for row in findings[section]
        ]
        print_table((section, "", ""), rows, min_width=60)
        print()
    print(findings["summary"])


COMMAND = doctor
