"""FaceForensics++ (Roessler et al. 2019): original_sequences and manipulated_sequences, by method and compression.

    original_sequences/youtube/c23/videos/033.mp4
    manipulated_sequences/Deepfakes/c23/videos/033_097.mp4     target 033, source 097
    manipulated_sequences/Deepfakes/masks/videos/033_097.mp4

A fake shows two originals, so all videos that share an original are one group: split or calibrated apart, the same face
would stand on both sides. Works on frames too (images/033_097/0000.png), and on other compressions alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from ..layout import Layout

REAL = "real"


class FaceForensics(Layout):
    """The folder layout of FaceForensics++."""

    stands_alone = False

    prefix, expected = "faceforensics", "original_sequences/... and manipulated_sequences/METHOD/COMPRESSION/videos/..."

    def facts(self, root: Path, names: Sequence[tuple[str, ...]]) -> list[dict[str, Any] | None]:
        """Label, group and mask of each file; clips that share an original are one group."""
        present = {"/".join(name) for name in names}
        people = _Linked()
        for name in names:
            if (clip := _clip(name)) is not None:
                people.link(clip.split("_") if _is_fake(name) else [clip])
        return [self._facts(root, name, present, people) for name in names]

    def _facts(self, root: Path, name: tuple[str, ...], present: set[str], people: _Linked) -> dict[str, Any] | None:
        if (clip := _clip(name)) is None:
            return None
        fake = _is_fake(name)
        who = people.name_of(clip.split("_")[0] if fake else clip)
        mask = "/".join((*name[:2], "masks", *name[3:])) if fake else ""
        return {
            "label": name[1] if fake else REAL,
            "group": f"faceforensics/{who}",
            "mask": str(root / mask) if mask in present else None,
        }


LISTER = FaceForensics


def _is_fake(name: tuple[str, ...]) -> bool:
    return name[0] == "manipulated_sequences"


def _clip(name: tuple[str, ...]) -> str | None:
    """The clip's number or numbers: its file's stem, or the folder of its frames; None outside the layout."""
    if len(name) < 5 or name[0] not in ("original_sequences", "manipulated_sequences") or name[2] == "masks":
        return None
    return PurePosixPath(name[4]).stem


class _Linked:
    """Numbers that belong together, directly or through others (union-find)."""

    def __init__(self) -> None:
        self.parent: dict[str, str] = {}

    def name_of(self, number: str) -> str:
        while (parent := self.parent.setdefault(number, number)) != number:
            number = parent
        return number

    def link(self, numbers: Sequence[str]) -> None:
        first, *roots = sorted(self.name_of(number) for number in numbers)
        for root in roots:
            self.parent[root] = first
