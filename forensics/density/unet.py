"""The published noise-level classifier: DDPM's U-Net, then the mean over positions and a linear head (CDM, section 4).

Parameter names and structure are the reference's (github.com/shaharYadin/CDM, MIT), so its checkpoints load. Unlike a
denoiser it is never told the level: that is what it predicts. A class label, if there is one, enters every residual
block.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from oddpixel.errors import InvalidImage


@dataclass(frozen=True, kw_only=True)
class UNetOptions:
    """The reference's options under the reference's meaning; `num_classes` counts the null class, the last index."""

    channels: int = 128
    ch_mult: Sequence[int] = (1, 2, 2, 2)
    num_res_blocks: int = 2
    attn_resolutions: Sequence[int] = (16,)
    image_size: int = 32
    in_channels: int = 3
    dropout: float = 0.1
    resamp_with_conv: bool = True
    num_classes: int | None = None

    def __post_init__(self) -> None:
        for name in ("ch_mult", "attn_resolutions"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        coarsest = 2 ** (len(self.ch_mult) - 1)
        if self.image_size % coarsest:
            raise ValueError(f"image_size {self.image_size} is not a multiple of {coarsest}, as ch_mult needs")


class UNet(nn.Module):
    """`[b, c, h, w]` -> `[b, num_levels]`, raw outputs before the cumulative sum."""

    def __init__(self, options: UNetOptions, num_levels: int) -> None:
        super().__init__()
        self.options = options
        width, last = options.channels, len(options.ch_mult) - 1
        embedding = None if options.num_classes is None else 4 * width
        if options.num_classes is not None:
            self.label_emb = nn.Embedding(options.num_classes, width)
            self.temb = nn.Module()
            self.temb.dense = nn.ModuleList([nn.Linear(width, 4 * width), nn.Linear(4 * width, 4 * width)])

        def block(inputs: int, outputs: int) -> ResidualBlock:
            return ResidualBlock(inputs, outputs, options.dropout, embedding)

        def attention(channels: int, size: int) -> list[nn.Module]:
            return [Attention(channels)] if size in options.attn_resolutions else []

        self.conv_in = nn.Conv2d(options.in_channels, width, 3, padding=1)
        self.down = nn.ModuleList()
        channels, size, skips = width, options.image_size, [width]
        for level, factor in enumerate(options.ch_mult):
            stage = Stage()
            for _ in range(options.num_res_blocks):
                stage.block.append(block(channels, width * factor))
                channels = width * factor
                stage.attn.extend(attention(channels, size))
                skips.append(channels)
            if level != last:
                stage.downsample = Downsample(channels, options.resamp_with_conv)
                size //= 2
                skips.append(channels)
            self.down.append(stage)

        self.mid = nn.Module()
        self.mid.block_1, self.mid.attn_1, self.mid.block_2 = (
            block(channels, channels),
            Attention(channels),
            block(channels, channels),
        )

        stages = []
        for level, factor in reversed(list(enumerate(options.ch_mult))):
            stage = Stage()
            for _ in range(options.num_res_blocks + 1):
                stage.block.append(block(channels + skips.pop(), width * factor))
                channels = width * factor
                stage.attn.extend(attention(channels, size))
            if level != 0:
                stage.upsample = Upsample(channels, options.resamp_with_conv)
                size *= 2
            stages.append(stage)
        self.up = nn.ModuleList(reversed(stages))

        self.norm_out = normalise(channels)
        self.conv_out = nn.Conv2d(channels, 2 * channels, 3, padding=1)
        self.linear_layer = nn.Linear(2 * channels, num_levels)

    def forward(self, x: Float[Tensor, "b c h w"], labels: Int[Tensor, "b"] | None = None) -> Float[Tensor, "b k"]:
        """Steps between the logits of neighbouring noise levels, one row an image; their cumulative sum is F_k.

        Raises: InvalidImage on any other number of channels or size than it was built for.
        """
        self._check(x)
        embedding = None if labels is None else self._embed(labels)
        skips = [self.conv_in(x)]
        stage: Any
        for stage in self.down:
            for block, attend in stage.steps():
                skips.append(attend(block(skips[-1], embedding)))
            if hasattr(stage, "downsample"):
                skips.append(stage.downsample(skips[-1]))
        mid: Any = self.mid
        h = mid.block_2(mid.attn_1(mid.block_1(skips[-1], embedding)), embedding)
        for stage in reversed(self.up):
            for block, attend in stage.steps():
                h = attend(block(torch.cat([h, skips.pop()], 1), embedding))
            if hasattr(stage, "upsample"):
                h = stage.upsample(h)
        h = self.conv_out(F.silu(self.norm_out(h)))
        outputs: Tensor = self.linear_layer(h.mean((2, 3)))
        return outputs

    def _embed(self, labels: Tensor) -> Tensor:
        if self.options.num_classes is None:
            raise InvalidImage("labels were given to a model without classes")
        dense: Any = self.temb.dense
        first, second = dense
        embedding: Tensor = second(F.silu(first(self.label_emb(labels))))
        return embedding

    def _check(self, x: Tensor) -> None:
        wanted = (self.options.in_channels, self.options.image_size, self.options.image_size)
        if tuple(x.shape[1:]) != wanted:
            got = " x ".join(map(str, x.shape[1:]))
            raise InvalidImage(
                f"this model takes images of {wanted[0]} x {wanted[1]} x {wanted[2]} (channels x height x width), "
                f"got {got}; crop or resize, or use a model of that size"
            )


def normalise(channels: int) -> nn.GroupNorm:
    """Group normalisation in 32 groups, with the reference's epsilon."""
    return nn.GroupNorm(32, channels, eps=1e-6)


