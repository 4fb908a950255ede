"""EfficientNet-Lite0, the encoder in the package (Tan and Le 2019, without squeeze-and-excitation, with ReLU6).

Patches are what its stages at strides 8 and 16 say, averaged over 3 x 3 neighbours and put side by side (PatchCore, Roth et al.
2022, section 3.1). The whole is the mean and deviation over places of four stages down to stride 32, each at length 1, so that
none drowns the others.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from oddpixel.weights import load_weights, read_weights

from .embedding import moments

# Of each stage: blocks, widening, kernel, stride, channels (EfficientNet, table 1); the head is not used.
STAGES = (
    (1, 1, 3, 1, 16), (2, 6, 3, 2, 24), (2, 6, 5, 2, 40), (3, 6, 3, 2, 80), (3, 6, 5, 1, 112), (4, 6, 5, 2, 192),
    (1, 6, 3, 1, 320),
)  # fmt: skip
STEM = 32
READ_AFTER = (2, 4)  # stages at stride 8 and 16
WHOLE_AFTER = (2, 4, 5, 6)


class EfficientNetLite0(nn.Module):
    """The network under the names of the published state dict, so that it loads as it is."""

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem = nn.Conv2d(3, STEM, 3, 2, bias=False)
        self._bn0 = _norm(STEM)
        blocks: list[_Block] = []
        self.ends: list[int] = []
        channels = STEM
        for count, widening, kernel, stride, out in STAGES:
            for index in range(count):
                blocks.append(_Block(channels, out, widening, kernel, stride if index == 0 else 1))
                channels = out
            self.ends.append(len(blocks))
        self._blocks = nn.ModuleList(blocks)

    @property
    def num_features(self) -> int:
        """The channels of a patch embedding: those of both stages together."""
        return sum(STAGES[stage][-1] for stage in READ_AFTER)

    def forward(self, x: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b d p q"]:
        """Patch embeddings `[b, d, p, q]` of `x` in 0..1; `p, q` are `h, w` over 8, rounded up."""
        fine, *coarser = (F.avg_pool2d(h, 3, 1, 1, count_include_pad=False) for h in self._after(READ_AFTER, x))
        size = fine.shape[2:]
        return torch.cat([fine, *(F.interpolate(coarse, size, mode="bilinear") for coarse in coarser)], 1)

    def whole(self, x: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b e"]:
        """The picture as one vector, from `x` in 0..1."""
        return torch.cat([F.normalize(moments(h)) for h in self._after(WHOLE_AFTER, x)], 1)

    def _after(self, stages: Sequence[int], x: Tensor) -> Iterator[Tensor]:
        """What some stages put out; blocks after the last of them are not run."""
        x = ((x - 0.498) / 0.502).contiguous(memory_format=torch.channels_last)
        h = F.relu6(self._bn0(_same(self._conv_stem, x)))
        ends = [self.ends[stage] for stage in stages]
        for index, block in enumerate(self._blocks[: ends[-1]], 1):
            h = block(h)
            if index in ends:
                yield h


class _Block(nn.Module):
    """Widen, convolve each channel by itself, narrow; added to what came in where the shapes agree (MobileNetV2)."""

    def __init__(self, channels: int, out: int, widening: int, kernel: int, stride: int) -> None:
        super().__init__()
        wide = channels * widening
        self.adds, self.widens = stride == 1 and channels == out, widening > 1
        if self.widens:
            self._expand_conv, self._bn0 = nn.Conv2d(channels, wide, 1, bias=False), _norm(wide)
        self._depthwise_conv = nn.Conv2d(wide, wide, kernel, stride, groups=wide, bias=False)
        self._bn1 = _norm(wide)
        self._project_conv, self._bn2 = nn.Conv2d(wide, out, 1, bias=False), _norm(out)

    def forward(self, x: Tensor) -> Tensor:
        h = F.relu6(self._bn0(self._expand_conv(x))) if self.widens else x
        h = F.relu6(self._bn1(_same(self._depthwise_conv, h)))
        h = self._bn2(self._project_conv(h))
        result: Tensor = x + h if self.adds else h
        return result


def load_efficientnet(weights: Path) -> EfficientNetLite0:
    """From safetensors of this network, or from the published state dict.

    Raises: MissingWeights, CorruptWeights, WrongArchitecture.
    """
    encoder = EfficientNetLite0()
    state, wanted = read_weights(weights), encoder.state_dict()
    counters = {key: value for key, value in wanted.items() if key.endswith("num_batches_tracked")}
    load_weights(encoder, {key: value.float() for key, value in state.items() if key in wanted} | counters)
    return _folded(encoder.eval())


def _folded(encoder: EfficientNetLite0) -> EfficientNetLite0:
    """With its normalisations inside the convolutions before them: with channels last, the same function in two thirds of the
    time (a picture of 320 pixels: 0.087 instead of 0.114 CPU s; of 513: 0.17 instead of 0.29)."""
    _fold(encoder, {"_conv_stem": "_bn0"})
    for block in encoder._blocks:
        assert isinstance(block, _Block)
        _fold(block, {"_expand_conv": "_bn0", "_depthwise_conv": "_bn1", "_project_conv": "_bn2"})
    return encoder


def _fold(module: nn.Module, pairs: dict[str, str]) -> None:
    for convolution, norm in pairs.items():
        if hasattr(module, convolution):
            fused: nn.Conv2d = fuse_conv_bn_eval(getattr(module, convolution), getattr(module, norm))
            fused.weight.data = fused.weight.data.contiguous(memory_format=torch.channels_last)
            setattr(module, convolution, fused)
            setattr(module, norm, nn.Identity())


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3)


def _same(convolution: nn.Conv2d, x: Tensor) -> Tensor:
    """TensorFlow's padding: as little as needed, the odd pixel at the end."""
    kernel, stride = convolution.kernel_size[0], convolution.stride[0]
    rows, columns = (max((-(-side // stride) - 1) * stride + kernel - side, 0) for side in x.shape[2:])
    padding = rows // 2, columns // 2
    if rows % 2 or columns % 2:
        x, padding = F.pad(x, (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2)), (0, 0)
    return F.conv2d(x, convolution.weight, convolution.bias, stride, padding, groups=convolution.groups)
