"""With the exact classifier of a Gaussian, the formulas must give the exact log-density and the exact denoiser."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from oddpixel.forensics.density.flat import Flat, log_normal
from oddpixel.forensics.density.identity import identity_log_likelihood
from oddpixel.forensics.density.posterior import leading_variances
from oddpixel.forensics.density.samplers import sampler_for, samplers_for
from oddpixel.forensics.density.schedules import Schedule, kinds, log_snr, schedule_from
from oddpixel.forensics.density.schedules.log_snr_uniform import LogSnrUniform
from tests.forensics.density.oracle import GaussianOracle, draw, oracle

SHAPE = (2, 3, 3)
OPTIONS: dict[str, dict[str, Any]] = {
    "linear": {"num_steps": 50},
    "cosine": {"num_steps": 50},
    "log-snr-uniform": {"num_steps": 50},
    "flow-matching": {"num_steps": 50},
}


def schedules() -> list[Schedule]:
    assert set(OPTIONS) == set(kinds()), "a new schedule needs a row here"
    return [schedule_from({"kind": kind, **options}) for kind, options in OPTIONS.items()]


@pytest.fixture(params=schedules(), ids=lambda schedule: schedule.kind)
def model(request: pytest.FixtureRequest) -> Flat:
    return oracle(request.param, SHAPE)


def exact_log_density(model: Flat, x: Tensor, k: int) -> Tensor:
    assert isinstance(model.network, GaussianOracle)
    return model.network.log_densities(x)[:, k]


def exact_noise(model: Flat, x: Tensor, k: int) -> Tensor:
    """E[e | x_k] = sigma_k (alpha_k^2 Sigma + sigma_k^2 I)^-1 x_k for Gaussian data."""
    network = model.network
    assert isinstance(network, GaussianOracle)
    rotated = x.flatten(1) @ network.vectors / network.variance[k]
    sigma = model.schedule.alpha_sigma()[1][k]
    return (sigma * rotated @ network.vectors.T).view_as(x)


def test_log_density_is_exact(model: Flat) -> None:
    x = draw(model, 20, SHAPE)
    exact = exact_log_density(model, x, model.schedule.clean)
    torch.testing.assert_close(model.log_likelihood(x), exact, rtol=1e-6, atol=0)


def test_denoiser_is_exact_at_every_level(model: Flat) -> None:
    x = draw(model, 5, SHAPE)
    noise = torch.randn(x.shape, dtype=x.dtype)
    for k in range(model.schedule.num_levels):
        levels = torch.full((len(x),), k)
        x_k = model.add_noise(x, levels, noise)
        ours, exact = model.predict_noise(x_k, levels), exact_noise(model, x_k, k)
        assert float((ours - exact).norm()) <= 1e-6 * float(exact.norm()) + 1e-12


class SignError(Flat):
    """The planted defect: F_clean and F_noise exchanged, the reference's own trap between its two variants."""

    def log_likelihood(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        logits = self.logits(x, labels)
        return log_normal(x) - logits[:, self.schedule.clean] + logits[:, self.schedule.noise]

    def _noise_and_logits(
        self, x_k: Tensor, k: Tensor, labels: Tensor | None, *, create_graph: bool
    ) -> tuple[Tensor, Tensor]:
        e_hat, logits = super()._noise_and_logits(x_k, k, labels, create_graph=create_graph)
        return 2 * self.sigma[k][:, None, None, None] * x_k - e_hat, logits


def test_a_planted_sign_error_is_caught(model: Flat) -> None:
    wrong = SignError(model.network, model.schedule).double()
    with pytest.raises(AssertionError):
        test_log_density_is_exact(wrong)
    with pytest.raises(AssertionError):
        test_denoiser_is_exact_at_every_level(wrong)


def test_schedules_run_from_clean_to_noise(model: Flat) -> None:
    schedule = model.schedule
    alpha, sigma = schedule.alpha_sigma()
    assert len(alpha) == len(sigma) == schedule.num_levels
    assert alpha.dtype == torch.float64
    assert (float(alpha[schedule.noise]), float(sigma[schedule.noise])) == (0.0, 1.0)
    assert float(sigma[schedule.clean]) <= 1e-4
    falling = log_snr(schedule) if schedule.clean == 0 else log_snr(schedule).flip(0)
    assert (torch.diff(falling) < 0).all()
    if schedule.kind != "flow-matching":
        torch.testing.assert_close(alpha.square() + sigma.square(), torch.ones_like(alpha))


@pytest.mark.parametrize("top", [14.0, 18.0])
def test_the_identity_is_the_likelihood(top: float) -> None:
    """Averaged over images: equal to the exact mean log-density, by knots dense enough and reaching far enough."""
    model = oracle(schedule_from({"kind": "log-snr-uniform", "num_steps": 120, "top": top, "bottom": -10.0}), SHAPE)
    x = draw(model, 400, SHAPE)
    generator = torch.Generator().manual_seed(0)
    by_identity = identity_log_likelihood(model, x, draws=2, generator=generator, max_knots=200).double()
    exact = exact_log_density(model, x, model.schedule.clean)
    difference = (by_identity - exact) / x[0].numel()
    # The errors above the top knot are exp(-top/2)-ish for smooth densities; the rest is Monte-Carlo noise.
    assert abs(float(difference.mean())) < 3 * float(difference.std()) / len(x) ** 0.5 + 0.005


def test_the_identity_exposes_a_gamed_likelihood() -> None:
    """A constant added to F_clean raises the one-pass value and leaves the identity where it was."""
    schedule = schedule_from({"kind": "log-snr-uniform", "num_steps": 60})
    honest = oracle(schedule, SHAPE)

    class Gamed(GaussianOracle):
        def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
            raw = super().forward(x, labels)
            raw[:, 0] = raw[:, 0] + 10.0
            raw[:, 1] = raw[:, 1] - 10.0
            return raw

    assert isinstance(honest.network, GaussianOracle)
    gamed = Flat(Gamed(honest.network.covariance, schedule), schedule).double()
    x = draw(honest, 8, SHAPE)
    torch.testing.assert_close(gamed.log_likelihood(x), honest.log_likelihood(x) + 10.0)
    first, second = (
        identity_log_likelihood(each, x, generator=torch.Generator().manual_seed(0)) for each in (honest, gamed)
    )
    torch.testing.assert_close(first, second)


def test_every_sampler_draws_from_the_data(model: Flat) -> None:
    """Contract and correctness at once: right covariance, deterministic, finite, input untouched."""
    network = model.network
    assert isinstance(network, GaussianOracle)
    names = samplers_for(model.schedule)
    assert names
    for name in names:
        runs = []
        for _ in range(2):
            generator = torch.Generator().manual_seed(3)
            start = torch.randn(1500, *SHAPE, generator=generator, dtype=torch.float64)
            kept = start.clone()

            def predict(x: Tensor, k: int) -> Tensor:
                return model.predict_noise(x, torch.full((len(x),), k))

            def noise(generator: torch.Generator = generator) -> Tensor:
                return torch.randn(1500, *SHAPE, generator=generator, dtype=torch.float64)

            *states, x = sampler_for(name, model.schedule).draw(predict, model.schedule, start, 50, noise)
            assert torch.equal(start, kept)
            assert all(state.shape == x.shape for state in states)
            runs.append(x)
        assert torch.equal(*runs)
        assert torch.isfinite(runs[0]).all()
        covariance = torch.cov(runs[0].flatten(1).T)
        error = float((covariance - network.covariance).norm() / network.covariance.norm())
        # 1,500 samples of 18 dimensions leave about 0.1 of sampling error; 50 coarse steps add theirs.
        assert error < 0.35, f"{model.schedule.kind} {name}: {error:.2f}"


def test_no_sampler_shrinks_the_image_at_the_finest_levels() -> None:
    """In float32, where 1 - alpha_bar of a fine level is nothing: white data of unit variance must keep it."""
    schedule = LogSnrUniform(num_steps=60, top=21.0, bottom=-8.0)
    sigma = schedule.alpha_sigma()[1]
    for name in samplers_for(schedule):
        generator = torch.Generator().manual_seed(0)

        def noise(generator: torch.Generator = generator) -> Tensor:
            return torch.randn(64, 1, 8, 8, generator=generator)

        def predict(x: Tensor, k: int) -> Tensor:
            return float(sigma[k]) * x

        *_, x = sampler_for(name, schedule).draw(predict, schedule, noise(), 60, noise)
        # Every sampler loses some variance to its coarse steps; the fault this guards against leaves none.
        assert abs(float(x.std()) - 1) < 0.15, name


@pytest.mark.parametrize("count", [3, math.prod(SHAPE)])
def test_leading_variances_are_the_posteriors(model: Flat, count: int) -> None:
    """Of Gaussian data with variance v in a direction, sigma^2 v / (alpha^2 v + sigma^2) is left open behind noise."""
    network = model.network
    assert isinstance(network, GaussianOracle)
    x = draw(model, 2, SHAPE)
    schedule = model.schedule
    k = int(log_snr(schedule).abs().argmin())
    alpha, sigma = (float(part[k]) for part in schedule.alpha_sigma())

    def gradient(noisy: Tensor) -> Tensor:
        density = torch.func.grad(lambda each: network.log_densities(each)[:, k].sum())(noisy)
        gradient: Tensor = density + noisy
        return gradient

    generator = torch.Generator().manual_seed(0)
    found = leading_variances(gradient, x, (alpha, sigma), count, generator=generator)
    values = torch.linalg.eigvalsh(network.covariance)
    exact = (values / (alpha**2 * values + sigma**2)).sort(descending=True).values[:count].expand(2, -1)
    if count == len(values):
        torch.testing.assert_close(found, exact)
    else:
        assert (found <= exact + 1e-9).all()
        assert (found > 0.8 * exact).all()
