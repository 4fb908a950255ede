"""The base of the density ratio: probabilities of whole numbers, and an exact change of variables, there and back."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from oddpixel.forensics.density.base import Base, Details, Logistics, Normal, chessboard

KNOWN = 7


def random_base(judged: int, channels: int, std: float = 0.2) -> Logistics:
    torch.manual_seed(0)
    base = Logistics(judged, KNOWN, channels, 16, 1, 16, 1)
    for parameter in base.parameters():
        nn.init.normal_(parameter, std=std)
    return base.double()


def details(values: Tensor, present: Tensor | None = None, parity: int = 0) -> Details:
    """In quanta a third of their deviation wide, expected off zero."""
    present = torch.ones_like(values[0]) if present is None else present
    expected = torch.full_like(values, 0.7) * present
    return Details(values * present, expected, torch.full_like(values[0, :, 0, 0], 3.0), present, parity)


@pytest.mark.parametrize(("judged", "channels"), [(9, 3), (3, 1), (3, 3), (1, 1)])
def test_its_log_density_is_that_of_the_change_of_variables(judged: int, channels: int) -> None:
    base = random_base(judged, channels)
    values = torch.randint(-6, 7, (1, judged, 1, 1)) + torch.rand(1, judged, 1, 1).double()
    c = torch.randn(1, KNOWN, 1, 1).double()

    def z_of(flat: Tensor) -> Tensor:
        return base.to_normal(details(flat.reshape(values.shape)), c)[0].flatten()

    z, log_base = base.to_normal(details(values), c)
    jacobian = torch.autograd.functional.jacobian(z_of, values.flatten())
    exact = torch.linalg.slogdet(jacobian)[1] - 0.5 * (z.square() + math.log(2 * math.pi)).sum()
    torch.testing.assert_close(log_base.sum(), exact, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(base.log_density(details(values), c), log_base)


def test_probabilities_of_all_whole_numbers_add_up_to_one() -> None:
    base = random_base(1, 1)
    whole = torch.arange(-400, 400).double()[:, None, None, None]
    c = torch.randn(1, KNOWN, 1, 1).double().expand(len(whole), -1, -1, -1)
    total = base.log_density(details(whole), c).exp().sum()
    torch.testing.assert_close(total, torch.ones_like(total), rtol=1e-6, atol=1e-6)


def test_what_is_certain_costs_nothing_and_is_as_even_as_noise() -> None:
    """Where an image is flat, the place within the quantum alone is left, and it is uniform."""
    base = random_base(1, 1).float()
    with torch.no_grad():
        for parameter in base.parameters():
            parameter.zero_()
        base.last[0].bias[3:6] = -8.0  # type: ignore[index, operator] # log-scales
        values = torch.rand(1, 1, 64, 64)
        d = details(values)._replace(expected=torch.full_like(values, 0.5))
        z, log_base = base.to_normal(d, torch.zeros(1, KNOWN, 64, 64))
    assert float(-log_base.mean()) < 1e-3
    assert abs(float(z.mean())) < 0.05
    assert abs(float(z.std()) - 1) < 0.03


@pytest.mark.parametrize("base", [random_base(9, 3), Normal()])
def test_it_inverts_and_leaves_out_what_is_absent(base: Base) -> None:
    # From what is drawn: between two components of a mixture the distribution is flat, and what lies there has no inverse.
    present = (torch.rand(9, 6, 5) < 0.8).double()
    drawn, c = torch.randn(2, 9, 6, 5).double() * present, torch.randn(2, KNOWN, 6, 5).double()
    for parity in (0, 1):
        frame = details(torch.zeros_like(drawn), present, parity)
        values = base.from_normal(drawn, frame, c)
        assert not (values * (1 - present)).any()
        z, log_base = base.to_normal(frame._replace(values=values), c)
        torch.testing.assert_close(z, drawn, rtol=1e-5, atol=1e-5)
        assert not (z * (1 - present)).any()
        assert log_base.shape == (2, 6, 5)
    nothing = details(torch.zeros_like(drawn), torch.zeros_like(present))
    assert not base.to_normal(nothing, c)[1].any()


def test_no_detail_sees_itself_or_what_comes_later() -> None:
    """A detail that changes leaves its own expectation alone, and those of all that come before it."""
    base, at = random_base(9, 3), (2, 2)
    values, c = torch.randint(-6, 7, (1, 9, 5, 5)).double(), torch.randn(1, KNOWN, 5, 5).double()
    rank = {channel: number for number, group in enumerate(base.groups) for channel in range(9)[group]}
    first = chessboard(details(values))

    def expected(values: Tensor) -> Tensor:
        d = details(values)
        return base._mixture(base._told(base.trunk(c)), d).mean[0, :, 1]

    before = expected(values)
    for channel in range(9):
        changed = values.clone()
        changed[0, channel, *at] += 5
        moved = (expected(changed) - before).abs() > 1e-12
        assert moved.any() or channel == 8, "something comes after it"
        for other in range(9):
            where = moved[other].nonzero().tolist()
            for row, column in where:
                is_later = rank[other] > rank[channel]
                is_second_half = rank[other] == rank[channel] and bool(first[at]) and not bool(first[row, column])
                leans = rank[other] == rank[channel] and other > channel and (row, column) == at
                assert is_later or is_second_half or leans, (channel, other, row, column)


@torch.no_grad()
def test_strips_equal_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    base = random_base(9, 3)
    d = details(torch.randint(-6, 7, (2, 9, 11, 6)) + torch.rand(2, 9, 11, 6).double(), parity=1)
    c = torch.randn(2, KNOWN, 11, 6).double()
    whole = base.to_normal(d, c)
    for rows in (1, 3, 4):
        monkeypatch.setattr("oddpixel.forensics.density.base.STRIP", rows)
        for part, wanted in zip(base.to_normal(d, c), whole, strict=True):
            torch.testing.assert_close(part, wanted)


def test_far_tails_stay_finite() -> None:
    base = random_base(3, 1).float()
    values = torch.tensor([-1e5, 0.0, 1e5]).reshape(3, 1, 1, 1).expand(3, 3, 4, 4)
    z, log_base = base.to_normal(details(values), torch.zeros(3, KNOWN, 4, 4))
    assert torch.isfinite(z).all()
    assert torch.isfinite(log_base).all()
    assert z.abs().max() < 13


@torch.no_grad()
def test_draws_have_the_log_density_that_a_draw_has() -> None:
    """d drawn from the base itself: what it costs is on average what a draw costs."""
    base, generator = random_base(3, 1), torch.Generator().manual_seed(0)
    c = torch.randn(1, KNOWN, 48, 48).double()
    frame = details(torch.zeros(1, 3, 48, 48).double())
    d = frame._replace(values=base.from_normal(torch.randn(1, 3, 48, 48, generator=generator).double(), frame, c))
    cost = base.to_normal(d, c)[1].mean()
    of_a_draw = base.compared(d, c, generator)[2].mean()
    assert abs(float(cost - of_a_draw)) < 0.06
    rougher = base.to_normal(d._replace(values=d.values * 2), c)[1].mean()
    assert rougher < cost - 0.1
