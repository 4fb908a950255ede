"""Low-resolution features at any size: a transformer writes the weights of a small network of coordinates.

    tokens     = Linear(conv(feature)) + position, and g learned weight tokens for each of two layers
    W_l        = columns of (base_l * factor of the column's group), normalised; the last row is a bias and stays
    map(p)     = conv( W_2 relu( W_1 gamma(p) ) ),   gamma(p) = cos, sin of pi p w,  64 w from 1 to `finest` for each axis
    out        = norm_s( LN( time( fuse[ map + nearest(feature), x ] ) ) )

p are centres of pixels in (-1, 1), row first. UltraPixel (Ren et al. 2024, section 3.2), after Trans-INR (Chen, Wang 2022).
`finest` = 1024 as published lies far above what a grid can show: areas of a larger map then do not average to the smaller
one. Ours is band-limited (`BAND_LIMITED`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import interpolate, normalize, relu, scaled_dot_product_attention

from oddpixel.errors import UsageError

from .scale_norm import ScaleAwareNorm
from .scale_shift import ScaleShift


@dataclass(frozen=True, kw_only=True)
class ImplicitOptions:
    """Sizes of a guidance network.

    Arguments:
        width: of the features that are guided.
        inner, heads, hidden: widths of the transformer, its attention, and the written layers.
        groups: factors a row of each written layer; divides `hidden`.
        frequencies: an axis; the code has four times as many values.
        finest: the largest w.
        positions: tokens that a low-resolution feature may have, in raster order.
    """

    width: int = 2048
    inner: int = 1024
    heads: int = 32
    head_width: int = 32
    hidden: int = 1024
    groups: int = 64
    frequencies: int = 64
    finest: float = 1024.0
    positions: int = 1024
    time: int = 64


PUBLISHED = ImplicitOptions()
BAND_LIMITED = ImplicitOptions(finest=8.0)
LAYERS = ("wb0", "wb1")
Map = Float[Tensor, "_b _c _h _w"]


class ImplicitGuidance(nn.Module):
    """The guidance network of one block; names are those of the published weights."""

    def __init__(self, options: ImplicitOptions) -> None:
        super().__init__()
        self.options = options
        width, inner, hidden, code = options.width, options.inner, options.hidden, 4 * options.frequencies
        self.wtokens = nn.Parameter(torch.randn(len(LAYERS) * options.groups, inner))
        self.input_layer = nn.Conv2d(width, inner, 1)
        self.tokenizer = Tokenizer(inner, options.positions)
        self.transformer_encoder = Transformer(inner, options.heads, options.head_width)
        rows = dict(zip(LAYERS, (code, hidden), strict=True))
        self.base_params = nn.ParameterDict({name: _base(count, hidden) for name, count in rows.items()})
        self.wtoken_postfc = nn.ModuleDict(
            {name: nn.Sequential(nn.LayerNorm(inner), nn.Linear(inner, count)) for name, count in rows.items()}
        )
        self.output_layer = nn.Conv2d(hidden, width, 1)
        self.toout = nn.Sequential(nn.Linear(2 * width, width // 4), nn.GELU(), nn.Linear(width // 4, width))
        self.mapp_t = ScaleShift(width, options.time)
        self.norm = nn.LayerNorm(width, elementwise_affine=False, eps=1e-6)
        self.hr_norm = ScaleAwareNorm(width)

    def forward(self, x: Map, feature: Map, embedded_time: Float[Tensor, "b e"]) -> Map:
        """The residual to add to `x`, given the low-resolution feature of the same block."""
        return self.fuse(x, self.prepared(feature, x.shape[2:]), embedded_time)

    def silence(self) -> None:
        """Initialise to no guidance: (2 + a) x + b is 0 where a = -2 and b = 0, at every scale."""
        mapper = self.hr_norm.mapping.mapper
        nn.init.zeros_(mapper.weight)
        nn.init.zeros_(mapper.bias)
        mapper.bias.data[: self.options.width] = -2.0

    def prepared(self, feature: Map, size: tuple[int, int] | torch.Size) -> Float[Tensor, "b _n _d"]:
        """All that does not depend on `x`, once for the steps of one sampling: the left half of the first fusing layer."""
        shown = self.map(self.written(self.weight_tokens(feature)), size) + interpolate(feature, size=size)
        first = cast(nn.Linear, self.toout[0])
        return shown.flatten(2).transpose(1, 2) @ first.weight[:, : self.options.width].T + first.bias

    def fuse(self, x: Map, prepared: Float[Tensor, "b _n _d"], embedded_time: Float[Tensor, "b e"]) -> Map:
        """The residual to add to `x`, from prepared features."""
        result: Map = self.hr_norm(self.normalised(self.joined(x, prepared), embedded_time))
        return result

    def weight_tokens(self, feature: Map) -> Float[Tensor, "b _g _d"]:
        """The transformer's output at the learned weight tokens.

        Raises: UsageError where the feature has more places than positions were learned for.
        """
        tokens = self.tokenizer(self.input_layer(feature).flatten(2).transpose(1, 2))
        count = tokens.shape[1]
        written = self.wtokens.expand(len(tokens), -1, -1)
        attended: Tensor = self.transformer_encoder(torch.cat([tokens, written], dim=1))
        return attended[:, count:]

    def written(self, weight_tokens: Float[Tensor, "b _g _d"]) -> list[Float[Tensor, "b _r _h"]]:
        """The weight matrices of the coordinate network; the last row is the bias."""
        matrices = []
        for name, tokens in zip(LAYERS, weight_tokens.chunk(len(LAYERS), dim=1), strict=True):
            base = self.base_params[name]
            factors = self.wtoken_postfc[name](tokens).transpose(1, 2)
            factors = factors.repeat(1, 1, base.shape[1] // factors.shape[2])
            weight = normalize(base[:-1] * factors, dim=1)
            matrices.append(torch.cat([weight, base[-1:].expand(len(tokens), -1, -1)], dim=1))
        return matrices

    def map(self, matrices: list[Float[Tensor, "b _r _h"]], size: tuple[int, int] | torch.Size) -> Map:
        """Evaluate the coordinate network on a grid of this size."""
        height, width = size
        first = matrices[0]
        places = coordinates(height, width, first.device).view(1, height * width, 2)
        code = encoded(places, self.options.frequencies, self.options.finest).to(first.dtype)
        values = code.expand(len(first), -1, -1)
        for index, matrix in enumerate(matrices):
            values = (relu(values) if index else values) @ matrix[:, :-1] + matrix[:, -1:]
        shown: Tensor = self.output_layer(values.transpose(1, 2).unflatten(2, (height, width)))
        return shown

    def joined(self, x: Map, prepared: Float[Tensor, "b _n _d"]) -> Map:
        """Both fusing layers over [prepared, x]."""
        right = cast(nn.Linear, self.toout[0]).weight[:, self.options.width :]
        tokens = x.flatten(2).transpose(1, 2) @ right.T + prepared
        fused: Tensor = self.toout[2](self.toout[1](tokens))
        result: Map = fused.transpose(1, 2).unflatten(2, x.shape[2:])
        return result

    def normalised(self, fused: Map, embedded_time: Float[Tensor, "b e"]) -> Map:
        """Time modulation, then layer normalisation over channels."""
        timed = self.mapp_t(fused, embedded_time)
        normed: Tensor = self.norm(timed.permute(0, 2, 3, 1))
        return normed.permute(0, 3, 1, 2)


class Tokenizer(nn.Module):
    """Tokens of the low-resolution feature, each with a learned position in raster order."""

    def __init__(self, width: int, positions: int) -> None:
        super().__init__()
        self.posemb = nn.Parameter(torch.randn(positions, width))
        self.prefc = nn.Linear(width, width)

    def forward(self, tokens: Float[Tensor, "b n d"]) -> Float[Tensor, "b n d"]:
        """Project the tokens and add their positions. Raises: UsageError where there are more than learned positions."""
        count, num_positions = tokens.shape[1], len(self.posemb)
        if count > num_positions:
            raise UsageError(
                f"guidance has {num_positions} positions for a low-resolution feature, got {count}; use a smaller grid"
            )
        result: Float[Tensor, "b n d"] = self.prefc(tokens) + self.posemb[:count]
        return result


class Transformer(nn.Module):
    """One pre-norm layer; queries and keys of SiLU'd tokens, no projection of the output, a feed-forward of ratio 1."""

    def __init__(self, width: int, heads: int, head_width: int) -> None:
        super().__init__()
        attention = _PreNorm(width, Attention(width, heads, head_width))
        self.layers = nn.ModuleList([nn.ModuleList([attention, _PreNorm(width, FeedForward(width))])])

    def forward(self, x: Float[Tensor, "b n d"]) -> Float[Tensor, "b n d"]:
        """Attention, then feed-forward, each with a residual connection."""
        for layer in self.layers:
            for part in cast(nn.ModuleList, layer):
                x = x + part(x)
        return x


