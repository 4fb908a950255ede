"""How unsure a model is of what lies behind noise: the leading variances of its posterior (EigenScore, Shoushtari et al. 2025).

By the second-order Tweedie formula, with z_lambda = alpha z + sigma e and G = log p_lambda - log N,

    Cov[ z given z_lambda ] = (sigma / alpha)^2 ((1 - sigma^2) I + sigma^2 H),    H the Hessian of G at z_lambda

so that where alpha^2 + sigma^2 = 1 pure noise has variance sigma^2 in every direction. `error_maps` holds its trace; the
largest eigenvalues say whether what is left open is one thing or many. Found by subspace iteration, each step a product with
H: EigenScore takes differences of denoised images for that, here the denoiser is a gradient and the product exact.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

STEPS = 4


def leading_variances(
    gradient: Callable[[Tensor], Tensor],
    noisy: Float[Tensor, "b c h w"],
    alpha_sigma: tuple[float, float],
    count: int,
    *,
    present: Float[Tensor, "c h w"] | None = None,
    generator: torch.Generator | None = None,
) -> Float[Tensor, "b k"]:
    """The `count` largest eigenvalues of the posterior's covariance over sigma^2, largest first.

    Arguments:
        gradient: of G by z, image by image.
        present: details that are not there have no variance.

    `STEPS` steps of subspace iteration from a random start, then Rayleigh and Ritz: a lower bound where eigenvalues lie close.
    """
    alpha, sigma = alpha_sigma
    mask = torch.ones_like(noisy[0]) if present is None else present
    _, pull = torch.func.vjp(gradient, noisy)  # type: ignore[misc] # three only with has_aux

    def covariance(directions: Float[Tensor, "k b c h w"]) -> Float[Tensor, "k b c h w"]:
        (curved,) = torch.func.vmap(pull)(directions)
        product: Tensor = ((1 - sigma**2) * directions + sigma**2 * curved) / alpha**2 * mask
        return product

    start = torch.randn((count, *noisy.shape), generator=generator).to(noisy) * mask
    basis = _orthonormal(start)
    for _ in range(STEPS):
        basis = _orthonormal(covariance(basis))
    small = torch.einsum("kbchw,lbchw->bkl", basis, covariance(basis)).detach()
    values: Tensor = torch.linalg.eigvalsh((small + small.mT) / 2).flip(1)
    return values


def _orthonormal(directions: Float[Tensor, "k b c h w"]) -> Float[Tensor, "k b c h w"]:
    """An orthonormal basis of what an image's directions span."""
    columns = directions.detach().flatten(2).permute(1, 2, 0)
    basis: Tensor = torch.linalg.qr(columns).Q.permute(2, 0, 1).reshape(directions.shape)
    return basis
