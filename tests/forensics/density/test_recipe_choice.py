"""`oddpixel train FOLDER` takes the recipe that suits the images, and says so."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from oddpixel.errors import NoImages, UsageError
from oddpixel.forensics.density.recipe_choice import recipe_for
from oddpixel.recipe import read_recipe
from tests.datasets.dicom_maker import make_slice
from tests.test_cli import oddpixel

Save = Callable[..., Path]


def test_colour_grey_and_ct_each_have_their_recipe(photo: np.ndarray, save: Save, tmp_path: Path) -> None:
    for k in range(30):
        save(photo[k : k + 96, :128], f"colour/{k:02d}.png")
        save(photo[k : k + 96, :128, 0].copy(), f"grey/{k:02d}.png")
    (tmp_path / "ct").mkdir()
    for k in range(12):
        make_slice(tmp_path / f"ct/{k}.dcm", np.zeros((80, 80), np.int16), InstanceNumber=k)
    for folder, recipe in (("colour", "photo-rgb"), ("grey", "photo-grey"), ("ct", "ct")):
        chosen = recipe_for([str(tmp_path / folder)])
        assert (chosen.recipe, chosen.doubts) == (recipe, ()), folder
        assert read_recipe(chosen.recipe)


def test_what_may_go_wrong_is_said_beforehand(photo: np.ndarray, save: Save, tmp_path: Path) -> None:
    save(photo[:96, :128], "few/a.png")
    save(photo[:96, 64:192], "few/b.png")
    save(photo[:96, :128, 0].copy(), "few/c.png")
    save(photo[:32, :32], "few/d.png")
    doubts = " ".join(recipe_for([str(tmp_path / "few")]).doubts)
    assert "1 of 4 images are not in colours" in doubts
    assert "1 of 4 images are smaller than 64 pixels" in doubts
    assert "4 files are few" in doubts
    save(photo[:32, :32], "small/a.png")
    with pytest.raises(UsageError, match="flat model"):
        recipe_for([str(tmp_path / "small")])
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken/a.png").write_bytes(b"no")
    with pytest.raises(UsageError, match="oddpixel inspect"):
        recipe_for([str(tmp_path / "broken")])
    (tmp_path / "empty").mkdir()
    with pytest.raises(NoImages):
        recipe_for([str(tmp_path / "empty")])


def test_the_command_says_which_recipe_it_takes(photo: np.ndarray, save: Save, tmp_path: Path) -> None:
    for k in range(12):
        save(photo[k : k + 96, :128], f"photos/{k:02d}.png")
    done = oddpixel("train", tmp_path / "photos", "--dry-run")
    assert (
        done.stderr == "recipe photo-rgb: 12 of 12 images that were looked at are in colours (--recipe for another)\n"
    )
    options = json.loads(done.stdout)["options"]
    assert options["recipe"]["title"] == read_recipe("photo-rgb")["title"]
    assert options["out"] == "photos-model"
    nothing = oddpixel("train")
    assert nothing.returncode == 2
    assert "name images to train on, or a recipe" in nothing.stderr
