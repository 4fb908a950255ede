"""Where the density ratio starts from: mixtures of logistics over whole numbers, made standard normal.

    P(k_i | c, k_<i) = sum over m of w_m (F((k_i + 1 - mu_m) / s_m) - F((k_i - mu_m) / s_m)),    F the logistic function,
    z_i = Phi^-1(C(k_i) + u_i P(k_i)),    C the cumulative probability below k_i,    w, mu, s from c and k_<i

A detail d_i = k_i + u_i is a whole number of quanta and a place within one. The density of d is the probability of k, even within
a quantum, so nothing is lost to dequantisation: where an image is flat the details are certain, and cost nothing. Triangular in
i, so it inverts and its determinant is known; if the probabilities were the truth z would be white noise. What a classifier of
noise levels then has to find is only what they miss, and log p(d | c) = log P(k | c) + G_clean(z, c).

Details of brightness come first, one orientation after the other, then those of each colour difference. Each is judged in two
halves, as the colours of a chessboard lie: the second half sees the first, its four neighbours among them (a hierarchy of
known neighbours instead of a raster, so that it can be drawn in parallel). One network reads c for all of them; a small one
for each group reads its features and, through masks, the details before. Within a group each channel leans linearly on those
before it at the same position (PixelCNN++, Salimans et al. 2017, sections 2.1 and 2.2: the probabilities, too).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

COMPONENTS = 3
# Beyond this tail probability z stands still; float32 ends soon after.
SMALLEST_TAIL = 1e-35
NARROWEST = -9.0  # log-scale
STRIP = 32  # rows that are judged at once


class Details(NamedTuple):
    """The details of one scale, as a base judges them.

    Arguments:
        values: whole numbers of quanta plus a place within one, zero where nothing is present.
        expected: what a smooth image has there, quanta.
        std: of what is left, quanta, by channel.
        present: 1 where there is a detail.
        parity: of row plus column at the first position, in the whole image.
    """

    values: Float[Tensor, "b d h w"]
    expected: Float[Tensor, "b d h w"]
    std: Float[Tensor, "d"]
    present: Float[Tensor, "d h w"]
    parity: int = 0

    def standardised(self, values: Float[Tensor, "b d h w"]) -> Float[Tensor, "b d h w"]:
        """Quanta less what is expected, in standard deviations; zero where nothing is present."""
        return (values - self.expected) / self.std[:, None, None] * self.present


class Base(nn.Module, ABC):
    """d <-> z, and what d costs before the density ratio; all densities by quanta.

    Arguments:
        reach: how many pixels around a position it depends on.
    """

    reach: int

    @abstractmethod
    def to_normal(
        self, d: Details, c: Float[Tensor, "b k h w"]
    ) -> tuple[Float[Tensor, "b d h w"], Float[Tensor, "b h w"]]:
        """z, and log base(d | c) by position in nats."""

    @abstractmethod
    def log_density(self, d: Details, c: Float[Tensor, "b k h w"]) -> Float[Tensor, "b h w"]:
        """log base(d | c) by position in nats, without z."""

    @abstractmethod
    def compared(
        self, d: Details, c: Float[Tensor, "b k h w"], generator: torch.Generator | None = None
    ) -> tuple[Float[Tensor, "b d h w"], Float[Tensor, "b h w"], Float[Tensor, "b h w"]]:
        """z and log base(d | c), and what that would have been, had each detail been drawn from the base after the image's
        own before it; nats by position."""

    @abstractmethod
    def from_normal(
        self, z: Float[Tensor, "b d h w"], d: Details, c: Float[Tensor, "b k h w"]
    ) -> Float[Tensor, "b d h w"]:
        """The values that `to_normal` turns into z; of d all but its values count."""


class Normal(Base):
    """z is d standardised: the plain density ratio against white noise."""

    reach = 0

    def to_normal(self, d: Details, c: Tensor) -> tuple[Tensor, Tensor]:
        """d standardised, and its log-density under N(expected, std^2) by position in nats."""
        z = d.standardised(d.values)
        return z, log_normal_map(z, d.present) - _log_std_map(d)

    def log_density(self, d: Details, c: Tensor) -> Tensor:
        """That of N(expected, std^2)."""
        return self.to_normal(d, c)[1]

    def compared(
        self, d: Details, c: Tensor, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The same, and the log-density of white noise in its place."""
        z, log_density = self.to_normal(d, c)
        drawn = torch.randn(z.shape, generator=generator).to(z)
        return z, log_density, log_normal_map(drawn, d.present) - _log_std_map(d)

    def from_normal(self, z: Tensor, d: Details, c: Tensor) -> Tensor:
        """z in quanta, zero where absent."""
        return (d.expected + z * d.std[:, None, None]) * d.present


