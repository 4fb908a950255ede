"""The exact noise-level classifier of Gaussian data: every p_k is known, so nothing has to be learned.

x ~ N(0, Sigma) gives x_k ~ N(0, alpha_k^2 Sigma + sigma_k^2 I), F_k(x) = log p_k(x) up to a constant of x.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from oddpixel.forensics.density.flat import Flat
from oddpixel.forensics.density.schedules import Schedule


class GaussianOracle(nn.Module):
    """Raw outputs whose cumulative sum is F_k, in float64."""

    def __init__(self, covariance: Tensor, schedule: Schedule) -> None:
        super().__init__()
        alpha, sigma = schedule.alpha_sigma()
        values, vectors = torch.linalg.eigh(covariance.double())
        self.vectors = vectors
        self.variance = alpha[:, None] ** 2 * values + sigma[:, None] ** 2  # [k, d]
        self.covariance = covariance.double()

    def log_densities(self, x: Tensor) -> Tensor:
        """log p_k(x), `[b, k]`."""
        rotated = x.flatten(1) @ self.vectors
        quadratic = (rotated[:, None].square() / self.variance).sum(2)
        return -0.5 * (quadratic + (2 * math.pi * self.variance).log().sum(1))

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        return torch.diff(self.log_densities(x), dim=1, prepend=torch.zeros(len(x), 1, dtype=x.dtype))


def covariance(dims: int, seed: int = 0) -> Tensor:
    """A random one, with eigenvalues between 0.1 and 2."""
    generator = torch.Generator().manual_seed(seed)
    rotation = torch.linalg.qr(torch.randn(dims, dims, generator=generator, dtype=torch.float64))[0]
    return rotation @ torch.diag(torch.linspace(0.1, 2.0, dims, dtype=torch.float64)) @ rotation.T


def oracle(schedule: Schedule, shape: tuple[int, int, int], seed: int = 0) -> Flat:
    return Flat(GaussianOracle(covariance(math.prod(shape), seed), schedule), schedule).double()


def draw(model: Flat, count: int, shape: tuple[int, int, int], seed: int = 1) -> Tensor:
    """Samples of the oracle's data."""
    network = model.network
    assert isinstance(network, GaussianOracle)
    root = torch.linalg.cholesky(network.covariance)
    white = torch.randn(count, math.prod(shape), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return (white @ root.T).view(count, *shape)
