"""The figures of `bench generate` on pictures whose answers are known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn.functional import interpolate

from oddpixel.bench.generate.metrics import band_power, decibels, kernel_distance, layout_correlation, nearest_distances


def noise(count: int = 6, side: int = 64, seed: int = 0) -> torch.Tensor:
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(seed))


def test_power_lies_in_the_band_of_the_wave() -> None:
    columns = torch.arange(64) / 64
    wave = (0.5 + 0.4 * torch.sin(2 * torch.pi * 16 * columns)).expand(1, 3, 64, 64)  # a quarter cycle a pixel
    assert float(band_power(wave, 0.2, 0.3)) > 100 * float(band_power(wave, 0.3, 0.5))
    assert decibels(band_power(0.5 * wave, 0.2, 0.3) / band_power(wave, 0.2, 0.3)) == pytest.approx(-6.02, abs=0.01)


def test_blurring_takes_power_and_keeps_layout() -> None:
    sharp = noise()
    blurred = interpolate(interpolate(sharp, size=(16, 16), mode="area"), size=(64, 64), mode="bicubic")
    assert decibels(band_power(blurred, 0.25, 0.5) / band_power(sharp, 0.25, 0.5)) < -15
    assert float(layout_correlation(blurred, sharp, 8).min()) > 0.9
    assert float(layout_correlation(noise(seed=1), sharp, 8).abs().max()) < 0.5


def test_the_kernel_distance_is_unbiased_and_grows() -> None:
    generator = np.random.default_rng(0)
    same = [kernel_distance(*generator.normal(size=(2, 40, 8))) for _ in range(60)]
    assert abs(np.mean(same)) < 3 * np.std(same) / np.sqrt(len(same))
    moved = kernel_distance(generator.normal(size=(40, 8)), generator.normal(1, 1, size=(40, 8)))
    assert moved > 10 * np.std(same)


def test_a_copy_is_its_own_neighbour() -> None:
    known = noise(10)
    copies = (0.5 * known[:3] + 0.2).clamp(0, 1)  # of another tone
    assert float(nearest_distances(copies, known).max()) < 0.05
    assert float(nearest_distances(noise(3, seed=5), known).min()) > 0.5
