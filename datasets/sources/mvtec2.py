"""The layout of MVTec AD 2 (Heckler-Kram et al. 2025).

CATEGORY/train/good, CATEGORY/validation/good, CATEGORY/test_public/{good,bad} with the masks under
CATEGORY/test_public/ground_truth/bad/NAME_mask.png; CATEGORY/test_private and test_private_mixed have no labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from ..layout import Layout, Names

ROLES = {"train": "train", "validation": "validation", "test_public": "test"}
PRIVATE = ("test_private", "test_private_mixed")
MASKS = "ground_truth"


class MVTec2(Layout):
    """The folder layout of MVTec AD 2."""

    stands_alone = False

    prefix, expected = "mvtec2", "[CATEGORY/]train/good/NAME.png or [CATEGORY/]test_public/{good,bad}/NAME.png"

    def facts(self, root: Path, names: Sequence[tuple[str, ...]]) -> list[dict[str, Any] | None]:
        """Role, label and mask of each file; the private tests have a role alone."""
        files = Names(root, names)
        return [_facts(name, files) for name in names]


LISTER = MVTec2


def _facts(name: tuple[str, ...], files: Names) -> dict[str, Any] | None:
    if len(name) > 1 and name[-2] in PRIVATE:
        return {"role": "test"}
    if len(name) < 3 or name[-3] not in ROLES or name[-2] == MASKS:
        return None
    *above, label, file = name
    mask = files.mask(*above, MASKS, label, f"{PurePosixPath(file).stem}_mask.png")
    return {"role": ROLES[name[-3]], "label": label, "mask": mask}
