"""Images that a COCO JSON names (https://cocodataset.org/#format-data), as CVAT, Label Studio, FiftyOne and Roboflow write it.

ROOT holds the JSON anywhere below it: ROOT/annotations/instances_train.json with ROOT/train or ROOT/images/train,
ROOT/labels.json with ROOT/data, or ROOT/train/_annotations.coco.json beside its images. An image's label is the names of the
categories that are marked in it, in all JSONs together, and `normal` where nothing is; what is marked where stays in the JSON.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from oddpixel.errors import UsageError

from ..layout import ROLES, Layout, Names, json_of

NORMAL = "normal"
PARTS = {"images", "annotations", "categories"}
FOLDERS = ("images", "data", "images/default")
YEARS = {f"{part}2017": role for part, role in ROLES.items()} | {f"{part}2014": role for part, role in ROLES.items()}


class Coco(Layout):
    """Images by the COCO JSONs below a folder."""

    stands_alone = False

    prefix, expected = "coco", "a JSON with `images`, `annotations` and `categories`, and the images that it names"

    def facts(self, root: Path, names: Sequence[tuple[str, ...]]) -> list[dict[str, Any] | None]:
        """Label of each image by what is marked in it; its role where the JSON's name or folder says one."""
        files = Names(root, names)
        marked: dict[str, set[str]] = {}
        roles: dict[str, str | None] = {}
        for path in sorted(_tables(root)):
            for place, role, categories in _images(root, path, files):
                marked.setdefault(place, set()).update(categories)
                if {None, role, roles.setdefault(place, role)} > {None, role}:
                    raise UsageError(f"{path}: gives {place} another role than a JSON before it")
                roles[place] = roles[place] or role
        described = {
            place: {"label": ", ".join(sorted(marked[place])) or NORMAL} | ({"role": role} if role else {})
            for place, role in roles.items()
        }
        return [described.get("/".join(name)) for name in names]


LISTER = Coco


def _tables(root: Path) -> Iterator[Path]:
    """The JSON files below a folder, but for links and what is hidden."""
    for folder, below, files in os.walk(root):
        below[:] = [name for name in below if not name.startswith(".")]
        paths = (Path(folder, name) for name in files if name.lower().endswith(".json") and not name.startswith("."))
        yield from (path for path in paths if path.is_file() and not path.is_symlink())


def _images(root: Path, path: Path, files: Names) -> Iterator[tuple[str, str | None, set[str]]]:
    """The images of a JSON that are below the root, with their role and what is marked in them. Raises: UsageError."""
    content = json_of(path, "a COCO JSON")
    if not isinstance(content, dict) or not content.keys() >= PARTS:
        return
    try:
        categories = _by_id(path, "category", [(each["id"], each["name"]) for each in content["categories"]])
        images = _by_id(path, "image", [(each["id"], each["file_name"]) for each in content["images"]])
        marked: dict[int | str, set[str]] = {number: set() for number in images}
        for each in content["annotations"]:
            marked[each["image_id"]].add(categories[each["category_id"]])
    except (KeyError, TypeError) as error:
        raise UsageError(f"{path}: not a COCO JSON: {type(error).__name__}: {error}") from error
    split = _split(root, path)
    for number, name in images.items():
        if (place := _place(root, path, name, split, files)) is not None:
            yield place, None if split is None else (ROLES | YEARS)[split.lower()], marked[number]


def _by_id(path: Path, what: str, pairs: Sequence[tuple[Any, Any]]) -> dict[int | str, str]:
    """Names by number. Raises: UsageError for a number or a name that is none, and for one number of two."""
    found: dict[int | str, str] = {}
    for number, name in pairs:
        if not isinstance(number, int | str) or not isinstance(name, str) or not name.strip():
            raise UsageError(f"{path}: not a COCO JSON: the {what} {number!r} is called {name!r}")
        if found.setdefault(number, name) != name:
            raise UsageError(f"{path}: two are {what} {number!r}: {found[number]!r} and {name!r}")
    return found


def _split(root: Path, path: Path) -> str | None:
    """The word for a role in a JSON's name or its folder's; None for none, and for several that disagree."""
    above = [] if path.parent == root else [path.parent.name]
    words = [word for word in (*path.stem.split("_"), *above) if word.lower() in ROLES | YEARS]
    return words[0] if len({(ROLES | YEARS)[word.lower()] for word in words}) == 1 else None


def _place(root: Path, path: Path, name: str, split: str | None, files: Names) -> str | None:
    """Where below the root an image is: in a folder of its split, of images, or beside its JSON."""
    name = name.replace("\\", "/")
    if os.path.isabs(name):
        return files.find(os.path.relpath(name, root.absolute()))
    beside = Path(os.path.relpath(path.parent, root))
    starts = [Path(), beside.parent, beside]
    folders = [] if split is None else [start / folder for start in starts for folder in (split, f"images/{split}")]
    folders += [start / folder for start in starts for folder in FOLDERS] + [beside, beside.parent, Path()]
    candidates = (files.find(os.path.normpath(folder / name)) for folder in folders)
    return next(filter(None, candidates), None)