class Attention(nn.Module):
    """Multi-head self-attention without an output projection."""

    def __init__(self, width: int, heads: int, head_width: int) -> None:
        super().__init__()
        self.heads = heads
        self.to_q = nn.Sequential(nn.SiLU(), nn.Linear(width, heads * head_width))
        self.to_kv = nn.Sequential(nn.SiLU(), nn.Linear(width, 2 * heads * head_width))

    def forward(self, x: Float[Tensor, "b n d"]) -> Float[Tensor, "b n d"]:
        """Attend over the tokens; the width changes to heads * head_width."""
        parts = (self.to_q(x), *self.to_kv(x).chunk(2, dim=-1))
        q, k, v = (part.unflatten(2, (self.heads, -1)).transpose(1, 2) for part in parts)
        return scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)


class FeedForward(nn.Module):
    """Two linear layers of one width, with GELU between."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Identity(), nn.Linear(width, width))

    def forward(self, x: Float[Tensor, "b n d"]) -> Float[Tensor, "b n d"]:
        """Transform each token by itself."""
        changed: Tensor = self.net(x)
        return changed


class _PreNorm(nn.Module):
    def __init__(self, width: int, fn: nn.Module) -> None:
        super().__init__()
        self.norm, self.fn = nn.LayerNorm(width), fn

    def forward(self, x: Tensor) -> Tensor:
        changed: Tensor = self.fn(self.norm(x))
        return changed


def coordinates(height: int, width: int, device: torch.device | str = "cpu") -> Float[Tensor, "h w 2"]:
    """Pixel centres in (-1, 1), row first."""
    rows, columns = (-1 + 2 * (torch.arange(n, device=device) + 0.5) / n for n in (height, width))
    return torch.stack(torch.meshgrid(rows, columns, indexing="ij"), dim=-1)


def encoded(places: Float[Tensor, "b n 2"], frequencies: int, finest: float) -> Float[Tensor, "b n e"]:
    """Fourier features, cos then sin of pi p w: the row's for all w, then the column's."""
    # In this very order, the exponential correctly rounded: at w of 1024 the last bit of float32 is worth 1e-4 radians.
    w = torch.linspace(0, math.log(finest), frequencies, device=places.device).double().exp().float()
    angles = math.pi * (places[..., None] * w).flatten(2)
    return torch.cat([angles.cos(), angles.sin()], dim=-1)


def _base(rows: int, columns: int) -> nn.Parameter:
    weight = torch.empty(rows + 1, columns)
    nn.init.kaiming_uniform_(weight[:-1], a=math.sqrt(5))
    nn.init.uniform_(weight[-1:], -1 / math.sqrt(rows), 1 / math.sqrt(rows))
    return nn.Parameter(weight)
