"""The bundled cascade: it may ship, it fits the wheel, and it makes pictures and references out of the box."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from oddpixel.generation.cascade import BUNDLED, find_cascade, read_content
from oddpixel.generation.make import Generator
from oddpixel.generation.request import Request
from tests.test_cli import oddpixel

MOST_BYTES = 45e6


@pytest.fixture(scope="module")
def generator() -> Generator:
    return Generator.load()


def test_it_may_ship_and_says_what_it_is() -> None:
    folder = find_cascade(BUNDLED)
    record = read_content(folder)["record"]
    assert record["data"]["weights_may_ship"]
    assert set(record["stages"]) == {"a", "b", "c", "guidance"}
    card = (folder / "README.md").read_text()
    assert "synthetic" in card
    assert record["data"]["attribution"] in card
    assert sum(path.stat().st_size for path in folder.iterdir()) < MOST_BYTES


def test_stage_a_keeps_what_it_was_trained_to_keep() -> None:
    assert read_content(find_cascade(BUNDLED))["record"]["stages"]["a"]["figures"]["psnr_1"] >= 31  # dB, photographs


@pytest.mark.parametrize("label", ["photograph", "object", "brain-mr", "ct"])
def test_it_makes_a_picture_of_every_label(label: str, generator: Generator) -> None:
    synthetic = next(generator.make(Request(prompt=label, size=(256, 256), steps=4)))
    assert synthetic.pixels.shape == (256, 256, 3)
    assert 4 < synthetic.pixels.std() < 120  # neither flat nor noise of all levels


@pytest.mark.parametrize("size", [(37, 51), (203, 517), (1500, 90)])
def test_a_reference_may_have_any_size(size: tuple[int, int], generator: Generator, save: Any) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (*size, 3), dtype=np.uint8)
    place: Path = save(noise, "any.png")
    assert next(generator.make(Request(like=str(place), size=(384, 384), steps=1))).pixels.shape == (384, 384, 3)


def test_a_reference_has_the_layout_of_its_image(generator: Generator, photo: np.ndarray, save: Any) -> None:
    place: Path = save(np.ascontiguousarray(photo[:400, :400]), "china.png")
    synthetic = next(generator.make(Request(like=str(place), size=(384, 384), steps=8)))
    shrink = torch.nn.AdaptiveAvgPool2d(8)
    first, second = (
        shrink(torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1).float()[None]).flatten()
        for picture in (synthetic.pixels, photo[:400, :400])
    )
    assert float(torch.corrcoef(torch.stack([first, second]))[0, 1]) > 0.5


def test_the_command_needs_nothing_but_a_label(tmp_path: Path) -> None:
    result = oddpixel("generate", "photograph", "--size", "256x256", "--steps", "2", "-o", tmp_path / "made", "--json")
    assert result.returncode == 0, result.stderr
    (item,) = json.loads(result.stdout)["items"]
    assert (item["cascade"], item["synthetic"]) == (BUNDLED, True)
    assert (tmp_path / "made/000000.png").is_file()