class Logistics(Base):
    """Mixtures of logistics, one group of channels after the other, each conditioned on c and the groups before it.

    Arguments:
        judged, known: channels of d and c.
        channels: of the image; d lists them in turn, once for every orientation.
        width, num_blocks: of the network of each group; 1 x 1 behind one 3 x 3 that reads details.
        trunk_width, trunk_blocks: of the network that reads c for all of them.
    """

    order: Int64[Tensor, "judged"]  # where among the groups each channel's mixture lies

    def __init__(
        self, judged: int, known: int, channels: int, width: int, num_blocks: int, trunk_width: int, trunk_blocks: int
    ) -> None:
        super().__init__()
        brightness = [slice(channel, channel + 1) for channel in range(0, judged, channels)]
        differences = [slice(channel, judged, channels) for channel in range(1, channels)]
        self.groups = brightness + differences
        sizes = [len(range(judged)[group]) for group in self.groups]
        self.reach = 1 + trunk_blocks
        self.in_bf16 = False  # all but the first and last layers in bf16
        wide = width * len(self.groups)
        self.trunk = Trunk(known, trunk_width, trunk_blocks)
        self.turn = nn.Conv2d(trunk_width, wide, 1)
        before, own = (self._readable(judged, width, own) for own in (False, True))
        self.first_half = MaskedConv(before)
        self.second_half = MaskedConv(torch.cat([before, own, torch.ones(wide, 1)], 1))
        self.spread = nn.ModuleList(nn.Conv2d(wide, wide, 1, groups=len(self.groups)) for _ in range(num_blocks))
        self.mix = nn.ModuleList(nn.Conv2d(wide, wide, 1, groups=len(self.groups)) for _ in range(num_blocks))
        self.last = nn.ModuleList(_output(width, size) for size in sizes)
        order = torch.cat([torch.arange(judged)[group] for group in self.groups]).argsort()
        self.register_buffer("order", order, persistent=False)

    def to_normal(self, d: Details, c: Tensor) -> tuple[Tensor, Tensor]:
        """z = Phi^-1(C(k) + u P(k)) and log P(k | c) in one pass: every group's network reads the true details before it."""
        features = self.trunk(c)
        parts = [
            [part[:, :, inside] for part in self._cells(strip, features[:, :, rows]).normal()]
            for strip, rows, inside in self._strips(d)
        ]
        z, nats = (torch.cat(part, 2) for part in zip(*parts, strict=True))
        return z * d.present, (nats * d.present).sum(1)

    def log_density(self, d: Details, c: Tensor) -> Tensor:
        """log P(k | c)."""
        return (self._cells(d, self.trunk(c)).log_probability() * d.present).sum(1)

    def compared(
        self, d: Details, c: Tensor, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """As `to_normal`, with the log-probability of a draw from each mixture beside that of the image's own details."""
        cells = self._cells(d, self.trunk(c))
        z, nats = cells.normal()
        of_a_draw = cells.drawn(generator).log_probability()
        return z * d.present, (nats * d.present).sum(1), (of_a_draw * d.present).sum(1)

    def from_normal(self, z: Tensor, d: Details, c: Tensor) -> Tensor:
        """Half by half and channel by channel, because each mixture depends on the details already inverted."""
        values, told, first = torch.zeros_like(z), self._told(self.trunk(c)), chessboard(d)
        for group in self.groups:
            for is_mine in (first, 1 - first):
                for channel in range(z.shape[1])[group]:  # each leans on those before it
                    now = d._replace(values=values)
                    cells = _Cells.of(now, self._mixture(told, now)).only(channel)
                    found = cells.from_normal(z[:, channel : channel + 1])[:, 0]
                    values[:, channel] += found * is_mine * d.present[channel]
        return values

    @staticmethod
    def _strips(d: Details) -> Iterator[tuple[Details, slice, slice]]:
        """Strips of rows with one more on either side, which the processor's cache holds; what each covers, and where in it its
        own rows lie."""
        height = d.values.shape[2]
        if torch.compiler.is_compiling() or height <= STRIP:
            yield d, slice(None), slice(None)
            return
        for top in range(0, height, STRIP):
            rows = slice(max(top - 1, 0), min(top + STRIP + 1, height))
            values, expected, present = (part[..., rows, :] for part in (d.values, d.expected, d.present))
            yield (
                Details(values, expected, d.std, present, d.parity + rows.start),
                rows,
                slice(top - rows.start, min(top + STRIP, height) - rows.start),
            )

    def _cells(self, d: Details, features: Tensor) -> _Cells:
        """What is expected of every detail after all before it."""
        return _Cells.of(d, self._mixture(self._told(features), d))

    def _told(self, features: Tensor) -> Float[Tensor, "b wide h w"]:
        """What the trunk's features tell each group."""
        with torch.autocast(features.device.type, torch.bfloat16, enabled=self.in_bf16):
            turned: Tensor = self.turn(features)
            return turned

    def _mixture(self, told: Tensor, d: Details) -> _Mixture:
        own = d.standardised(d.values.floor())
        seen, first = compressed(own), chessboard(d)
        half = torch.cat([seen, seen * first, first.expand(len(own), 1, *first.shape)], 1)
        with torch.autocast(own.device.type, torch.bfloat16, enabled=self.in_bf16):
            h = told + torch.where(first > 0, self.first_half(seen), self.second_half(half))
            for spread, mix in zip(self.spread, self.mix, strict=True):
                h = h + mix(F.silu(spread(F.silu(h))))
            h = F.silu(h)
        parts = [
            self._parts(last(mine.to(own.dtype)), own[:, group])
            for last, mine, group in zip(self.last, h.chunk(len(self.groups), 1), self.groups, strict=True)
        ]
        return _Mixture(*(torch.cat(part, 1).index_select(1, self.order) for part in zip(*parts, strict=True)))

    @staticmethod
    def _parts(raw: Float[Tensor, "b _parts h w"], own: Float[Tensor, "b n h w"]) -> tuple[Tensor, Tensor, Tensor]:
        """Means, moved by the group's channels before each, log-scales and log-weights."""
        size = own.shape[1]
        mean, log_scale, weight, lean = raw.split([*[size * COMPONENTS] * 3, size * (size - 1) // 2], 1)
        mean, log_scale, weight = (part.unflatten(1, (size, COMPONENTS)) for part in (mean, log_scale, weight))
        moved = torch.stack([_leaning(lean, own, k) for k in range(size)], 1)
        return mean + moved[:, :, None], log_scale.clamp(min=NARROWEST), weight.log_softmax(2)

    def _readable(self, judged: int, width: int, own: bool) -> Float[Tensor, "wide judged"]:
        """1 where an output of a group may read a detail: those of the groups before, or its own."""
        rank = torch.empty(judged)
        for number, group in enumerate(self.groups):
            rank[group] = number
        mine = torch.arange(len(self.groups)).repeat_interleave(width)[:, None]
        return (rank == mine if own else rank < mine).float()


class MaskedConv(nn.Conv2d):
    """A 3 x 3 convolution whose outputs read only what they may."""

    readable: Float[Tensor, "outputs inputs 1 1"]

    def __init__(self, readable: Float[Tensor, "outputs inputs"]) -> None:
        super().__init__(readable.shape[1], readable.shape[0], 3, padding=1)
        self.register_buffer("readable", readable[:, :, None, None], persistent=False)

    def forward(self, x: Float[Tensor, "b inputs h w"]) -> Float[Tensor, "b outputs h w"]:
        """The convolution."""
        return F.conv2d(x, self.weight * self.readable, self.bias, padding=1)


class Trunk(nn.Module):
    """What c tells, for all groups: x + W2 silu(W1 * silu x), 3 x 3, then 1 x 1, so many times."""

    def __init__(self, known: int, width: int, num_blocks: int) -> None:
        super().__init__()
        self.in_bf16 = False  # the blocks in bf16
        self.first = nn.Conv2d(known, width, 3, padding=1)
        self.spread = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in range(num_blocks))
        self.mix = nn.ModuleList(nn.Conv2d(width, width, 1) for _ in range(num_blocks))

    def forward(self, c: Float[Tensor, "b k h w"]) -> Float[Tensor, "b n h w"]:
        """Features by position."""
        h = self.first(c)  # in full: bf16 resolves 1/256 and would not see a quantum
        with torch.autocast(c.device.type, torch.bfloat16, enabled=self.in_bf16):
            h = h.bfloat16() if self.in_bf16 else h
            for spread, mix in zip(self.spread, self.mix, strict=True):
                h = h + mix(F.silu(spread(F.silu(h))))
            return F.silu(h)


def _output(width: int, size: int) -> nn.Conv2d:
    """From a group's features to its means, log-scales, weights, and how each leans on the channels before it."""
    last = nn.Conv2d(width, 3 * size * COMPONENTS + size * (size - 1) // 2, 1)
    nn.init.normal_(last.weight, std=0.01)
    with torch.no_grad():  # means apart, or the components never part
        assert last.bias is not None
        last.bias.zero_()[: size * COMPONENTS] = torch.linspace(-1, 1, COMPONENTS).repeat(size)
    return last


class _Mixture(NamedTuple):
    """`[b, channel, component, h, w]` each, in standard deviations."""

    mean: Tensor
    log_scale: Tensor
    log_weight: Tensor

    def below_and_above(self, x: Float[Tensor, "b n h w"]) -> tuple[Tensor, Tensor]:
        """The probabilities on either side of x."""
        u, weight = (x[:, :, None] - self.mean) * torch.exp(-self.log_scale), self.log_weight.exp()
        below, above = ((weight * torch.exp(-F.softplus(side))).sum(2) for side in (-u, u))
        return below, above


class _Cells(NamedTuple):
    """Each detail's quantum under its mixture, in standard deviations.

    Arguments:
        low, width: the quantum's lower edge, and its width by channel.
        inside: the place within it.
    """

    mixture: _Mixture
    low: Float[Tensor, "b n h w"]
    width: Float[Tensor, "n 1 1"]
    inside: Float[Tensor, "b n h w"]

    @staticmethod
    def of(d: Details, mixture: _Mixture) -> _Cells:
        """The quanta in which the details lie."""
        whole, std = d.values.floor(), d.std[:, None, None]
        return _Cells(mixture, (whole - d.expected) / std, 1 / std, d.values - whole)

    def only(self, channel: int) -> _Cells:
        """Those of one channel."""
        here = slice(channel, channel + 1)
        mixture = _Mixture(*(part[:, here] for part in self.mixture))
        return _Cells(mixture, self.low[:, here], self.width[here], self.inside[:, here])

    def log_probability(self) -> Float[Tensor, "b n h w"]:
        """log P(k)."""
        return self._parts()[0].logsumexp(2)

    def normal(self) -> tuple[Float[Tensor, "b n h w"], Float[Tensor, "b n h w"]]:
        """Phi^-1(C(k) + u P(k)), by the tail on its own side, where nothing cancels; and log P(k)."""
        within, below, above = self._parts()
        nats = within.logsumexp(2)
        probability = nats.exp()
        low = below.exp().sum(2) + self.inside * probability
        high = above.exp().sum(2) + (1 - self.inside) * probability
        far = -torch.special.ndtri(torch.minimum(low, high).clamp(min=SMALLEST_TAIL, max=0.5))
        return torch.where(low > high, far, -far), nats

    def _parts(self) -> tuple[Tensor, Tensor, Tensor]:
        """What each component adds to the probability of the quantum, of all below and of all above it; logarithms.

        log (F(b) - F(a)) = log F(b) + log F(-a) + log(1 - e^(a - b)), where nothing cancels.
        """
        mean, log_scale, log_weight = self.mixture
        narrow = torch.exp(-log_scale)
        wide = self.width[:, None] * narrow
        a = (self.low[:, :, None] - mean) * narrow
        b = a + wide
        under, over = F.softplus(a), F.softplus(-b)  # -log F(-a), -log F(b)
        half = torch.tanh(wide / 2)  # 1 - e^-w = 2 half / (1 + half)
        share = torch.log(2 * half / (1 + half))
        return log_weight + share - under - over, log_weight + a - under, log_weight - b - over

    def drawn(self, generator: torch.Generator | None) -> _Cells:
        """Other quanta in place of these, drawn from the mixtures."""
        mean, log_scale, log_weight = self.mixture
        u = torch.rand(mean[:, :, :1].shape, generator=generator).to(mean)
        chosen = (u > log_weight.exp().cumsum(2)).sum(2, keepdim=True).clamp(max=COMPONENTS - 1)
        mean, log_scale = (part.gather(2, chosen)[:, :, 0] for part in (mean, log_scale))
        place = torch.rand(mean.shape, generator=generator).to(mean).clamp(1e-7, 1 - 1e-7)
        return self._at(mean + log_scale.exp() * torch.logit(place))

    def from_normal(self, z: Float[Tensor, "b n h w"]) -> Float[Tensor, "b n h w"]:
        """Values in quanta, less those of these cells: by bisection, since a mixture's CDF has no inverse in closed form."""
        mixture = self.mixture
        tail = torch.special.ndtr(-z.abs())
        u = torch.special.log_ndtr(z) - torch.special.log_ndtr(-z)
        each = mixture.mean + u[:, :, None] * mixture.log_scale.exp()
        low, high = each.amin(2), each.amax(2)  # the mixture's quantile lies between its components'
        for _ in range(50):
            half = (low + high) / 2
            below, above = mixture.below_and_above(half)
            under = torch.where(z < 0, below < tail, above > tail)
            low, high = torch.where(under, half, low), torch.where(under, high, half)
        cells = self._at((low + high) / 2)
        below, _ = mixture.below_and_above(cells.low)
        _, above = mixture.below_and_above(cells.low + cells.width)
        probability = cells.log_probability().exp().clamp(min=torch.finfo(z.dtype).tiny)
        inside = torch.where(z < 0, (tail - below) / probability, 1 - (tail - above) / probability)
        steps = ((cells.low - self.low) / self.width).round()
        return steps + inside.clamp(0, 1 - torch.finfo(z.dtype).eps)

    def _at(self, place: Float[Tensor, "b n h w"]) -> _Cells:
        """The cells of the same grid in which these places lie."""
        steps = torch.floor((place - self.low) / self.width)
        return self._replace(low=self.low + steps * self.width, inside=torch.zeros_like(place))


def chessboard(d: Details) -> Float[Tensor, "h w"]:
    """1 where row plus column are even in the whole image: the first half."""
    height, width = d.values.shape[2:]
    rows, columns = (torch.arange(side, device=d.values.device) for side in (height, width))
    return ((rows[:, None] + columns + d.parity + 1) % 2).to(d.values)


def compressed(d: Tensor) -> Tensor:
    """Details as networks see them: heavy tails drawn in."""
    return torch.asinh(4 * d)


def log_normal_map(z: Float[Tensor, "b c h w"], present: Tensor) -> Float[Tensor, "b h w"]:
    """log N(z; 0, I) by position over what is present, nats."""
    return (-0.5 * (z.square() + math.log(2 * math.pi)) * present).sum(1)


def _log_std_map(d: Details) -> Float[Tensor, "h w"]:
    return (d.present * d.std.log()[:, None, None]).sum(0)


def _leaning(lean: Tensor, before: Tensor, k: int) -> Float[Tensor, "b h w"]:
    """What channel k takes over from the channels before it."""
    first = k * (k - 1) // 2
    return (lean[:, first : first + k] * before[:, :k]).sum(1)
