"""The base of the density ratio: an exact change of variables, there and back."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from oddpixel.forensics.density.base import Logistics, Normal


def random_base(judged: int, channels: int) -> Logistics:
    torch.manual_seed(0)
    base = Logistics(judged, 7, channels, 16, 1)
    for parameter in base.parameters():
        nn.init.normal_(parameter, std=0.2)
    return base.double()


@pytest.mark.parametrize(("judged", "channels"), [(9, 3), (3, 1), (3, 3), (1, 1)])
def test_its_log_density_is_that_of_the_change_of_variables(judged: int, channels: int) -> None:
    base = random_base(judged, channels)
    d, c = torch.randn(1, judged, 1, 1).double() * 2, torch.randn(1, 7, 1, 1).double()
    present = torch.ones(judged, 1, 1).double()

    def z_of(flat: Tensor) -> Tensor:
        return base.to_normal(flat.reshape(d.shape), c, present)[0].flatten()

    z, log_base = base.to_normal(d, c, present)
    jacobian = torch.autograd.functional.jacobian(z_of, d.flatten())
    exact = torch.linalg.slogdet(jacobian)[1] - 0.5 * (z.square() + math.log(2 * math.pi)).sum()
    torch.testing.assert_close(log_base.sum(), exact, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("base", [random_base(9, 3), Normal()])
def test_it_inverts_and_leaves_out_what_is_absent(base: nn.Module) -> None:
    # From what is drawn: between two components of a mixture the distribution is flat, and what lies there has no inverse.
    present = (torch.rand(9, 6, 5) < 0.8).double()
    drawn, c = torch.randn(2, 9, 6, 5).double() * present, torch.randn(2, 7, 6, 5).double()
    d = base.from_normal(drawn, c, present)  # type: ignore[operator]
    assert not (d * (1 - present)).any()
    z, log_base = base.to_normal(d, c, present)  # type: ignore[operator]
    torch.testing.assert_close(z, drawn, rtol=1e-6, atol=1e-6)
    assert not (z * (1 - present)).any()
    nothing = torch.zeros_like(present)
    assert not base.to_normal(torch.zeros_like(d), c, nothing)[1].any()  # type: ignore[operator]
    assert log_base.shape == (2, 6, 5)


def test_far_tails_stay_finite() -> None:
    base = random_base(3, 1).float()
    d = torch.tensor([-1e5, 0.0, 1e5]).reshape(3, 1, 1, 1).expand(3, 3, 4, 4)
    z, log_base = base.to_normal(d, torch.zeros(3, 7, 4, 4), torch.ones(3, 4, 4))
    assert torch.isfinite(z).all()
    assert torch.isfinite(log_base).all()
    assert z.abs().max() < 13


@torch.no_grad()
def test_draws_have_the_log_density_that_a_draw_has() -> None:
    """d drawn from the base itself: what it costs is on average what a draw costs."""
    base, generator = random_base(3, 1), torch.Generator().manual_seed(0)
    c, present = torch.randn(1, 7, 48, 48).double(), torch.ones(3, 48, 48).double()
    d = base.from_normal(torch.randn(1, 3, 48, 48, generator=generator).double(), c, present)
    cost = base.to_normal(d, c, present)[1].mean()
    of_a_draw = base.compared(d, c, present, generator)[2].mean()
    assert abs(float(cost - of_a_draw)) < 0.06
    rougher = base.to_normal(d * 2, c, present)[1].mean()
    assert rougher < cost - 0.1
