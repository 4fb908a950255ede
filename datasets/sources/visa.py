"""The layout of VisA (Zou et al. 2022), as it is published.

OBJECT/Data/Images/Normal, OBJECT/Data/Images/Anomaly, the masks under OBJECT/Data/Masks/Anomaly, which defects they are in
OBJECT/image_anno.csv, and which images were meant for training in split_csv/1cls.csv. Of one object alone (OBJECT/Data in ROOT),
that table is looked for beside it, in the folder above.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from oddpixel.errors import UsageError

from ..labels import is_normal
from ..layout import Layout, Names, role_of, table_of

SPLIT, ANNOTATIONS = "split_csv/1cls.csv", "image_anno.csv"
IMAGES, NORMAL = ("Data", "Images"), "Normal"


class VisA(Layout):
    """The folder layout of VisA."""

    stands_alone = False

    prefix, expected = "visa", "[OBJECT/]Data/Images/{Normal,Anomaly}/NAME.JPG"

    def facts(self, root: Path, names: Sequence[tuple[str, ...]]) -> list[dict[str, Any] | None]:
        """Role, defects and mask of each file; a role only where the split is there."""
        files = Names(root, names)
        # The tables name files as from the folder of all objects.
        start, above = (root.resolve().parent, (root.resolve().name,)) if (root / "Data").is_dir() else (root, ())
        full = {name: (*above, *name) for name in names if name[-4:-2] == IMAGES}
        images = Names(start, full.values())
        splits = _column(start / SPLIT, "split", images)
        roles = {image: role_of(split, start / SPLIT) for image, split in splits.items()}
        objects = sorted({name[-5] for name in full.values() if len(name) > 4})
        defects = {
            image: label
            for each in objects
            for image, label in _column(start / each / ANNOTATIONS, "label", images).items()
        }
        return [_facts(name, "/".join(full[name]), files, roles, defects) if name in full else None for name in names]


LISTER = VisA


def _facts(
    name: tuple[str, ...], image: str, files: Names, roles: dict[str, str], defects: dict[str, str]
) -> dict[str, Any]:
    *above, _, _, kind, file = name
    label = defects.get(image, "").strip().lower()
    if not label or is_normal(label, None) != (kind == NORMAL):  # the folder is what the split goes by
        label = kind.lower()
    mask = None if kind == NORMAL else files.mask(*above, "Data", "Masks", kind, f"{PurePosixPath(file).stem}.png")
    return {"role": roles.get(image), "label": label, "mask": mask}


def _column(path: Path, column: str, images: Names) -> dict[str, str]:
    """A column of one of the data set's tables, by image; empty where the table is not there. Raises: UsageError."""
    found: dict[str, str] = {}
    if not path.exists():
        return found
    try:
        rows = csv.DictReader(io.StringIO(table_of(path).decode("utf-8-sig"), newline=""))
        for row in rows:
            if row[column] is None:
                raise UsageError(f"{path}: line {rows.line_num} has no {column}")
            if (image := images.find(row["image"])) is not None and found.setdefault(image, row[column]) != row[column]:
                raise UsageError(f"{path}: {image} stands there twice, as {found[image]!r} and as {row[column]!r}")
    except (UnicodeDecodeError, csv.Error, KeyError) as error:
        raise UsageError(f"{path}: not a table of VisA with the columns image and {column}: {error}") from error
    return found
