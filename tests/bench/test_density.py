"""The pyramid's bench measures what it says: codecs, edits, AUROC, and the probability-flow ODE on known data."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from oddpixel.bench.density.consistency import _compared
from oddpixel.bench.density.held_out import Photograph, codec_bits
from oddpixel.bench.density.likelihood_cost import _flow_log_likelihood
from oddpixel.bench.density.paradox import EDITS, _aurocs, _crops, _features, _fit
from oddpixel.forensics.density.pyramid import Pyramid, PyramidOptions
from tests.forensics.density.test_pyramid import oracle, white

__all__ = ["oracle"]


def photograph(seed: int) -> Photograph:
    noise = np.random.default_rng(seed).normal(128, 8, (3, 160, 200))
    return Photograph("noise", f"{seed}.png", np.rint(noise).astype(np.uint8))


def test_codecs_need_the_entropy_and_little_more() -> None:
    bits = codec_bits(photograph(0).values)
    entropy = 0.5 * np.log2(2 * np.pi * np.e * 64)
    assert all(entropy < value < entropy + 1.5 for value in bits.values()), bits
    assert all(value < 0.2 for value in codec_bits(np.full((3, 160, 200), 90, np.uint8)).values())
    assert codec_bits(photograph(0).values[:1])["webp"] < 8


@pytest.mark.parametrize("edit", list(EDITS))
def test_edits_keep_the_size_and_change_something(edit: str) -> None:
    (crop,) = _crops(photograph(1), 96, 1)
    changed = EDITS[edit](crop.copy())
    assert changed.shape == crop.shape == (96, 96, 3)
    assert changed.dtype == np.uint8
    assert not np.array_equal(changed, crop)


def test_every_score_is_fitted_and_judged() -> None:
    torch.manual_seed(0)
    options = PyramidOptions(width=8, num_blocks=1, base_width=8, num_levels=8, num_networks=1)
    model = Pyramid(options).eval()
    crops = [crop for seed in range(8) for crop in _crops(photograph(seed), 96, 1)]
    normal = _features(model, crops, 0)
    odd = _features(model, [EDITS["constant"](crop) for crop in crops], 0)
    found = _aurocs(_fit(normal), normal, odd)
    assert list(found) == ["raw NLL", "two-sided NLL", "log-ratio vector", "base gap", "surprise spectrum"]
    assert found["raw NLL"] < 0.1, "the paradox: a constant image is likelier than noise"


def test_the_flow_finds_the_exact_density(oracle: Pyramid) -> None:
    x = white((16, 16), 1).float()
    generator = torch.Generator().manual_seed(0)
    found = _flow_log_likelihood(oracle.split(x)[0], 128, generator)
    assert found == pytest.approx(float(oracle.scale_log_likelihoods(x)[0, 0]), rel=1e-3)


def test_a_model_that_misjudges_its_errors_fails() -> None:
    actual = torch.full((6,), 0.5).double() + 0.001 * torch.arange(6)
    assert _compared(actual, actual + 0.001)["passed"]
    assert not _compared(actual, actual * 1.05)["passed"]
    assert not _compared(actual / 100, actual / 10)["passed"]
