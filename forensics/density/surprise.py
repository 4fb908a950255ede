"""What corrects a likelihood for content: the denoiser's error, against the error that the model itself expects here.

By the second-order Tweedie formula the model predicts that error from the noisy image alone,

    E[ |e - e_hat|^2 given z_lambda ] = n + sigma^2 div s(z_lambda),    s = grad log p_lambda = -e_hat / sigma = grad G - z

so the difference r_lambda = |e - e_hat|^2 - (n + sigma^2 div s) has mean zero over images that the model describes, at
every level: above zero is rougher than expected here, below is smoother. The divergence is estimated by one Hutchinson
probe a draw. Half the integral of r over lambda is the negative log-likelihood less the one expected for this content.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from .conditional import Conditional, alpha_sigma_at


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Squared errors a dimension, `[b, scales, levels]`, finest scale first.

    Arguments:
        lambdas: the levels, log-SNR.
        actual: |e - e_hat|^2 / n, mean over the draws.
        predicted: what the model expected of it.
    """

    lambdas: Float[Tensor, "levels"]
    actual: Float[Tensor, "b scales levels"]
    predicted: Float[Tensor, "b scales levels"]

    @property
    def surprise(self) -> Float[Tensor, "b scales levels"]:
        """r_lambda / n: positive is rougher than expected, negative smoother."""
        return self.actual - self.predicted


def error_maps(
    conditional: Conditional,
    z: Float[Tensor, "b c h w"],
    c: Tensor,
    present: Float[Tensor, "c h w"],
    lambda_: float,
    generator: torch.Generator | None = None,
) -> tuple[Float[Tensor, "b h w"], Float[Tensor, "b h w"]]:
    """Actual and predicted squared error of one draw of noise at one level, by position."""
    levels = torch.full((len(z),), float(lambda_), dtype=z.dtype)
    noise = torch.randn(z.shape, generator=generator).to(z) * present
    probe = (torch.randint(0, 2, z.shape, generator=generator).to(z) * 2 - 1) * present
    noisy = conditional.add_noise(z, levels, noise, present)
    weights = conditional.weights(levels).to(z)

    def gradient(z: Tensor) -> Tensor:
        return conditional.gradient_and_sums(z, c, weights)[0]

    g, pull = torch.func.vjp(gradient, noisy)  # type: ignore[misc] # three only with has_aux
    (curvature,) = pull(probe)
    alpha, sigma = alpha_sigma_at(lambda_)
    e_hat = sigma * (noisy - g)
    actual = ((noise - e_hat).square() * present).sum(1)
    predicted = ((alpha**2 + sigma**2 * probe * curvature) * present).sum(1)
    return actual.detach(), predicted.detach()
