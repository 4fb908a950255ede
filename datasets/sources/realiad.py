"""The layout of Real-IAD (Wang et al. 2024): five views of every piece, which is one group.

    realiad_1024/CATEGORY/OK/S0001/NAME.jpg
    realiad_1024/CATEGORY/NG/DEFECT/S0036/NAME.jpg, its mask NAME.png beside it
    realiad_jsons/realiad_jsons/CATEGORY.json          which images are for training

A view of a defective piece that has no mask does not show the defect: its label is OK, as in the data set's own tables.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from oddpixel.errors import UsageError

from ..layout import Layout

NORMAL, ODD = "OK", "NG"
TABLES = ("realiad_jsons/realiad_jsons", "../realiad_jsons/realiad_jsons", "realiad_jsons", "../realiad_jsons")


class RealIAD(Layout):
    """The folder layout of Real-IAD."""

    prefix, expected = "realiad", "[realiad_SIZE/]CATEGORY/{OK/PIECE,NG/DEFECT/PIECE}/NAME.jpg"

    def facts(self, root: Path, names: Sequence[tuple[str, ...]]) -> list[dict[str, Any] | None]:
        """Label, mask and piece of each file, and its role where the data set's own tables are there."""
        present = {"/".join(name) for name in names}
        categories = sorted({where[0] for name in names if (where := _where(name)) is not None})
        roles = {image: role for each in categories for image, role in _roles(root, each).items()}
        return [_facts(root, name, present, roles) for name in names]


LISTER = RealIAD


def _where(name: tuple[str, ...]) -> tuple[str, str, str] | None:
    """Category, kind (`OK` or a defect) and piece; None outside of the layout."""
    if len(name) >= 4 and name[-3] == NORMAL:
        return name[-4], NORMAL, name[-2]
    return (name[-5], name[-3], name[-2]) if len(name) >= 5 and name[-4] == ODD else None


def _facts(root: Path, name: tuple[str, ...], present: set[str], roles: dict[str, str]) -> dict[str, Any] | None:
    where, file = _where(name), PurePosixPath(name[-1])
    if where is None or file.suffix == ".png":
        return None
    category, kind, piece = where
    mask = "/".join((*name[:-1], f"{file.stem}.png"))
    is_shown = kind != NORMAL and mask in present
    return {
        "label": kind if is_shown else NORMAL,
        "mask": str(root / mask) if is_shown else None,
        "group": f"realiad/{category}/{kind}/{piece}",
        "role": roles.get(f"{category}/{file.name}"),
    }


def _roles(root: Path, category: str) -> dict[str, str]:
    """The role of every image of a category, by category and file name; empty without its table. Raises: UsageError."""
    table = next((path for place in TABLES if (path := root / place / f"{category}.json").is_file()), None)
    if table is None:
        return {}
    try:
        content = json.loads(table.read_bytes())
        return {
            f"{category}/{PurePosixPath(row['image_path']).name}": role
            for role in ("train", "test")
            for row in content[role]
        }
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{table}: not a table of Real-IAD: {error}") from error
