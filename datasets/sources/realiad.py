"""The layout of Real-IAD (Wang et al. 2024): five views of every piece, which is one group.

    realiad_1024/CATEGORY/OK/S0001/NAME.jpg
    realiad_1024/CATEGORY/NG/DEFECT/S0036/NAME.jpg, its mask NAME.png beside it
    realiad_jsons/realiad_jsons/CATEGORY.json          which images are for training, and which views show a defect

ROOT may be the whole, the folder of a size or of a category; the tables are looked for in it, and up to two folders above. A view
of a defective piece that does not show the defect is OK: as the tables say, else where other views of its category have masks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from oddpixel.errors import UsageError

from ..layout import Layout, Names, json_of

NORMAL, ODD = "OK", "NG"
FOLDERS = ("realiad_jsons/realiad_jsons", "realiad_jsons")
Told = Mapping[str, tuple[str, str | None]]  # role and defect by image


class RealIAD(Layout):
    """The folder layout of Real-IAD."""

    stands_alone = False

    prefix, expected = "realiad", "[realiad_SIZE/][CATEGORY/]{OK/PIECE,NG/DEFECT/PIECE}/NAME.jpg"

    def facts(self, root: Path, names: Sequence[tuple[str, ...]]) -> list[dict[str, Any] | None]:
        """Label, mask and piece of each file, and its role where the data set's own tables are there."""
        files = Names(root, names)
        views = {name: view for name in names if (view := _View.of(root, name)) is not None}
        categories = sorted({view.category for view in views.values()})
        told = {
            each: _told(root, each, [view.image for view in views.values() if view.category == each])
            for each in categories
        }
        masks = {
            name: files.mask(*name[:-1], f"{PurePosixPath(name[-1]).stem}.png")
            for name, view in views.items()
            if view.kind != NORMAL
        }
        has_masks = {views[name].category for name, mask in masks.items() if mask is not None}
        return [
            None
            if (view := views.get(name)) is None
            else view.facts(told[view.category], masks.get(name), view.category in has_masks)
            for name in names
        ]


LISTER = RealIAD


class _View:
    """One picture of a piece: category, `OK` or a defect, piece, and the image as the tables name it."""

    def __init__(self, category: str, kind: str, piece: str, image: str) -> None:
        self.category, self.kind, self.piece, self.image = category, kind, piece, image

    @classmethod
    def of(cls, root: Path, name: tuple[str, ...]) -> _View | None:
        """The view that a file is; None for a mask, and outside of the layout."""
        if name[-1].lower().endswith(".png"):
            return None
        whole = (root.resolve().name, *name)
        for kinds in (1, 2):
            where = whole[-2 - kinds :]
            if len(whole) > len(where) and where[0] == (NORMAL, ODD)[kinds - 1]:
                return cls(whole[-3 - kinds], NORMAL if kinds == 1 else where[1], where[-2], "/".join(where))
        return None

    def facts(self, told: Told, mask: str | None, has_masks: bool) -> dict[str, Any]:
        """What is known of it.

        Arguments:
            has_masks: whether others of its category have masks, so that none says something.
        """
        role, defect = told.get(self.image, (None, None))
        label = defect or (NORMAL if mask is None and has_masks else self.kind)
        group = f"realiad/{self.category}/{self.kind}/{self.piece}"
        return {"label": label, "mask": None if label == NORMAL else mask, "group": group, "role": role}


def _told(root: Path, category: str, images: Sequence[str]) -> Told:
    """Role and defect of the images of a category; empty without its table. Raises: UsageError."""
    here = root.resolve()
    places = [above / folder / f"{category}.json" for above in (here, *here.parents[:2]) for folder in FOLDERS]
    table = next((path for path in places if path.is_file()), None)
    if table is None:
        return {}
    content, known = json_of(table, "a table of Real-IAD"), Names(here, [image.split("/") for image in images])
    found: dict[str, tuple[str, str | None]] = {}
    try:
        for role in ("train", "test"):
            for row in content[role]:
                defect = None if row.get("anomaly_class") is None else str(row["anomaly_class"])
                image = known.find(str(row["image_path"]).removeprefix(f"{category}/"))
                if image is not None and found.setdefault(image, (role, defect)) != (role, defect):
                    raise UsageError(f"{table}: {image} stands there twice, with another role or class")
    except (KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{table}: not a table of Real-IAD: {error}") from error
    return found
