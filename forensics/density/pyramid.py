"""`pyramid`, our model: the likelihood of an image of any size, scale by scale and position by position.

    log p(x) = log p(c_J) + sum over j of log p(d_j | c_j),      (c_{j+1}, d_{j+1}) = one Haar step of c_j,  c_0 = x

Exact, because a Haar step is a rotation (`haar`). Each term is a density ratio without any global operation (`local`,
`conditional`), so it is a sum over positions: the map of all terms sums to the log-likelihood, and tiles equal the
whole. Steps go on until the image is at most `coarsest` pixels wide and high; what is left then is judged by a network
of the same kind that is given nothing, and whose reach covers all of it.

Values are stored grey levels scaled to 0..255, dequantised with uniform noise of one quantum.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from oddpixel.errors import InvalidImage

from . import haar
from .conditional import Conditional
from .identity import from_gains
from .local import LocalClassifier, LocalOptions, tiles

MIDDLE, HALF = 128.0, 64.0  # grey levels: what brightness is measured from, and in


@dataclass(frozen=True, kw_only=True)
class PyramidOptions:
    """Arguments:
    channels: 1 or 3.
    coarsest: the side at which splitting ends.
    num_networks: the finest scales have a network each, all coarser ones share the last.
    width, num_blocks: of every network.
    num_levels, top, bottom: knots in log-SNR. `top` belongs where sigma is a two-hundredth of a quantum.
    detail_std: standard deviation of the details by scale, in grey levels, as measured on training images.
    """

    channels: int = 3
    coarsest: int = 8
    num_networks: int = 3
    width: int = 64
    num_blocks: int = 6
    num_levels: int = 40
    top: float = 14.0
    bottom: float = -8.0
    detail_std: Sequence[float] = (4.0, 9.0, 18.0, 34.0, 60.0, 100.0)
    coarsest_std: float = 55.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "detail_std", tuple(float(value) for value in self.detail_std))


@dataclass(frozen=True, eq=False)
class Scale:
    """One term of the sum: what is judged, what is known, and where it stands.

    Arguments:
        judged: standardised, zero where nothing is present.
        log_std: nats that standardising took off each entry.
        size: of the image that was split (of the coarsest itself).
    """

    index: int
    judged: Float[Tensor, "b d p q"]
    known: Float[Tensor, "b k p q"]
    present: Float[Tensor, "d p q"]
    log_std: float
    size: tuple[int, int]
    conditional: Conditional

    @property
    def num_dims(self) -> int:
        """Of one image."""
        return int(self.present.sum())


class Pyramid(nn.Module):
    """Any image of the right number of channels, from 1 x 1 pixels up."""

    def __init__(self, options: PyramidOptions) -> None:
        super().__init__()
        self.options = options
        details = haar.ORIENTATIONS * options.channels
        # Known: the coarse image, and which orientations are present (all zero beyond the border).
        self.scales = nn.ModuleList(
            self._conditional(details, options.channels + haar.ORIENTATIONS) for _ in range(options.num_networks)
        )
        self.coarsest = self._conditional(options.channels, 1)

    def _conditional(self, judged: int, known: int) -> Conditional:
        o = self.options
        local = LocalOptions(judged=judged, known=known, width=o.width, num_blocks=o.num_blocks)
        return Conditional(LocalClassifier(local, 1 + o.num_levels), o.num_levels, o.top, o.bottom)

    def split(self, x: Float[Tensor, "b c h w"]) -> list[Scale]:
        """All terms, finest first. Raises: InvalidImage."""
        self._check(x)
        coarse, full = x, (x.shape[2], x.shape[3])
        scales: list[Scale] = []
        while max(size := (coarse.shape[2], coarse.shape[3])) > self.options.coarsest:
            coarse, details = haar.split(coarse)
            scales.append(self._scale(len(scales), coarse, details, size, full))
        scales.append(self._last(coarse, len(scales), full))
        return scales

    def log_likelihood(self, x: Float[Tensor, "b c h w"], tile: int | None = None) -> Float[Tensor, "b"]:
        """log p(x) in nats, for x in grey levels; one forward pass a scale."""
        return torch.stack([part.flatten(1).sum(1) for part in self.scale_maps(x, tile)]).sum(0)

    def scale_log_likelihoods(self, x: Tensor, tile: int | None = None) -> Float[Tensor, "b scales"]:
        """The terms of the sum, finest first, nats."""
        return torch.stack([part.flatten(1).sum(1) for part in self.scale_maps(x, tile)], 1)

    @torch.no_grad()
    def scale_maps(self, x: Tensor, tile: int | None = None) -> list[Float[Tensor, "b p q"]]:
        """log p of each scale by position, finest first, nats; in tiles of that side where one is given."""
        return [self._map(scale, tile) for scale in self.split(x)]

    def likelihood_map(self, x: Tensor, tile: int | None = None) -> Float[Tensor, "b h w"]:
        """Nats a pixel, summing to the log-likelihood: every scale's value spread evenly over the pixels it stands for."""
        size = (x.shape[2], x.shape[3])
        num_steps = len(list(self._halvings(size)))
        parts = self.scale_maps(x, tile)
        return sum((_spread(part, size, min(k + 1, num_steps)) for k, part in enumerate(parts)), torch.zeros(()))

    def _halvings(self, size: tuple[int, int]) -> Iterator[tuple[int, int]]:
        while max(size) > self.options.coarsest:
            yield size
            size = (-(-size[0] // 2), -(-size[1] // 2))

    def log_ratios(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b scales levels"]:
        """G per dimension at the clean image and at every knot, finest scale first: how it looks through every noise."""
        with torch.no_grad():
            return torch.stack(
                [
                    scale.conditional.log_ratio_map(scale.judged, scale.known).flatten(2).sum(2) / scale.num_dims
                    for scale in self.split(x)
                ],
                1,
            )

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

    def bits_per_dim(
        self, log_likelihood: Float[Tensor, "*n"], num_dims: int, quantum: float = 1.0
    ) -> Float[Tensor, "*n"]:
        """Nats of grey levels -> bits per stored sample, whose quantum is so many grey levels (1 at 8 bits)."""
        return -log_likelihood / (num_dims * math.log(2)) - math.log2(quantum)

    def _scale(
        self, index: int, coarse: Tensor, details: Tensor, size: tuple[int, int], full: tuple[int, int]
    ) -> Scale:
        channels = self.options.channels
        mask = haar.present(size)
        std = self.options.detail_std[min(index, len(self.options.detail_std) - 1)]
        present = mask.repeat_interleave(channels, 0).to(coarse)
        shown = coarse / haar.brightness(full, index + 1).to(coarse)
        # What a flat image of this brightness would have for details is known: a shear, which preserves volume.
        uneven = haar.unevenness(full, index + 1).to(coarse)[None, :, None] * shown[:, None]
        details = details - uneven.flatten(1, 2)
        known = torch.cat([(shown - MIDDLE) / HALF, mask.to(coarse).expand(len(coarse), -1, -1, -1)], 1)
        network: Conditional = self.scales[min(index, len(self.scales) - 1)]  # type: ignore[assignment]
        return Scale(index, details / std, known, present, math.log(std), size, network)

    def _last(self, coarse: Tensor, index: int, full: tuple[int, int]) -> Scale:
        bright = haar.brightness(full, index).to(coarse)
        std = self.options.coarsest_std * 2.0**index
        judged = (coarse - MIDDLE * bright) / std
        present = torch.ones_like(coarse[0])
        known = torch.ones_like(coarse[:, :1])
        return Scale(index, judged, known, present, math.log(std), (coarse.shape[2], coarse.shape[3]), self.coarsest)

    def _map(self, scale: Scale, tile: int | None) -> Tensor:
        conditional, offset = scale.conditional, scale.present.sum(0) * scale.log_std
        if tile is None:
            return conditional.log_likelihood_map(scale.judged, scale.known, scale.present) - offset
        network: LocalClassifier = conditional.network  # type: ignore[assignment]
        whole = torch.empty(scale.judged.shape[0], *scale.judged.shape[2:], dtype=scale.judged.dtype)
        height, width = scale.judged.shape[2:]
        for read, write, inside in tiles(height, width, tile, network.reach):
            part = conditional.log_likelihood_map(
                scale.judged[:, :, *read], scale.known[:, :, *read], scale.present[:, *read]
            )
            whole[:, *write] = part[:, *inside]
        return whole - offset

    def _check(self, x: Tensor) -> None:
        if x.ndim != 4 or x.shape[1] != self.options.channels:
            raise InvalidImage(f"this model takes {self.options.channels} channels, got an array of {tuple(x.shape)}")
        if not torch.isfinite(x).all():
            raise InvalidImage("the image holds NaN or infinite values; mask or replace them first")


def _identity(scale: Scale, num_knots: int, draws: int, generator: torch.Generator | None) -> Tensor:
    """log p(d | c) of one scale in nats, as its own denoiser can justify it (`identity`)."""
    conditional = scale.conditional
    lambdas = torch.linspace(conditional.bottom, conditional.top, num_knots)
    gains = []
    for lambda_ in lambdas:
        levels = lambda_.expand(len(scale.judged))
        error = torch.zeros(len(scale.judged))
        for _ in range(draws):
            noise = torch.randn(scale.judged.shape, generator=generator) * scale.present
            noisy = conditional.add_noise(scale.judged, levels, noise, scale.present)
            e_hat = conditional.predict_noise(noisy, scale.known, levels, scale.present)
            error += (noise - e_hat).square().flatten(1).sum(1) / draws
        gains.append(scale.num_dims * torch.sigmoid(lambda_) - error)
    return from_gains(lambdas, torch.stack(gains), scale.num_dims) - scale.num_dims * scale.log_std


def _spread(part: Float[Tensor, "b p q"], size: tuple[int, int], steps: int) -> Float[Tensor, "b h w"]:
    """Every value shared out evenly among the pixels that lie under it after so many halvings."""
    for height, width in reversed(list(_sizes(size, steps))):
        rows, columns = _children(height), _children(width)
        part = part / (rows[:, None] * columns[None, :])
        part = part.repeat_interleave(rows.long(), 1).repeat_interleave(columns.long(), 2)
    return part


def _sizes(size: tuple[int, int], steps: int) -> Iterator[tuple[int, int]]:
    for _ in range(steps):
        yield size
        size = (-(-size[0] // 2), -(-size[1] // 2))


def _children(length: int) -> Tensor:
    """How many samples lie under each position of the next coarser row: two, and one under an unpaired last."""
    counts = torch.full((-(-length // 2),), 2.0)
    if length % 2:
        counts[-1] = 1
    return counts
