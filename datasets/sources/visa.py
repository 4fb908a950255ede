"""The layout of VisA (Zou et al. 2022), as it is published.

OBJECT/Data/Images/Normal, OBJECT/Data/Images/Anomaly, the masks under OBJECT/Data/Masks/Anomaly, which defects they are in
OBJECT/image_anno.csv, and which images were meant for training in split_csv/1cls.csv.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from oddpixel.errors import UsageError

from ..layout import Layout

SPLIT, ANNOTATIONS = "split_csv/1cls.csv", "image_anno.csv"
IMAGES, NORMAL = ("Data", "Images"), "Normal"


class VisA(Layout):
    """The folder layout of VisA."""

    prefix, expected = "visa", "[OBJECT/]Data/Images/{Normal,Anomaly}/NAME.JPG"

    def facts(self, root: Path, names: Sequence[tuple[str, ...]]) -> list[dict[str, Any] | None]:
        """Role, defects and mask of each file; a role only where the split is there."""
        # Of one object alone, the tables name files as from the folder above.
        start = root if (root / SPLIT).is_file() or not (root / "Data").is_dir() else root.parent
        present = {"/".join(name) for name in names}
        roles = _column(start / SPLIT, "split")
        objects = sorted({_object(root, name) for name in names if name[-4:-2] == IMAGES})
        defects = {
            image: label for each in objects for image, label in _column(start / each / ANNOTATIONS, "label").items()
        }
        return [_facts(root, name, present, roles, defects) for name in names]


LISTER = VisA


def _object(root: Path, name: tuple[str, ...]) -> str:
    return name[-5] if len(name) > 4 else root.name


def _facts(
    root: Path, name: tuple[str, ...], present: set[str], roles: Mapping[str, str], defects: Mapping[str, str]
) -> dict[str, Any] | None:
    if name[-4:-2] != IMAGES:
        return None
    *above, _, _, kind, file = name
    image = "/".join((_object(root, name), *IMAGES, kind, file))
    mask = "/".join((*above, "Data", "Masks", kind, f"{PurePosixPath(file).stem}.png"))
    return {
        "role": roles.get(image),
        "label": defects.get(image, kind).lower(),
        "mask": str(root / mask) if kind != NORMAL and mask in present else None,
    }


def _column(path: Path, column: str) -> dict[str, str]:
    """A column of one of the data set's tables, by image; empty where the table is not there. Raises: UsageError."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            return {row["image"]: row[column] for row in csv.DictReader(file)}
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, csv.Error, KeyError) as error:
        raise UsageError(f"{path}: not a table of VisA with the columns image and {column}: {error}") from error
