"""The schedule, the sampler, guidance without a classifier."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from oddpixel.generation.conditions.tokens import Conditions, contrasted
from oddpixel.generation.sampler import Guidance, seeded_noise, steps
from oddpixel.generation.schedule import CosineSchedule, add_noise, alpha_sigma


def test_a_schedule_knows_its_way_back() -> None:
    t = torch.linspace(0.01, 0.97, 33)
    schedule = CosineSchedule()
    assert torch.allclose(schedule.inverse(schedule.log_snr(t)), t, atol=1e-4)
    assert float(schedule.timestep(torch.tensor(1.0))) == pytest.approx(0.99358, abs=1e-5)  # not 1: log-SNR is clamped
    alpha, sigma = alpha_sigma(schedule.log_snr(t))
    assert torch.allclose(alpha.square() + sigma.square(), torch.ones(33))
    assert bool((CosineSchedule(shift=2).log_snr(t) < schedule.log_snr(t)).all())


@pytest.mark.parametrize("eta", [0.0, 1.0])
@pytest.mark.parametrize("shift", [1.0, 4.0])
def test_the_exact_denoiser_of_a_point_returns_that_point(eta: float, shift: float) -> None:
    wanted = torch.randn(1, 4, 3, 3).expand(2, -1, -1, -1)
    schedule = CosineSchedule(shift=shift)

    def exact(x: Tensor, t: Tensor, at: float) -> Tensor:
        alpha, sigma = alpha_sigma(CosineSchedule().log_snr(t))
        return (x - alpha[:, None, None, None] * wanted) / sigma[:, None, None, None]

    draw = seeded_noise([1, 2], (4, 3, 3))
    last = list(steps(exact, schedule, draw(), 12, draw, eta=eta))[-1]
    assert torch.allclose(last.x_0, wanted, atol=2e-2)


def test_sampling_gaussian_data_gives_its_deviation() -> None:
    deviation = 0.5
    schedule = CosineSchedule()

    def exact(x: Tensor, t: Tensor, at: float) -> Tensor:
        alpha, sigma = alpha_sigma(schedule.log_snr(t))
        variance = (alpha * deviation).square() + sigma.square()
        return x * (sigma / variance)[:, None, None, None]

    draw = seeded_noise(list(range(64)), (4, 8, 8))
    last = list(steps(exact, schedule, draw(), 400, draw))[-1]
    assert float(last.x.std()) == pytest.approx(deviation, rel=0.05)


def test_guidance_of_one_sample_does_not_see_its_mates() -> None:
    with_condition, without = torch.randn(2, 4, 5, 5), torch.randn(2, 4, 5, 5)
    with_condition[1] *= 10
    own, shared = Guidance(), Guidance(by_sample=False)
    assert torch.allclose(own.mix(with_condition, without, 0.5)[:1], own.mix(with_condition[:1], without[:1], 0.5))
    assert not torch.allclose(
        shared.mix(with_condition, without, 0.5)[:1], shared.mix(with_condition[:1], without[:1], 0.5)
    )


def test_guidance_acts_within_its_interval_and_costs_nothing_outside() -> None:
    seen: list[int] = []

    def predict(x: Tensor, t: Tensor, conditions: Conditions) -> Tensor:
        seen.append(len(x))
        return x * conditions.pooled.mean()

    denoise = contrasted(predict, Guidance(since=0.2, until=0.8), Conditions(torch.ones(1, 1, 2)))
    for at in (0.9, 0.5, 0.1):
        denoise(torch.randn(1, 2, 3, 3), torch.tensor([at]), at)
    assert seen == [1, 2, 1]
    none = contrasted(predict, Guidance(scale=1.0), Conditions(torch.ones(1, 1, 2)))
    none(torch.randn(1, 2, 3, 3), torch.tensor([0.5]), 0.5)
    assert seen[-1] == 1
    assert Guidance(scale=6, at_end=2).at(0.25) == 3


def test_noise_is_each_samples_own() -> None:
    pair, alone = seeded_noise([7, 8], (2, 3, 3)), seeded_noise([8], (2, 3, 3))
    for _ in range(3):
        assert torch.equal(pair()[1:], alone())


def test_noising_keeps_variance() -> None:
    x, noise = torch.randn(2, 4, 32, 32), torch.randn(2, 4, 32, 32)
    noised = add_noise(x, noise, torch.tensor([-3.0, 4.0]))
    assert noised.std((1, 2, 3)).tolist() == pytest.approx([1, 1], abs=0.05)
