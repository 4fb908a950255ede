"""Layouts: label, mask, group and role from where a file lies."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from oddpixel import open_source
from oddpixel.errors import UsageError

Save = Callable[..., Path]


def grow(root: Path, *names: str) -> None:
    from PIL import Image

    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.zeros((8, 8), np.uint8)).save(root / name)


def facts(place: str, *wanted: str) -> dict[str, tuple[object, ...]]:
    return {image.source: tuple(image.meta.get(name) for name in wanted) for image in open_source(place)}


def test_mvtec(tmp_path: Path) -> None:
    grow(tmp_path, "bottle/train/good/000.png", "bottle/test/good/000.png", "bottle/test/crack/000.png")
    grow(tmp_path, "bottle/ground_truth/crack/000_mask.png", "bottle/other.png")
    mask = str(tmp_path / "bottle/ground_truth/crack/000_mask.png")
    assert facts(f"mvtec:{tmp_path}", "role", "label", "mask") == {
        "bottle/test/crack/000.png": ("test", "crack", mask),
        "bottle/test/good/000.png": ("test", "good", None),
        "bottle/train/good/000.png": ("train", "good", None),
    }
    assert len(facts(f"mvtec:{tmp_path}/bottle")) == 3


def test_imagefolder_with_and_without_roles(tmp_path: Path) -> None:
    grow(tmp_path / "flat", "cat/1.png", "dog/deep/2.png", "readme.png")
    assert facts(f"imagefolder:{tmp_path}/flat", "label", "role") == {
        "cat/1.png": ("cat", None),
        "dog/deep/2.png": ("dog", None),
    }
    grow(tmp_path / "split", "train/cat/1.png", "val/cat/2.png")
    assert facts(f"imagefolder:{tmp_path}/split", "label", "role") == {
        "train/cat/1.png": ("cat", "train"),
        "val/cat/2.png": ("cat", "validation"),
    }


def test_faceforensics_keeps_a_face_in_one_group(tmp_path: Path) -> None:
    real, fake = "original_sequences/youtube/c23/images", "manipulated_sequences/Deepfakes"
    grow(tmp_path, f"{real}/033/0.png", f"{real}/097/0.png", f"{real}/400/0.png", f"{real}/500/0.png")
    grow(tmp_path, f"{fake}/c23/images/033_097/0.png", f"{fake}/c23/images/097_400/0.png")
    grow(tmp_path, f"{fake}/masks/images/033_097/0.png")
    images = {image.source: image for image in open_source(f"faceforensics:{tmp_path}")}
    assert len(images) == 6
    assert images[f"{real}/033/0.png"].meta["label"] == "real"
    swapped = images[f"{fake}/c23/images/033_097/0.png"]
    assert swapped.meta["label"] == "Deepfakes"
    assert swapped.meta["mask"] == str(tmp_path / f"{fake}/masks/images/033_097/0.png")
    groups = {source: image.group for source, image in images.items()}
    assert len({group for source, group in groups.items() if "/500/" not in source}) == 1
    assert groups[f"{real}/500/0.png"] not in {groups[f"{real}/033/0.png"]}


@pytest.mark.parametrize("layout", ["mvtec", "imagefolder", "faceforensics"])
def test_a_tree_of_another_kind_is_refused_with_the_expected_one(layout: str, tmp_path: Path) -> None:
    grow(tmp_path, "a.png")
    with pytest.raises(UsageError, match="matches the layout"):
        open_source(f"{layout}:{tmp_path}")
    with pytest.raises(UsageError, match="does not exist"):
        open_source(f"{layout}:{tmp_path}/missing")
