"""Where the density ratio starts from: conditionals that are mixtures of logistics, made standard normal.

    base(d_i | c, d_<i) = sum over k of w_k logistic(d_i; mu_k, s_k),    z_i = Phi^-1(CDF(d_i)),    w, mu, s from c and d_<i

Triangular in i, so it inverts and its determinant is known: log base(d | c) is a sum of log-densities, and if they were
the truth z would be white noise. What a classifier of noise levels then has to find is only what they miss, and
log p(d | c) = log base(d | c) + G_clean(z, c).

Details of brightness come first, one orientation after the other, then those of each colour difference. A small
convolutional network a group sees c and all groups before; within a group each channel leans linearly on those before it at
the same position (PixelCNN++, Salimans et al. 2017, sections 2.1 and 2.2).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

COMPONENTS = 3
# Beyond this tail probability z stands still; float32 ends soon after.
SMALLEST_TAIL = 1e-35
NARROWEST = -9.0  # log-scale


class Base(nn.Module, ABC):
    """d <-> z, and what d costs before the density ratio.

    Arguments:
        reach: how many pixels around a position it depends on.
    """

    reach: int

    @abstractmethod
    def to_normal(
        self, d: Float[Tensor, "b d h w"], c: Float[Tensor, "b k h w"], present: Float[Tensor, "*b d h w"]
    ) -> tuple[Float[Tensor, "b d h w"], Float[Tensor, "b h w"]]:
        """z, and log base(d | c) by position in nats."""

    @abstractmethod
    def compared(
        self,
        d: Float[Tensor, "b d h w"],
        c: Float[Tensor, "b k h w"],
        present: Float[Tensor, "*b d h w"],
        generator: torch.Generator | None = None,
    ) -> tuple[Float[Tensor, "b d h w"], Float[Tensor, "b h w"], Float[Tensor, "b h w"]]:
        """z and log base(d | c), and what that would have been, had each detail been drawn from the base after the image's
        own before it; nats by position."""

    @abstractmethod
    def from_normal(
        self, z: Float[Tensor, "b d h w"], c: Float[Tensor, "b k h w"], present: Float[Tensor, "*b d h w"]
    ) -> Float[Tensor, "b d h w"]:
        """The d that `to_normal` turns into z."""


class Normal(Base):
    """d is z: the plain density ratio against white noise."""

    reach = 0

    def to_normal(self, d: Tensor, c: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
        """d itself, and its log-density under N(0, I) by position in nats."""
        return d, log_normal_map(d, present)

    def compared(
        self, d: Tensor, c: Tensor, present: Tensor, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """d, its log-density under N(0, I), and that of white noise in its place."""
        drawn = torch.randn(d.shape, generator=generator).to(d)
        return d, log_normal_map(d, present), log_normal_map(drawn, present)

    def from_normal(self, z: Tensor, c: Tensor, present: Tensor) -> Tensor:
        """z itself, zero where absent."""
        return z * present


class Logistics(Base):
    """Mixtures of logistics, one group of channels after the other, each conditioned on c and the groups before it.

    Arguments:
        judged, known: channels of d and c.
        channels: of the image; d lists them in turn, once for every orientation.
        width, num_blocks: of each group's network.
    """

    def __init__(self, judged: int, known: int, channels: int, width: int, num_blocks: int) -> None:
        super().__init__()
        brightness = [[channel] for channel in range(0, judged, channels)]
        differences = [list(range(channel, judged, channels)) for channel in range(1, channels)]
        self.groups = brightness + differences
        self.reach = 1 + num_blocks
        seen = known
        self.networks = nn.ModuleList()
        for group in self.groups:
            self.networks.append(Predictor(seen, len(group), width, num_blocks))
            seen += len(group)

    def to_normal(self, d: Tensor, c: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
        """z = Phi^-1(CDF(d)) and log base(d | c) in one pass: every network reads the true details before its group."""
        z, log_density = torch.zeros_like(d), torch.zeros_like(d)
        for group, mine, mixture in self._mixtures(d, c):
            z[:, group], log_density[:, group] = mixture.normal(mine), mixture.log_density(mine)
        return z * present, (log_density * present).sum(1)

    def compared(
        self, d: Tensor, c: Tensor, present: Tensor, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """As `to_normal`, with the log-density of a draw from each group's mixtures beside that of the image's own details."""
        z, log_density, of_a_draw = torch.zeros_like(d), torch.zeros_like(d), torch.zeros_like(d)
        for group, mine, mixture in self._mixtures(d, c):
            z[:, group], log_density[:, group] = mixture.normal(mine), mixture.log_density(mine)
            of_a_draw[:, group] = mixture.log_density(mixture.draw(generator))
        return z * present, (log_density * present).sum(1), (of_a_draw * present).sum(1)

    def _mixtures(self, d: Tensor, c: Tensor) -> Iterator[tuple[list[int], Tensor, _Mixture]]:
        """Of each group: its channels, its details, and what is expected of them after all before."""
        seen = c
        for group, network in zip(self.groups, self.networks, strict=True):
            mine = d[:, group]
            yield group, mine, network(seen).given(mine)
            seen = torch.cat([seen, compressed(mine)], 1)

    def from_normal(self, z: Tensor, c: Tensor, present: Tensor) -> Tensor:
        """Channel by channel, because each mixture depends on the details already inverted."""
        d = torch.zeros_like(z)
        present = present.expand_as(z)
        seen = c
        for group, network in zip(self.groups, self.networks, strict=True):
            alone: _Mixture = network(seen)
            mine = torch.zeros_like(z[:, group])
            for k, channel in enumerate(group):  # each leans on those before it
                mine[:, k] = alone.given(mine).from_normal(z[:, group])[:, k] * present[:, channel]
            d[:, group] = mine
            seen = torch.cat([seen, compressed(mine)], 1)
        return d


class Predictor(nn.Module):
    """The mixtures of a group's channels, and how each leans on the channels before it."""

    def __init__(self, seen: int, size: int, width: int, num_blocks: int) -> None:
        super().__init__()
        self.in_bf16 = False  # the blocks in bf16
        self.first = nn.Conv2d(seen, width, 3, padding=1)
        self.spread = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in range(num_blocks))
        self.mix = nn.ModuleList(nn.Conv2d(width, width, 1) for _ in range(num_blocks))
        self.size = size
        self.parts = [size * COMPONENTS] * 3 + [size * (size - 1) // 2]
        self.last = nn.Conv2d(width, sum(self.parts), 1)
        nn.init.normal_(self.last.weight, std=0.01)
        with torch.no_grad():  # means apart, or the components never part
            start = torch.linspace(-1, 1, COMPONENTS).repeat(size)
            self.last.bias.copy_(F.pad(start, (0, sum(self.parts) - len(start))))  # type: ignore[union-attr] # it has one

    def forward(self, seen: Float[Tensor, "b s h w"]) -> _Mixture:
        """Means, log-scales, log-weights and dependence on earlier channels of the group, at every position."""
        h = self.first(seen)
        with torch.autocast(seen.device.type, torch.bfloat16, enabled=self.in_bf16):
            for spread, mix in zip(self.spread, self.mix, strict=True):
                h = h + mix(F.silu(spread(F.silu(h))))
        mean, log_scale, weight, lean = self.last(F.silu(h.to(seen.dtype))).split(self.parts, 1)
        mean, log_scale, weight = (part.unflatten(1, (self.size, -1)) for part in (mean, log_scale, weight))
        return _Mixture(mean, log_scale.clamp(min=NARROWEST), weight.log_softmax(2), lean)


@dataclass(frozen=True, eq=False)
class _Mixture:
    """`[b, channel, component, h, w]` each, but for how channels lean on those before them."""

    mean: Tensor
    log_scale: Tensor
    log_weight: Tensor
    lean: Tensor

    def given(self, d: Float[Tensor, "b n h w"]) -> _Mixture:
        """The same with every channel's mean moved by the channels before it."""
        moved = torch.stack([_leaning(self.lean, d, k) for k in range(d.shape[1])], 1)
        return _Mixture(self.mean + moved[:, :, None], self.log_scale, self.log_weight, self.lean)

    def log_density(self, d: Float[Tensor, "b n h w"]) -> Float[Tensor, "b n h w"]:
        u = self._u(d)
        return (self.log_weight - F.softplus(u) - F.softplus(-u) - self.log_scale).logsumexp(2)

    def draw(self, generator: torch.Generator | None) -> Float[Tensor, "b n h w"]:
        u = torch.rand(self.mean[:, :, :1].shape, generator=generator).to(self.mean)
        chosen = (u > self.log_weight.exp().cumsum(2)).sum(2, keepdim=True).clamp(max=COMPONENTS - 1)
        mean, log_scale = (part.gather(2, chosen)[:, :, 0] for part in (self.mean, self.log_scale))
        place = torch.rand(mean.shape, generator=generator).to(mean).clamp(1e-7, 1 - 1e-7)
        return mean + log_scale.exp() * torch.logit(place)

    def normal(self, d: Float[Tensor, "b n h w"]) -> Float[Tensor, "b n h w"]:
        """Phi^-1(CDF(d)), by the tail on its own side, where nothing cancels."""
        u, weight = self._u(d), self.log_weight.exp()
        # exp(-softplus(-u)) is the logistic function; ONNX Runtime's own goes wrong below e^-18.
        below, above = ((weight * torch.exp(-F.softplus(side))).sum(2) for side in (-u, u))
        far = -torch.special.ndtri(torch.minimum(below, above).clamp(min=SMALLEST_TAIL, max=0.5))
        return torch.where(below > above, far, -far)

    def from_normal(self, z: Float[Tensor, "b n h w"]) -> Float[Tensor, "b n h w"]:
        """By bisection: the CDF of a mixture has no inverse in closed form."""
        u = torch.special.log_ndtr(z) - torch.special.log_ndtr(-z)
        each = self.mean + u[:, :, None] * self.log_scale.exp()
        low, high = each.amin(2), each.amax(2)  # the mixture's quantile lies between its components'
        for _ in range(50):
            half = (low + high) / 2
            under = self.normal(half) < z
            low, high = torch.where(under, half, low), torch.where(under, high, half)
        result: Float[Tensor, "b n h w"] = (low + high) / 2
        return result

    def _u(self, d: Tensor) -> Tensor:
        return (d[:, :, None] - self.mean) * torch.exp(-self.log_scale)


def compressed(d: Tensor) -> Tensor:
    """Details as networks see them: heavy tails drawn in."""
    return torch.asinh(4 * d)


def log_normal_map(z: Float[Tensor, "b c h w"], present: Tensor) -> Float[Tensor, "b h w"]:
    """log N(z; 0, I) by position over what is present, nats."""
    return (-0.5 * (z.square() + math.log(2 * math.pi)) * present).sum(1)


def _leaning(lean: Tensor, before: Tensor, k: int) -> Float[Tensor, "b h w"]:
    """What channel k takes over from the channels before it."""
    first = k * (k - 1) // 2
    return (lean[:, first : first + k] * before[:, :k]).sum(1)
