"""The bundled models: they load by name, know their data from other things, and may be shipped."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from oddpixel.datasets.corpora import card
from oddpixel.forensics.density.store import find_model, load_flat
from tests.conftest import ROOT

WEIGHTS = ROOT / "forensics" / "weights"


@pytest.mark.parametrize("name", sorted(folder.name for folder in WEIGHTS.iterdir()))
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
