"""`pyramid`, our model: the likelihood of an image of any size, scale by scale and position by position.

    log p(x) = log p(c_J) + sum over j of log p(d_j | c_j),      (c_{j+1}, d_{j+1}) = one Haar step of c_j,  c_0 = x

Exact, because a Haar step is a rotation (`haar`), and so is the change of colours before it (`colour`). Each term is a
density ratio without any global operation (`base`, `local`, `conditional`), so it is a sum over positions: the map of all
terms sums to the log-likelihood, and tiles equal the whole. Steps go on
until the image is at most `coarsest` pixels wide and high; what is left then is judged by a network of the same kind that is
given nothing, and whose reach covers all of it.

Values are grey levels of 0..255, dequantised with uniform noise of one quantum (`dequantised`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from oddpixel.errors import InvalidImage

from . import colour, haar
from .base import Logistics, Normal, Predictor, log_normal_map
from .conditional import Conditional, alpha_sigma_at, ancestral
from .identity import from_gains
from .local import LocalClassifier, LocalOptions, tiles
from .surprise import Spectrum, error_maps

Amount = TypeVar("Amount", float, Tensor)


@dataclass(frozen=True, kw_only=True)
class PyramidOptions:
    """Arguments:
    channels: 1 or 3.
    unit: `display`, or `HU` (CT).
    coarsest: the side at which splitting ends.
    coordinates: every position also knows where in the image it is; for aligned anatomy and fixed cameras.
    num_networks: the finest scales have a network each, all coarser ones share the last.
    width, num_blocks: of every classifier.
    base_width, base_blocks: of the networks of the base; width 0 is the plain base, white noise.
    num_levels, top, bottom: knots in log-SNR. `top` belongs where sigma is a two-hundredth of a quantum.
    detail_std: standard deviation of the details by scale and channel (brightness, two colour differences), in grey
        levels, as measured on training images.
    coarsest_std: of the coarsest image by channel, in grey levels of a pixel.
    """

    channels: int = 3
    unit: str = "display"
    coarsest: int = 8
    coordinates: bool = False
    num_networks: int = 3
    width: int = 64
    num_blocks: int = 6
    base_width: int = 48
    base_blocks: int = 1
    num_levels: int = 40
    top: float = 16.0
    bottom: float = -8.0
    detail_std: Sequence[Sequence[float]] = ((15.0, 2.0, 1.5), (35.0, 5.0, 3.0), (75.0, 11.0, 6.0), (150.0, 25.0, 13.0))
    coarsest_std: Sequence[float] = (110.0, 25.0, 11.0)

    def __post_init__(self) -> None:
        stds = tuple(tuple(float(value) for value in each[: self.channels]) for each in self.detail_std)
        object.__setattr__(self, "detail_std", stds)
        object.__setattr__(self, "coarsest_std", tuple(float(v) for v in self.coarsest_std[: self.channels]))


@dataclass(frozen=True, eq=False)
class Scale:
    """One term of the sum: what is judged, what is known, and where it stands.

    Arguments:
        judged: standardised, zero where nothing is present.
        std: by which it was, for each channel.
        expected: the details that a smooth image with this coarse image has, taken off before.
        size: of the image that was split (of the coarsest itself).
    """

    index: int
    judged: Float[Tensor, "b d p q"]
    known: Float[Tensor, "b k p q"]
    present: Float[Tensor, "d p q"]
    std: Float[Tensor, "d"]
    expected: Float[Tensor, "*b d p q"]
    size: tuple[int, int]
    conditional: Conditional

    @property
    def num_dims(self) -> int:
        """Of one image."""
        return int(self.present.sum())

    @property
    def log_std(self) -> Float[Tensor, "p q"]:
        """Nats that standardising took off each position."""
        return (self.present * self.std.log()[:, None, None]).sum(0)

    def log_likelihood_map(self) -> Float[Tensor, "b p q"]:
        """Nats of grey levels by position."""
        return self.conditional.log_likelihood_map(self.judged, self.known, self.present) - self.log_std

    def restored(self, judged: Float[Tensor, "b d p q"]) -> Float[Tensor, "b d p q"]:
        """Details (or the coarsest image) in grey levels."""
        return judged * self.std[:, None, None] + self.expected


@dataclass(frozen=True, eq=False)
class View:
    """One scale of an image as one forward pass shows it, by position.

    Arguments:
        likelihood: nats of grey levels; all positions of all scales add up to log p(x).
        gap: nats by which the base is surprised beyond what it expected for this content; positive is rougher.
        ratios: log p_lambda - log N at the clean image and at every knot; nats.
        dims: how many details there are.
    """

    likelihood: Float[Tensor, "b p q"]
    gap: Float[Tensor, "b p q"]
    ratios: Float[Tensor, "b k p q"]
    dims: Float[Tensor, "p q"]


class Pyramid(nn.Module):
    """Any image of the right number of channels, from 1 x 1 pixels up."""

    def __init__(self, options: PyramidOptions) -> None:
        super().__init__()
        self.options = options
        channels, details = options.channels, haar.ORIENTATIONS * options.channels
        # Known: the coarse image, its slopes, which orientations are present (none beyond the border), the scale, the place.
        where = 2 * options.coordinates
        known = channels + details + haar.ORIENTATIONS + 1 + where
        self.scales = nn.ModuleList(self._conditional(details, known) for _ in range(options.num_networks))
        self.coarsest = self._conditional(channels, 1 + where)

    def _conditional(self, judged: int, known: int) -> Conditional:
        o = self.options
        local = LocalOptions(judged=judged, known=known, width=o.width, num_blocks=o.num_blocks)
        base = Logistics(judged, known, o.channels, o.base_width, o.base_blocks) if o.base_width else Normal()
        return Conditional(base, LocalClassifier(local, 1 + o.num_levels), o.num_levels, o.top, o.bottom)

    def use_bf16(self, use: bool = True) -> Pyramid:
        """Inner layers in bf16, what they read and what they add up to in float32."""
        for module in self.modules():
            if isinstance(module, LocalClassifier | Predictor):
                module.in_bf16 = use
        layout = torch.channels_last if use else torch.contiguous_format
        return self.to(memory_format=layout)  # type: ignore[call-overload] # nn.Module's stubs lack it

    def split(self, x: Float[Tensor, "b c h w"]) -> list[Scale]:
        """All terms, finest first. Raises: InvalidImage."""
        self._check(x)
        coarse, full = colour.to_opponent(x), (x.shape[2], x.shape[3])
        scales: list[Scale] = []
        while max(coarse.shape[2:]) > self.options.coarsest:
            coarse, details = haar.split(coarse)
            scales.append(self._scale(len(scales), coarse, details, full))
        scales.append(self._last(coarse, len(scales), full))
        return scales

    def log_likelihood(self, x: Float[Tensor, "b c h w"], tile: int | None = None) -> Float[Tensor, "b"]:
        """log p(x) in nats, for x in grey levels; one forward pass a scale."""
        return torch.stack([part.flatten(1).sum(1) for part in self.scale_maps(x, tile)]).sum(0)

    def scale_log_likelihoods(self, x: Tensor, tile: int | None = None) -> Float[Tensor, "b scales"]:
        """The terms of the sum, finest first, nats."""
        return torch.stack([part.flatten(1).sum(1) for part in self.scale_maps(x, tile)], 1)

    def scale_maps(self, x: Tensor, tile: int | None = None) -> list[Float[Tensor, "b p q"]]:
        """log p of each scale by position, finest first, nats; in tiles of that side where one is given."""
        self._check(x)
        return self.stream(lambda window: x[:, :, *window], (x.shape[2], x.shape[3]), tile)

    @torch.no_grad()
    def stream(
        self, read: Callable[[haar.Window], Tensor], size: tuple[int, int], tile: int | None = None
    ) -> list[Float[Tensor, "b p q"]]:
        """The same of an image that is read window by window, so that beside it only its coarser ones are held.

        Arguments:
            read: grey levels `[b, c, ., .]` of these rows and columns.
        """
        held: Tensor | None = None  # the image of this scale, once it is no longer the one that is read

        def pixels_of(window: haar.Window) -> Tensor:
            return colour.to_opponent(read(window)) if held is None else held[:, :, *window]

        maps: list[Tensor] = []
        for index, (height, width) in enumerate(self._halvings(size)):
            rows, columns = -(-height // 2), -(-width // 2)
            coarse, part = torch.empty(0), torch.empty(0)
            for source, target, inside in tiles(rows, columns, tile or max(rows, columns), self._reach(index)):
                low, details = haar.split(pixels_of((_doubled(source[0], height), _doubled(source[1], width))))
                scale = self._scale(index, low, details, size, source)
                found = scale.log_likelihood_map()
                if not len(part):
                    coarse, part = (
                        low.new_empty(*low.shape[:2], rows, columns),
                        found.new_empty(len(low), rows, columns),
                    )
                coarse[:, :, *target], part[:, *target] = low[:, :, *inside], found[:, *inside]
            maps.append(part)
            held = coarse
        maps.append(self._last(pixels_of(haar.EVERYTHING), len(maps), size).log_likelihood_map())
        return maps

    def _reach(self, index: int) -> int:
        network: Conditional = self.scales[min(index, len(self.scales) - 1)]  # type: ignore[assignment]
        return network.reach + 1  # for the slopes

    def likelihood_map(self, x: Tensor, tile: int | None = None) -> Float[Tensor, "b h w"]:
        """Nats a pixel, summing to the log-likelihood: every scale's value spread evenly over the pixels it stands for."""
        return self.spread_maps(self.scale_maps(x, tile), (x.shape[2], x.shape[3]))

    def spread_maps(self, maps: Sequence[Float[Tensor, "b _p _q"]], size: tuple[int, int]) -> Float[Tensor, "b h w"]:
        """Maps by scale on one map of the image, with the same sum."""
        num_steps = len(list(self._halvings(size)))
        spread, reached = torch.zeros(()), num_steps
        # Coarse to fine, so that each is spread by one step together with all before it.
        for index in reversed(range(len(maps))):
            wanted = min(index + 1, num_steps)
            spread = _spread(spread, size, reached, wanted) + maps[index]
            reached = wanted
        return _spread(spread, size, reached, 0)

    def scale_dims(self, size: tuple[int, int]) -> list[int]:
        """Dimensions of each term for an image of that size, finest first; they add up to all."""
        steps = len(list(self._halvings(size)))
        counts = [self.options.channels * rows * columns for rows, columns in _sizes(size, steps + 1)]
        return [*(before - after for before, after in pairwise(counts)), counts[-1]]

    def _halvings(self, size: tuple[int, int]) -> Iterator[tuple[int, int]]:
        while max(size) > self.options.coarsest:
            yield size
            size = (-(-size[0] // 2), -(-size[1] // 2))

    def log_ratios(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b scales levels"]:
        """G per dimension at the clean image and at every knot, finest scale first: how it looks through every noise."""
        return torch.stack([view.ratios.flatten(2).sum(2) / view.dims.sum() for view in self.views(x)], 1)

    def identity_log_likelihoods(
        self,
        x: Float[Tensor, "b c h w"],
        *,
        num_knots: int = 40,
        draws: int = 1,
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, "b scales"]:
        """The same terms as the model's own denoiser can justify them (`identity`), finest first, nats."""
        return torch.stack([_identity(scale, num_knots, draws, generator) for scale in self.split(x)], 1)

    @torch.no_grad()
    def views(self, x: Float[Tensor, "b c h w"], generator: torch.Generator | None = None) -> list[View]:
        """All that one forward pass shows, scale by scale, finest first."""
        found = []
        for scale in self.split(x):
            network = scale.conditional
            z, log_base, of_a_draw = network.base.compared(scale.judged, scale.known, scale.present, generator)
            ratios = network.log_ratio_map(z, scale.known)
            likelihood = log_base + ratios[:, 0] - scale.log_std
            found.append(View(likelihood, of_a_draw - log_base, ratios, scale.present.sum(0)))
        return found

    def gaps(self, x: Float[Tensor, "b c h w"], generator: torch.Generator | None = None) -> Float[Tensor, "b scales"]:
        """Nats a dimension by which the base is surprised beyond what it expected for this content; one forward pass.

        Positive is rougher than expected, negative smoother (Cozzolino et al. 2024, "Zero-shot detection", without a coder).
        """
        return torch.stack([view.gap.flatten(1).sum(1) / view.dims.sum() for view in self.views(x, generator)], 1)

    def score_norms(
        self, x: Float[Tensor, "b c h w"], lambdas: Float[Tensor, "levels"]
    ) -> Float[Tensor, "b scales levels"]:
        """Root mean square of the score sigma * grad log p_lambda at the image itself (MSMA, Mahmood et al. 2021)."""
        norms = []
        for scale in self.split(x):
            z = _normal(scale)
            for lambda_ in lambdas:
                e_hat = scale.conditional.predict_noise(z, scale.known, lambda_.expand(len(z)), scale.present)
                norms.append((e_hat.square().flatten(1).sum(1) / scale.num_dims).sqrt())
        return torch.stack(norms, 1).unflatten(1, (-1, len(lambdas)))

    def surprise(
        self,
        x: Float[Tensor, "b c h w"],
        lambdas: Float[Tensor, "levels"],
        *,
        draws: int = 1,
        generator: torch.Generator | None = None,
    ) -> Spectrum:
        """The denoiser's errors beside those the model expects (`surprise`); two backward passes a level and draw."""
        pairs = []
        for scale in self.split(x):
            z = _normal(scale)
            for lambda_ in lambdas.tolist():
                maps = [
                    error_maps(scale.conditional, z, scale.known, scale.present, lambda_, generator)
                    for _ in range(draws)
                ]
                sums = [torch.stack([part.flatten(1).sum(1) for part in pair]) for pair in maps]
                pairs.append(torch.stack(sums).mean(0) / scale.num_dims)
        actual, predicted = torch.stack(pairs, 2).unflatten(2, (-1, len(lambdas)))
        return Spectrum(lambdas, actual, predicted)

    @torch.no_grad()
    def denoise(
        self, x: Float[Tensor, "b c h w"], lambda_: float, generator: torch.Generator | None = None
    ) -> Float[Tensor, "b c h w"]:
        """What the model sees behind noise of this log-SNR, put on every scale by itself: `x - denoise(x)` is what it misses.

        Each scale is estimated (MMSE of z) given the image's own coarser one.
        """
        scales = self.split(x)
        estimates = []
        for scale in scales:
            z = _normal(scale)
            levels = torch.full((len(z),), float(lambda_), dtype=z.dtype)
            alpha, sigma = alpha_sigma_at(lambda_)
            noise = torch.randn(z.shape, generator=generator).to(z) * scale.present
            noisy = scale.conditional.add_noise(z, levels, noise, scale.present)
            e_hat = scale.conditional.predict_noise(noisy, scale.known, levels, scale.present)
            estimates.append(_from_normal(scale, (noisy - sigma * e_hat) / alpha))
        coarse = estimates.pop()
        for scale, details in zip(reversed(scales[:-1]), reversed(estimates), strict=True):
            coarse = haar.join(coarse, details, scale.size)
        return colour.from_opponent(coarse)

    @torch.no_grad()
    def sample(
        self, count: int, size: tuple[int, int], *, steps: int = 100, generator: torch.Generator | None = None
    ) -> Float[Tensor, "b c h w"]:
        """New images of that height and width in grey levels, coarse to fine; ancestral sampling (DDPM) at each scale."""
        sizes = [*self._halvings(size)]
        smallest = list(_sizes(size, len(sizes) + 1))[-1]
        scale = self._last(torch.zeros(count, self.options.channels, *smallest), len(sizes), size)
        coarse = _from_normal(scale, ancestral(scale.conditional, scale.known, scale.present, steps, generator))
        for index in reversed(range(len(sizes))):
            scale = self._scale(index, coarse, None, size)
            z = ancestral(scale.conditional, scale.known, scale.present, steps, generator)
            coarse = haar.join(coarse, _from_normal(scale, z), scale.size)
        return colour.from_opponent(coarse)

    def bits_per_dim(self, log_likelihood: Amount, num_dims: int, quantum: float = 1.0) -> Amount:
        """Nats of grey levels -> bits per stored sample, whose quantum is so many grey levels (1 at 8 bits)."""
        return -log_likelihood / (num_dims * math.log(2)) - math.log2(quantum)

    def _scale(
        self,
        index: int,
        coarse: Tensor,
        details: Tensor | None,
        full: tuple[int, int],
        window: haar.Window = haar.EVERYTHING,
    ) -> Scale:
        """The term of these details (without any, what can be told from the coarse image alone); `window` is where they lie."""
        channels = self.options.channels
        size = list(_sizes(full, index + 1))[-1]
        mask = haar.present(size, window).to(coarse)
        shown = coarse / haar.brightness(full, index + 1, window).to(coarse)
        # What a smooth image with this coarse one would have for details is known: a shear, which preserves volume.
        uneven = (haar.unevenness(full, index + 1, window).to(coarse)[None, :, None] * shown[:, None]).flatten(1, 2)
        present = mask.repeat_interleave(channels, 0)
        slopes = haar.smooth_details(shown, index + 1) * present
        std = self._std(index).to(coarse).repeat(haar.ORIENTATIONS)
        expected = uneven + slopes
        judged = torch.zeros_like(expected) if details is None else (details - expected) / std[:, None, None]
        grey, spread = (part(channels).to(coarse)[:, None, None] for part in (colour.middle, colour.spread))
        halved = list(_sizes(full, index + 2))[-1]
        parts = [mask, torch.full_like(mask[:1], index / 8), *self._where(halved, window)]
        planes = torch.cat([part.to(coarse) for part in parts]).expand(len(coarse), -1, -1, -1)
        known = torch.cat([(shown - grey) / spread, slopes / std[:, None, None], planes], 1)
        network: Conditional = self.scales[min(index, len(self.scales) - 1)]  # type: ignore[assignment]
        return Scale(index, judged, known, present, std, expected, size, network)

    def _where(self, size: tuple[int, int], window: haar.Window = haar.EVERYTHING) -> list[Float[Tensor, "2 p q"]]:
        """Row and column of these positions among all of that size, in -1..1; nothing without coordinates."""
        if not self.options.coordinates:
            return []
        centres = [(torch.arange(side) + 0.5) * (2 / side) - 1 for side in size]
        rows, columns = (axis[part] for axis, part in zip(centres, window, strict=True))
        return [torch.stack(torch.meshgrid(rows, columns, indexing="ij"))]

    def _std(self, index: int) -> Tensor:
        """Measured, or twice that of the scale before: natural images are alike at all scales."""
        measured = self.options.detail_std
        return torch.tensor(measured[min(index, len(measured) - 1)]) * 2.0 ** max(index - len(measured) + 1, 0)

    def _last(self, coarse: Tensor, index: int, full: tuple[int, int]) -> Scale:
        bright = haar.brightness(full, index).to(coarse)
        std = torch.tensor(self.options.coarsest_std).to(coarse) * 2.0**index
        flat = colour.middle(self.options.channels).to(coarse)[:, None, None] * bright
        judged = (coarse - flat) / std[:, None, None]
        present = torch.ones_like(coarse[0])
        planes = torch.cat([torch.ones_like(coarse[0, :1]), *self._where((coarse.shape[2], coarse.shape[3]))])
        known = planes.expand(len(coarse), -1, -1, -1)
        return Scale(index, judged, known, present, std, flat, (coarse.shape[2], coarse.shape[3]), self.coarsest)

    def _check(self, x: Tensor) -> None:
        if x.ndim != 4 or x.shape[1] != self.options.channels:
            raise InvalidImage(f"this model takes {self.options.channels} channels, got an array of {tuple(x.shape)}")
        if not torch.isfinite(x).all():
            raise InvalidImage("the image holds NaN or infinite values; mask or replace them first")


@torch.no_grad()
def _normal(scale: Scale) -> Tensor:
    return scale.conditional.to_normal(scale.judged, scale.known, scale.present)[0]


def _from_normal(scale: Scale, z: Tensor) -> Tensor:
    """In grey levels."""
    return scale.restored(scale.conditional.base.from_normal(z, scale.known, scale.present))


@torch.no_grad()
def _identity(scale: Scale, num_knots: int, draws: int, generator: torch.Generator | None) -> Tensor:
    """log p(d | c) of one scale in nats: the base's, and what its own denoiser can justify of the rest (`identity`)."""
    conditional = scale.conditional
    z, log_base = conditional.to_normal(scale.judged, scale.known, scale.present)
    lambdas = torch.linspace(conditional.bottom, conditional.top, num_knots)
    gains = []
    for lambda_ in lambdas:
        levels = lambda_.expand(len(z))
        error = torch.zeros(len(z))
        for _ in range(draws):
            noise = torch.randn(z.shape, generator=generator) * scale.present
            noisy = conditional.add_noise(z, levels, noise, scale.present)
            e_hat = conditional.predict_noise(noisy, scale.known, levels, scale.present)
            error += (noise - e_hat).square().flatten(1).sum(1) / draws
        gains.append(scale.num_dims * torch.sigmoid(lambda_) - error)
    white = (log_base - log_normal_map(z, scale.present) - scale.log_std).flatten(1).sum(1)
    return from_gains(lambdas, torch.stack(gains), scale.num_dims) + white


def _spread(part: Tensor, size: tuple[int, int], steps: int, fewer: int) -> Tensor:
    """Every value shared out evenly among what lies under it, from after `steps` halvings of `size` to after `fewer`."""
    for height, width in reversed(list(_sizes(size, steps))[fewer:]):
        rows, columns = _children(height), _children(width)
        part = part / (rows[:, None] * columns[None, :])
        part = part.repeat_interleave(rows.long(), 1).repeat_interleave(columns.long(), 2)
    return part


def _sizes(size: tuple[int, int], steps: int) -> Iterator[tuple[int, int]]:
    for _ in range(steps):
        yield size
        size = (-(-size[0] // 2), -(-size[1] // 2))


def _doubled(part: slice, length: int) -> slice:
    """The samples that a step makes these positions from."""
    return slice(2 * part.start, min(2 * part.stop, length))


def _children(length: int) -> Tensor:
    """How many samples lie under each position of the next coarser row: two, and one under an unpaired last."""
    counts = torch.full((-(-length // 2),), 2.0)
    if length % 2:
        counts[-1] = 1
    return counts