class Stage(nn.Module):
    """The blocks at one resolution, each with its attention where there is any."""

    def __init__(self) -> None:
        super().__init__()
        self.block, self.attn = nn.ModuleList(), nn.ModuleList()

    def steps(self) -> Iterator[tuple[nn.Module, Any]]:
        """Pairs of a residual block and its attention, the identity where the stage has none."""
        attention = self.attn or [nn.Identity()] * len(self.block)
        return zip(self.block, attention, strict=True)


class ResidualBlock(nn.Module):
    """Two normalised 3 x 3 convolutions and a shortcut; the class embedding is added between them."""

    def __init__(self, inputs: int, outputs: int, dropout: float, embedding: int | None) -> None:
        super().__init__()
        self.norm1, self.conv1 = normalise(inputs), nn.Conv2d(inputs, outputs, 3, padding=1)
        if embedding is not None:
            self.temb_proj = nn.Linear(embedding, outputs)
        self.norm2, self.conv2 = normalise(outputs), nn.Conv2d(outputs, outputs, 3, padding=1)
        self.dropout = nn.Dropout(dropout)
        if inputs != outputs:
            self.nin_shortcut = nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor, embedding: Tensor | None) -> Tensor:
        """x plus the residual; a 1 x 1 convolution matches channels where their number changes."""
        h = self.conv1(F.silu(self.norm1(x)))
        if embedding is not None:
            h = h + self.temb_proj(F.silu(embedding))[:, :, None, None]
        h = self.conv2(self.dropout(F.silu(self.norm2(h))))
        result: Tensor = h + (self.nin_shortcut(x) if hasattr(self, "nin_shortcut") else x)
        return result


class Attention(nn.Module):
    """Single-head self-attention over positions, written out: fused kernels have no second derivative."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = normalise(channels)
        self.q, self.k, self.v, self.proj_out = (nn.Conv2d(channels, channels, 1) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        """x plus what each position attends to over all positions."""
        h = self.norm(x)
        q, k, v = (layer(h).flatten(2) for layer in (self.q, self.k, self.v))  # [b, c, positions]
        weight = torch.softmax(q.transpose(1, 2) @ k * x.shape[1] ** -0.5, dim=2)
        attended: Tensor = self.proj_out((v @ weight.transpose(1, 2)).view_as(x))
        return x + attended


class Downsample(nn.Module):
    """Halve the size; the convolution's padding is on the far sides only, as in the reference."""

    def __init__(self, channels: int, with_conv: bool) -> None:
        super().__init__()
        if with_conv:
            self.conv = nn.Conv2d(channels, channels, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """Half the size: a convolution padded below and on the right, as the reference pads, or a 2 x 2 mean."""
        return self.conv(F.pad(x, (0, 1, 0, 1))) if hasattr(self, "conv") else F.avg_pool2d(x, 2)


class Upsample(nn.Module):
    """Twice the size by nearest neighbours, with a 3 x 3 convolution after it if wanted."""

    def __init__(self, channels: int, with_conv: bool) -> None:
        super().__init__()
        if with_conv:
            self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """`[b, c, 2 h, 2 w]`."""
        doubled = F.interpolate(x, scale_factor=2.0, mode="nearest")
        return self.conv(doubled) if hasattr(self, "conv") else doubled
