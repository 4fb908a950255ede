"""Images that a COCO JSON names (https://cocodataset.org/#format-data), as CVAT, Label Studio, FiftyOne and Roboflow write it.

ROOT holds the JSON anywhere below it: ROOT/annotations/instances_train.json with ROOT/train or ROOT/images/train, or
ROOT/train/_annotations.coco.json beside its images. An image's label is the names of the categories that are marked in it,
and `normal` where nothing is; what is marked where stays in the JSON.
"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from oddpixel.errors import UsageError

from ..layout import Layout

NORMAL = "normal"
ROLES = {
    "train": "train", "train2017": "train", "val": "validation", "valid": "validation", "val2017": "validation",
    "validation": "validation", "test": "test", "test2017": "test",
}  # fmt: skip


class Coco(Layout):
    """Images by the COCO JSONs below a folder."""

    prefix, expected = "coco", "a JSON with `images`, `annotations` and `categories`, and the images that it names"

    def facts(self, root: Path, names: Sequence[tuple[str, ...]]) -> list[dict[str, Any] | None]:
        """Label of each image by what is marked in it; its role where the JSON's name or folder says one."""
        present = {"/".join(name) for name in names}
        described: dict[str, dict[str, Any]] = {}
        for path in sorted(root.rglob("*.json")):
            for place, facts in _images(root, path, present):
                if described.setdefault(place, facts) != facts:
                    raise UsageError(f"{path}: says something else of {place} than another JSON below {root}")
        return [described.get("/".join(name)) for name in names]


LISTER = Coco


def _images(root: Path, path: Path, present: set[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The images of a JSON that are below the root, with their facts. Raises: UsageError."""
    try:
        content = json.loads(path.read_bytes())
        if not isinstance(content, dict) or not {"images", "annotations", "categories"} <= content.keys():
            return
        categories = {each["id"]: str(each["name"]) for each in content["categories"]}
        marked = defaultdict(set)
        for each in content["annotations"]:
            marked[each["image_id"]].add(categories[each["category_id"]])
        images = [(each["id"], str(each["file_name"])) for each in content["images"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{path}: not a COCO JSON: {type(error).__name__}: {error}") from error
    split = next((word for word in (*path.stem.split("_")[::-1], path.parent.name) if word.lower() in ROLES), None)
    for number, name in images:
        if (place := _place(root, path, name, split, present)) is not None:
            facts = {"label": ", ".join(sorted(marked[number])) or NORMAL}
            yield place, facts if split is None else facts | {"role": ROLES[split.lower()]}


def _place(root: Path, path: Path, name: str, split: str | None, present: set[str]) -> str | None:
    """Where below the root an image is: beside its JSON, or in a folder of images of that split."""
    beside = Path(os.path.relpath(path.parent, root))
    folders = [beside, beside.parent, Path(), Path("images"), beside.parent / "images", beside / "images"]
    folders += [] if split is None else [Path(split), Path("images", split)]
    candidates = (os.path.normpath(folder / name) for folder in folders)
    return next((each for each in candidates if each in present), None)
