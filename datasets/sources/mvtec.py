"""The layout of MVTec AD (Bergmann et al. 2019), in which VisA and other data sets come too.

[CATEGORY/]train/good, [CATEGORY/]test/DEFECT, and the masks under [CATEGORY/]ground_truth/DEFECT/NAME_mask.png.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from ..layout import Layout, Names


class MVTec(Layout):
    """The folder layout of MVTec AD."""

    stands_alone = False

    prefix, expected = "mvtec", "[CATEGORY/]train/good/NAME.png or [CATEGORY/]test/DEFECT/NAME.png"

    def facts(self, root: Path, names: Sequence[tuple[str, ...]]) -> list[dict[str, Any] | None]:
        """Role, defect and ground-truth mask of each file."""
        masks = Names(root, [name for name in names if "ground_truth" in name])
        return [_facts(name, masks) for name in names]


LISTER = MVTec


def _facts(name: tuple[str, ...], masks: Names) -> dict[str, Any] | None:
    if len(name) < 3 or name[-3] not in ("train", "validation", "test"):
        return None
    *category, role, defect, file = name
    stem = PurePosixPath(file).stem
    candidates = (masks.mask(*category, "ground_truth", defect, f"{stem}{end}") for end in ("_mask.png", ".png"))
    return {"role": role, "label": defect, "mask": next(filter(None, candidates), None)}
