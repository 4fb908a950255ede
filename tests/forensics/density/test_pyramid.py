"""The pyramid: rotations that lose nothing, maps that sum, tiles that equal the whole, and Gaussian truth at any size."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from oddpixel.errors import InvalidImage
from oddpixel.forensics.density import colour, haar
from oddpixel.forensics.density.conditional import Conditional, draw_candidates
from oddpixel.forensics.density.local import tiles
from oddpixel.forensics.density.probing import (
    denoise,
    gaps,
    identity_log_likelihoods,
    log_ratios,
    score_norms,
    surprise,
)
from oddpixel.forensics.density.pyramid import Pyramid, PyramidOptions
from oddpixel.forensics.density.streaming import likelihood_map, scale_log_likelihoods, scale_maps, stream

SIDES = st.integers(1, 23)


@settings(deadline=None, max_examples=60)
@given(height=SIDES, width=SIDES, channels=st.sampled_from((1, 3)))
def test_haar_takes_whole_numbers_to_whole_numbers_and_back(height: int, width: int, channels: int) -> None:
    stored = torch.randint(-300, 300, (2, channels, height, width)).double()
    x = stored + torch.rand(stored.shape, dtype=torch.float64)
    turned = colour.to_opponent(x)
    coarse, details = haar.split(turned)
    torch.testing.assert_close(colour.from_opponent(haar.join(coarse, details, (height, width))), x)
    again = haar.split(colour.to_opponent(stored))
    assert torch.equal(again[0], coarse.floor())
    assert torch.equal(again[1], details.floor()), "whole numbers know nothing of the places in their quanta"
    mask = haar.present((height, width), x).repeat_interleave(channels, 0)
    places = torch.cat([(coarse % 1).flatten(), (details % 1)[:, mask > 0].flatten()])
    torch.testing.assert_close(places.sort().values, (x % 1).flatten().sort().values, rtol=0, atol=1e-9)
    assert coarse[0].numel() + int(mask.sum()) == x[0].numel(), "as many numbers as before"
    assert not (details * (1 - mask)).any()


def test_no_two_images_have_the_same_parts() -> None:
    grid = torch.cartesian_prod(*[torch.arange(5.0)] * 4).reshape(-1, 1, 2, 2)
    coarse, details = haar.split(grid)
    assert len(torch.cat([coarse, details], 1).flatten(1).unique(dim=0)) == len(grid)
    colours = torch.cartesian_prod(*[torch.arange(9.0)] * 3).reshape(-1, 3, 1, 1)
    assert len(colour.to_opponent(colours).flatten(1).unique(dim=0)) == len(colours)


class WhiteOracle(nn.Module):
    """Knows that what it judges is white noise of one variance less the slopes: log N(d; -alpha slopes, alpha^2 v + sigma^2)
    - log N(d; 0, 1)."""

    reach = 1

    def __init__(self, lambdas: Tensor, variance: float, present: Tensor | None = None) -> None:
        super().__init__()
        alpha2 = torch.cat([torch.ones(1), torch.sigmoid(lambdas)]).double()
        self.variance, self.alpha = alpha2 * variance + (1 - alpha2), alpha2.sqrt()
        self.present = present

    def forward(self, d: Tensor, c: Tensor) -> Tensor:
        # The present entries are told apart as the trained networks can: by the mask among what is known.
        masks = c[:, -4:-1] if c.shape[1] > 1 else torch.ones_like(d[:, :1])
        present = masks.repeat_interleave(d.shape[1] // masks.shape[1], 1)
        v = self.variance[None, :, None, None, None].to(d)
        slopes = c[:, d.shape[1] // 3 : -4] if c.shape[1] > 1 else torch.zeros_like(d)
        mean = -self.alpha[None, :, None, None, None].to(d) * slopes[:, None]
        one = -0.5 * ((d[:, None] - mean).square() / v + v.log()) + 0.5 * d[:, None].square()
        return (one * present[:, None]).sum(2)

    def clean(self, d: Tensor, c: Tensor) -> Tensor:
        return self(d, c)[:, 0]


VARIANCE = 30.0**2


@pytest.fixture
def oracle() -> Pyramid:
    """Every detail and coarse mean has the same variance, whatever the size."""
    options = PyramidOptions(
        channels=3,
        detail_std=((25.0,) * 3,) * 6,
        coarsest_std=(40.0,) * 3,
        num_levels=60,
        top=14.0,
        num_networks=1,
        base_width=0,
    )
    pyramid = Pyramid(options)
    for conditional in pyramid.scales:
        assert isinstance(conditional, Conditional)
        conditional.network = WhiteOracle(conditional.lambdas, VARIANCE / 25.0**2)
    pyramid.coarsest.network = WhiteOracle(pyramid.coarsest.lambdas, VARIANCE / 40.0**2)
    return pyramid


def white(size: tuple[int, int], count: int = 2) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return 128 + math.sqrt(VARIANCE) * torch.randn(count, 3, *size, generator=generator, dtype=torch.float64)


def drawn(oracle: Pyramid, size: tuple[int, int], count: int) -> Tensor:
    """Images of the oracle: white details about a white mean of 128."""
    generator = torch.Generator().manual_seed(3)
    scales = oracle.split(white(size, count))
    parts = [math.sqrt(VARIANCE) * torch.randn(s.details.values.shape, generator=generator).double() for s in scales]
    coarse = parts.pop() + torch.tensor([128.0, 0.0, 0.0])[:, None, None]
    for scale, details in zip(reversed(scales[:-1]), reversed(parts), strict=True):
        coarse = haar.join(coarse, details * scale.present, scale.size)
    return colour.from_opponent(coarse)


@pytest.mark.parametrize("size", [(16, 16), (13, 22), (25, 9), (64, 40)])
def test_the_exact_classifier_gives_the_exact_density(oracle: Pyramid, size: tuple[int, int]) -> None:
    x = white(size)
    exact = torch.zeros(2, dtype=torch.float64)
    for scale in oracle.split(x):
        centre = torch.zeros_like(scale.details.std)
        if scale.conditional is oracle.coarsest:
            centre[0] = 128
        d = scale.details.values - centre[:, None, None]
        one = -0.5 * (d.square() / VARIANCE + math.log(2 * math.pi * VARIANCE))
        exact += (one * scale.present).flatten(1).sum(1)
    torch.testing.assert_close(oracle.log_likelihood(x), exact, rtol=1e-6, atol=1e-3)
    torch.testing.assert_close(likelihood_map(oracle, x).flatten(1).sum(1), exact, rtol=1e-6, atol=1e-2)


@pytest.mark.parametrize("size", [(31, 9), (13, 22), (47, 94)])
def test_a_flat_image_has_no_details_at_any_size(size: tuple[int, int]) -> None:
    pyramid = random_pyramid(channels=1)
    for scale in pyramid.split(torch.full((1, 1, *size), 200.0))[:-1]:
        assert not scale.details.values.any()
        torch.testing.assert_close(scale.known[0, 0], torch.full_like(scale.known[0, 0], (200 - 128) / 64))


def test_the_exact_classifier_gives_the_exact_denoiser(oracle: Pyramid) -> None:
    scale = oracle.split(white((32, 24)))[0]
    lambda_ = torch.tensor([2.0, -1.0], dtype=torch.float64)
    z = scale.to_normal()
    noise = torch.randn(z.shape, dtype=torch.float64)
    noisy = scale.conditional.add_noise(z, lambda_, noise, scale.present)
    e_hat = scale.conditional.predict_noise(noisy, scale.known, lambda_, scale.present)
    alpha2, sigma2 = torch.sigmoid(lambda_), torch.sigmoid(-lambda_)
    slopes = scale.known[:, 3:12]
    centred = noisy + alpha2.sqrt()[:, None, None, None] * slopes
    wanted = centred * (sigma2.sqrt() / (alpha2 * VARIANCE / 625 + sigma2))[:, None, None, None]
    torch.testing.assert_close(e_hat, wanted, rtol=2e-2, atol=2e-2)  # between knots it is interpolated


def test_the_identity_agrees_with_one_pass(oracle: Pyramid) -> None:
    x = drawn(oracle, (16, 16), count=24)
    one_pass = scale_log_likelihoods(oracle, x)[:, 0]
    identity = identity_log_likelihoods(oracle, x, num_knots=80, draws=2, generator=torch.Generator().manual_seed(1))[
        :, 0
    ]
    bits = (identity - one_pass).mean() / (9 * 64) / math.log(2)
    assert abs(float(bits)) < 0.05


def test_errors_are_as_large_as_the_exact_model_expects(oracle: Pyramid) -> None:
    lambdas = torch.tensor([3.0, 0.0, -3.0], dtype=torch.float64)
    spectrum = surprise(
        oracle, drawn(oracle, (32, 32), 8), lambdas, draws=4, generator=torch.Generator().manual_seed(2)
    )
    assert spectrum.actual.shape == (8, 3, 3)
    ratio = spectrum.actual.mean(0) / spectrum.predicted.mean(0)
    assert ((ratio[:2] - 1).abs() < 0.05).all()
    rougher = 128 + 1.5 * (drawn(oracle, (32, 32), 8) - 128)
    odd = surprise(oracle, rougher, lambdas, draws=4, generator=torch.Generator().manual_seed(2))
    assert (odd.surprise[:, 0, 1:].mean(0) > 0.05).all(), "a planted roughness shows"


def test_samples_of_the_exact_model_are_white(oracle: Pyramid) -> None:
    x = oracle.draw(6, (32, 29), steps=400, generator=torch.Generator().manual_seed(0))
    assert x.shape == (6, 3, 32, 29)
    *scales, coarsest = oracle.split(x)
    assert abs(float(coarsest.details.values[:, 0].mean()) - 128) < 6
    for scale in scales:
        kept = scale.details.values[:, scale.present > 0]
        assert abs(float(kept.mean())) < 3, scale.index
        assert abs(float(kept.std()) - 30) < 2, scale.index


def test_denoising_at_no_noise_changes_nothing_and_at_much_noise_keeps_little(oracle: Pyramid) -> None:
    x = white((32, 32))
    # Close to a whole number some noise is enough to reach the next, and a pixel is made of twelve of them.
    change = (denoise(oracle, x, 13.9) - x).abs()
    assert change.max() < 5
    assert (change > 0.5).double().mean() < 0.2
    assert (denoise(oracle, x, -7.0) - 128).std() < 12


def random_pyramid(channels: int = 3) -> Pyramid:
    torch.manual_seed(0)
    pyramid = Pyramid(PyramidOptions(channels=channels, width=16, num_blocks=3, num_levels=10, num_networks=2))
    for name, parameter in pyramid.named_parameters():
        if "mix.weight" in name or "last.weight" in name:
            nn.init.normal_(parameter, std=0.2)
    return pyramid.eval()


@pytest.mark.parametrize("size", [(61, 127), (64, 64), (5, 90), (1, 1)])
def test_the_map_sums_to_the_log_likelihood(size: tuple[int, int]) -> None:
    pyramid, x = random_pyramid(), white(size).float()
    total = pyramid.log_likelihood(x)
    torch.testing.assert_close(likelihood_map(pyramid, x).flatten(1).sum(1), total, rtol=1e-4, atol=0.05)
    torch.testing.assert_close(scale_log_likelihoods(pyramid, x).sum(1), total, rtol=1e-5, atol=0.01)
    assert likelihood_map(pyramid, x).shape == (2, *size)


@pytest.mark.parametrize("tile", [8, 17, 64])
def test_tiles_equal_the_whole(tile: int) -> None:
    pyramid, x = random_pyramid(), white((75, 61)).float()
    for whole, tiled in zip(scale_maps(pyramid, x), scale_maps(pyramid, x, tile), strict=True):
        torch.testing.assert_close(tiled, whole, rtol=1e-4, atol=1e-4)


def test_threads_change_nothing_and_are_as_many_as_before() -> None:
    pyramid, x = random_pyramid(), white((75, 61)).float()
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        alone = scale_maps(pyramid, x, 16)
        torch.set_num_threads(3)
        for one, many in zip(alone, scale_maps(pyramid, x, 16), strict=True):
            torch.testing.assert_close(many, one)
            assert not many.requires_grad
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_a_tile_that_fails_ends_with_its_own_error() -> None:
    def read(window: haar.Window) -> Tensor:
        raise InvalidImage("this window cannot be read")

    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        with pytest.raises(InvalidImage, match="this window"):
            stream(random_pyramid(), read, (64, 64), 16)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_a_margin_too_small_would_show() -> None:
    """The planted violation: with less margin, tiles differ from the whole."""
    pyramid, x = random_pyramid(), white((64, 64)).float()
    whole = scale_maps(pyramid, x)[0]
    network = pyramid.scales[0].network
    assert isinstance(network, nn.Module)
    network.__class__ = type("Shortsighted", (network.__class__,), {"reach": property(lambda self: -3)})
    assert (scale_maps(pyramid, x, 8)[0] - whole).abs().max() > 1e-3


@settings(deadline=None)
@given(height=st.integers(1, 40), width=st.integers(1, 40), side=st.integers(1, 16), margin=st.integers(0, 6))
def test_tiles_cover_every_position_once(height: int, width: int, side: int, margin: int) -> None:
    seen = torch.zeros(height, width)
    place = torch.arange(height * width).reshape(height, width)
    for read, write, inside in tiles(height, width, side, margin):
        seen[write] += 1
        assert torch.equal(place[read][inside], place[write])
    assert (seen == 1).all()


def test_candidates_are_exchangeable() -> None:
    """The true level is as often any place of the set as any other, and both ends are always there."""
    generator = torch.Generator().manual_seed(0)
    levels, chosen = draw_candidates(8, random_pyramid().coarsest, 4000, generator)
    assert (levels[:, 0] == math.inf).all()
    assert (levels[:, 1] == -math.inf).all()
    frequency = torch.bincount(chosen, minlength=8) / 4000
    assert ((frequency - 1 / 8).abs() < 0.03).all()


def test_the_shapes_of_the_answers_and_what_it_refuses() -> None:
    pyramid = random_pyramid(channels=1)
    x = white((40, 33)).float()[:, :1]
    assert log_ratios(pyramid, x).shape == (2, 4, 11)
    assert gaps(pyramid, x).shape == (2, 4)
    assert score_norms(pyramid, x, torch.tensor([4.0, 0.0])).shape == (2, 4, 2)
    assert [scale.size for scale in pyramid.split(x)] == [(40, 33), (20, 17), (10, 9), (5, 5)]
    assert sum(scale.num_dims for scale in pyramid.split(x)) == 40 * 33
    with pytest.raises(InvalidImage, match="1 channels"):
        pyramid.log_likelihood(white((16, 16)).float())
    with pytest.raises(InvalidImage, match="NaN"):
        pyramid.log_likelihood(torch.full((1, 1, 16, 16), math.nan))


def test_with_coordinates_places_matter_and_tiles_still_equal_the_whole() -> None:
    torch.manual_seed(0)
    options = PyramidOptions(channels=1, coordinates=True, width=8, num_blocks=1, num_levels=5, base_width=8)
    model, plain = (
        Pyramid(options),
        Pyramid(PyramidOptions(channels=1, width=8, num_blocks=1, num_levels=5, base_width=8)),
    )
    x = torch.rand(1, 1, 45, 70) * 255
    for whole, tiled in zip(scale_maps(model, x), scale_maps(model, x, 8), strict=True):
        torch.testing.assert_close(tiled, whole, rtol=1e-4, atol=1e-4)
    periodic = (torch.rand(1, 1, 16, 16) * 255).repeat(1, 1, 5, 5)
    maps = [scale_maps(each, periodic)[0][0] for each in (model, plain)]
    here, there = [each[8:16, 8:16] for each in maps], [each[16:24, 24:32] for each in maps]
    assert not torch.allclose(here[0], there[0], atol=1e-4)
    torch.testing.assert_close(here[1], there[1], rtol=1e-4, atol=1e-3)
