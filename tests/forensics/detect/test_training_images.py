"""Roles and labels reach `fit`: normal images for training are taken, all others are left out and counted."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image as Pillow

from oddpixel import open_source
from oddpixel.errors import UsageError
from oddpixel.forensics.detect import store
from oddpixel.forensics.detect.detector import Detector
from oddpixel.forensics.detect.normals import images_of
from oddpixel.forensics.detect.training_images import TrainingImages, in_words
from oddpixel.image import Image
from tests.forensics.detect.test_detector import surface


def lay_out(root: Path, names: Iterable[str], first: int = 0) -> None:
    """Pictures of their own under these names."""
    for k, name in enumerate(names, start=first):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Pillow.fromarray(surface(k)).save(root / name)


def hashes(paths: Iterable[Path]) -> set[str]:
    import hashlib

    return {hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


@pytest.fixture
def mvtec(tmp_path: Path) -> Path:
    root = tmp_path / "mvtec"
    lay_out(root, [f"part/train/good/{k:02}.png" for k in range(24)])
    lay_out(root, [f"part/test/{kind}/9{k}.png" for kind in ("good", "crack") for k in range(3)], first=50)
    return root


def test_of_a_layout_only_normal_training_images_are_learned(mvtec: Path, tmp_path: Path) -> None:
    detector = Detector(chooses=False).fit(open_source(f"mvtec:{mvtec}", sandboxed=False))
    folder = store.save(detector, tmp_path / "d")
    used = {*detector.fitted_on_, *(row.sha256 for row in detector.calibrated_.rows)}
    assert used == hashes((mvtec / "part/train/good").iterdir())
    record = json.loads((folder / "detector.json").read_text())
    assert record["selection"] == {
        "taken": {"train/good": 24}, "left_out": {"test/crack": 3, "test/good": 3},
    }  # fmt: skip
    assert "24 of train/good; left out: 3 of test/crack" in (folder / "README.md").read_text()


def test_the_same_images_in_a_list_keep_their_labels(mvtec: Path) -> None:
    images = list(open_source(f"mvtec:{mvtec}", sandboxed=False))
    detector = Detector(chooses=False).fit(images)
    assert detector.selection_["left_out"] == {"test/crack": 3}


def test_defects_are_no_calibration_either(mvtec: Path) -> None:
    detector = Detector(chooses=False).fit([surface(k) for k in range(100, 124)])
    detector.calibrate(open_source(f"mvtec:{mvtec}", sandboxed=False))
    used = {row.sha256 for row in detector.calibrated_.rows}
    assert not used & hashes((mvtec / "part/test/crack").iterdir())
    assert used >= hashes((mvtec / "part/train/good").iterdir())


def test_labels_that_nobody_called_normal_are_refused(tmp_path: Path) -> None:
    lay_out(tmp_path / "classes", [f"{kind}/{k:02}.png" for kind in ("cats", "dogs") for k in range(12)])
    source = open_source(f"imagefolder:{tmp_path / 'classes'}", sandboxed=False)
    with pytest.raises(UsageError, match="--normal-label"):
        Detector(chooses=False).fit(source)
    detector = Detector(normal_labels=["Cats"], chooses=False).fit(source)
    assert detector.selection_ == {"taken": {"cats": 12}, "left_out": {"dogs": 12}}


@pytest.mark.parametrize("column", ["role", "split"])
def test_a_manifests_roles_and_masks_are_obeyed(column: str, tmp_path: Path) -> None:
    lay_out(tmp_path, [f"{k:02}.png" for k in range(20)])
    roles = ["train"] * 14 + ["val"] * 3 + ["test"] * 3
    rows = [f"{k:02}.png,{role}," + ("mask.png" if k == 0 else "") for k, role in enumerate(roles)]
    (tmp_path / "table.csv").write_text(f"path,{column},mask\n" + "\n".join(rows))
    detector = Detector(chooses=False).fit(open_source(tmp_path / "table.csv", sandboxed=False))
    assert detector.selection_["taken"] == {"train": 13}
    assert detector.selection_["left_out"] == {"test": 3, "train/with a mask": 1, "validation": 3}
    (tmp_path / "table.csv").write_text(f"path,{column}\n00.png,holdout\n")
    with pytest.raises(UsageError, match="holdout"):
        open_source(tmp_path / "table.csv")


def test_a_source_of_one_role_without_labels_was_chosen_by_it(tmp_path: Path) -> None:
    lay_out(tmp_path, [f"{k:02}.png" for k in range(12)])
    (tmp_path / "table.csv").write_text("path,role\n" + "\n".join(f"{k:02}.png,validation" for k in range(12)))
    source = open_source(tmp_path / "table.csv", sandboxed=False)
    assert len(TrainingImages.of(source).entries_of(source)) == 12


def test_groups_stay_with_their_images(tmp_path: Path) -> None:
    images = [image for image in images_of([surface(k) for k in range(24)]) if isinstance(image, Image)]
    labelled = [
        replace(image, meta={"label": "scratch" if k % 4 == 0 else "good"}) for k, image in enumerate(images)
    ]  # fmt: skip
    detector = Detector(chooses=False).fit(labelled, groups=[f"group-{k}" for k in range(24)])
    groups = {row.group for row in detector.calibrated_.rows}
    assert groups <= {f"group-{k}" for k in range(24) if k % 4}


def test_a_source_that_says_nothing_needs_no_words() -> None:
    assert in_words({"taken": {"no role or label": 7}, "left_out": {}}) == ""
