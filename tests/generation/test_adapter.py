"""Adapters: trained beside a frozen cascade, kept in a folder, refused on another cascade, followed when pictures are made."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from oddpixel.errors import CorruptWeights, UsageError, WrongArchitecture
from oddpixel.generation.adapter import drawn_masks
from oddpixel.generation.cascade import read_content, save_cascade
from oddpixel.generation.make import Generator
from oddpixel.generation.request import Request
from oddpixel.generation.training.adapter import prepare
from tests.generation import tiny
from tests.generation.test_training import cascade

SIDE = 64


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("cascade")
    bundle = cascade()
    tiny.shaken(bundle.c.unet)  # one that says nothing would let no gradient through
    save_cascade(place, bundle, {"stages": {}})
    return place


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import imageio.v3 as iio

    place = tmp_path_factory.mktemp("pictures")
    generator = np.random.default_rng(0)
    for index in range(6):
        blocks = generator.integers(0, 255, (6, 6, 3)).repeat(16, 0).repeat(16, 1)
        iio.imwrite(place / f"{index}.png", blocks.astype(np.uint8))
    return place


def trained(kind: str, folder: Path, pictures: Path, out: Path) -> Path:
    recipe = {
        "data": {"least": 64},
        "model": {"kind": "adapter", "adapter": kind} | ({"rank": 2} if kind == "style" else {"hidden": 2}),
        "training": {
            "steps": 3,
            "batch_size": 4,
            "sides": [SIDE],
            "crops": [8],
            "learning_rate": 0.05,
            "warm_up_steps": 1,
        }
        | {"ema_start": 9, "validate_every": 3},
    }
    prepare(recipe, [str(pictures)], out, folder, device="cpu").run()
    return out


def pixels_of(folder: Path, adapter: Path | None, **request: Any) -> np.ndarray:
    generator = Generator.load(folder, adapter=adapter)
    return next(generator.make(Request(prompt="sky", size=(SIDE, SIDE), steps=2, **request))).pixels


@pytest.mark.parametrize("kind", ["style", "edges", "mask"])
def test_an_adapter_learns_and_acts(kind: str, folder: Path, pictures: Path, tmp_path: Path) -> None:
    adapter = trained(kind, folder, pictures, tmp_path / "adapter")
    content = json.loads((adapter / "model.json").read_text())
    assert content["cascade_sha256"] == read_content(folder)["weights_sha256"]
    assert set(content["record"]["figures"]) == {f"mse_{SIDE}_with", f"mse_{SIDE}_without"}
    shown = {"control": str(pictures / "0.png")} if kind != "style" else {}
    if kind == "mask":
        shown["mask"] = str(_mask(tmp_path))
    assert not np.array_equal(pixels_of(folder, adapter, **shown), pixels_of(folder, None))


def test_what_no_mask_hides_is_kept(folder: Path, pictures: Path, tmp_path: Path) -> None:
    import imageio.v3 as iio

    adapter = trained("mask", folder, pictures, tmp_path / "adapter")
    picture = iio.imread(pictures / "0.png")[:SIDE, :SIDE]
    iio.imwrite(tmp_path / "picture.png", picture)
    filled = pixels_of(folder, adapter, control=str(tmp_path / "picture.png"), mask=str(_mask(tmp_path)))
    assert np.array_equal(filled[:, :20], picture[:, :20])
    assert not np.array_equal(filled[:, 40:], picture[:, 40:])


def test_masks_are_drawn_in_every_size() -> None:
    shares = drawn_masks(200, 32, torch.Generator().manual_seed(0)).mean((1, 2, 3))
    assert 0.01 < float(shares.min()) < 0.1
    assert 0.3 < float(shares.max()) < 0.55


@pytest.mark.parametrize(
    ("kind", "request_", "words"),
    [
        ("edges", {}, "give one with --control"),
        ("edges", {"control": "0.png", "mask": "0.png"}, "takes no --mask"),
        ("mask", {"control": "0.png"}, "give the mask with --mask"),
        (None, {"control": "0.png"}, "--adapter"),
    ],
)
def test_what_does_not_belong_together_is_refused(
    kind: str | None, request_: dict[str, str], words: str, folder: Path, pictures: Path, tmp_path: Path
) -> None:
    adapter = None if kind is None else trained(kind, folder, pictures, tmp_path / "adapter")
    with pytest.raises(UsageError, match=words):
        pixels_of(folder, adapter, **{name: str(pictures / value) for name, value in request_.items()})


def test_another_cascade_and_damaged_folders_are_refused(folder: Path, pictures: Path, tmp_path: Path) -> None:
    adapter = trained("style", folder, pictures, tmp_path / "adapter")
    save_cascade(tmp_path / "other", cascade(7), {"stages": {}})
    with pytest.raises(WrongArchitecture, match="was trained on the cascade"):
        Generator.load(tmp_path / "other", adapter=adapter)
    content = json.loads((adapter / "model.json").read_text())
    for options in (
        {"kind": "style", "rank": 3},
        {"kind": "edges"},
        {"kind": "magic"},
        {"kind": "style", "rank": 10**9},
    ):
        (adapter / "model.json").write_text(json.dumps(content | {"options": options}))
        with pytest.raises(CorruptWeights):
            Generator.load(folder, adapter=adapter)


def _mask(tmp_path: Path) -> Path:
    import imageio.v3 as iio

    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[:, 32:] = 255
    iio.imwrite(tmp_path / "mask.png", mask)
    return tmp_path / "mask.png"
