"""The bundled models: they load by name, know their data from other things, and may be shipped."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from oddpixel import Image
from oddpixel.datasets.corpora import card
from oddpixel.forensics.density.store import find_model, load_flat, load_pyramid
from tests.conftest import ROOT

WEIGHTS = ROOT / "forensics" / "weights"


@pytest.mark.parametrize("name", sorted(model.parent.name for model in WEIGHTS.glob("*/model.json")))
def test_every_bundled_model_has_card_curve_and_figures(name: str) -> None:
    folder = find_model(name)
    record = json.loads((folder / "model.json").read_text())["record"]
    assert record["data"]["licence"]
    assert record["data"]["attribution"]
    assert {"bits_per_dim", "identity_bits_per_dim"} <= record["figures"].keys()
    curve = [json.loads(line) for line in (folder / "curve.jsonl").read_text().splitlines()]
    assert curve[-1]["step"] == record["step"]
    assert curve[-1]["bits_per_dim"] == record["figures"]["bits_per_dim"]
    assert sum(file.stat().st_size for file in WEIGHTS.rglob("*.safetensors")) < 30e6


def test_digits_are_likelier_than_their_inversion() -> None:
    """Strokes drawn here, so that no download is needed: a seven, and the same inverted and shuffled."""
    assert card("digits").weights_may_ship
    seven = np.zeros((28, 28), np.uint8)
    seven[6:9, 7:21] = 250
    for row in range(9, 23):
        column = 19 - (row - 9) * 7 // 14
        seven[row, column - 1 : column + 2] = 250
    shuffled = np.random.default_rng(0).permutation(seven.ravel()).reshape(28, 28)
    model = load_flat("digits")
    values = torch.from_numpy(np.stack([seven, 255 - seven, shuffled])[:, None])
    x = model.quanta.to_model(values, torch.Generator().manual_seed(0))
    with torch.no_grad():
        drawn, inverted, scattered = model.quanta.bits_per_dim(model.log_likelihood(x), 28 * 28).tolist()
    assert drawn < 3 < min(inverted, scattered)


def test_photographs_are_likelier_than_their_shuffled_pixels_and_bf16_agrees() -> None:
    """A picture drawn here: shaded ground, an edge, a little grain."""
    rows, columns = np.mgrid[:96, :80]
    shade = 90 + 0.6 * rows + 40 * (columns > 37)
    grain = np.random.default_rng(0).normal(0, 2, (3, 96, 80))
    drawn = np.rint(shade + grain + np.array([10.0, 0.0, -10.0])[:, None, None]).clip(0, 255)
    shuffled = np.random.default_rng(1).permutation(drawn.reshape(3, -1), axis=1).reshape(drawn.shape)
    model = load_pyramid("photo-rgb")

    def bits(values: np.ndarray) -> float:
        sha256 = "0" * 64
        image = Image((values / 255).astype(np.float32), 8, "display", None, "a", sha256, "a")
        return float(model.measure(image)["bits_per_dim"])

    found = bits(drawn)
    assert found < 4.5 < bits(shuffled)
    model.use_bf16()
    assert bits(drawn) == pytest.approx(found, abs=0.02)
