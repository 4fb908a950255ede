"""What is measured of each place of 8 x 8 pixels: the traces that forensic tests look for, before any learning.

    co-occurrences   of four third-order residuals in a row, in three values, mirror images and signs taken together, along
                     both axes (Cozzolino, Poggi and Verdoliva, WIFS 2015)
    DCT              log magnitudes of the block's coefficients: compression, blur, noise by frequency
    residuals        their power by colour, correlation between colours, autocorrelation (resampling), power on each of the
                     four places of a colour mosaic
    content          colour, contrast and clipping, on which all of these depend

A network that was to find such traces by itself, from pixels, had found less after 16,000 crops than these show at once.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from scipy.fft import dct
from torch import Tensor

from ..exhibit import LUMA
from ..patterns import folded

PLACE = 8  # pixels a side
AROUND = 3  # places a side over which frequencies and correlations are taken
LAGS = ((0, 1), (1, 0), (1, 1), (1, -1), (0, 2), (2, 0))
FLOOR = 0.05  # grey levels squared: a residual's power below this counts as this


@torch.no_grad()
def traces_of(pixels: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b f p q"]:
    """All measurements by place, of grey levels 0..255; `h` and `w` are multiples of 8."""
    grey = (pixels * torch.from_numpy(LUMA).to(pixels)[:, None, None]).sum(1)
    return torch.cat([_dct(grey), _co_occurrences(grey), _residuals(pixels, grey), _content(pixels, grey)], 1)


@cache
def num_traces() -> int:
    """How many measurements there are of a place."""
    return traces_of(torch.zeros(1, 3, 32, 32)).shape[1]


def _blocks(x: Float[Tensor, "*b h w"]) -> Float[Tensor, "*b p q s"]:
    """The pixels of each place, as one row."""
    *lead, height, width = x.shape
    cut = x.reshape(*lead, height // PLACE, PLACE, width // PLACE, PLACE)
    return cut.transpose(-3, -2).reshape(*lead, height // PLACE, width // PLACE, PLACE * PLACE)


def _dct(grey: Float[Tensor, "b h w"]) -> Float[Tensor, "b 63 p q"]:
    basis = torch.from_numpy(dct(np.eye(PLACE), axis=0, norm="ortho")).to(grey)
    coefficients = _blocks(grey) @ torch.kron(basis, basis).T
    return torch.log(coefficients[..., 1:].abs() + 1).movedim(-1, 1)


def _around(x: Float[Tensor, "b c p q"]) -> Float[Tensor, "b c p q"]:
    """The mean over neighbouring places; of those that there are, at the border."""
    return F.avg_pool2d(x, AROUND, 1, AROUND // 2, count_include_pad=False)


def _co_occurrences(grey: Float[Tensor, "b h w"]) -> Float[Tensor, "b k p q"]:
    along = _patterns(grey)
    down = _patterns(grey.transpose(1, 2)).transpose(2, 3)
    return torch.cat([along, down], 1)


def _patterns(grey: Float[Tensor, "b h w"]) -> Float[Tensor, "b k p q"]:
    """Square roots of the frequencies of patterns along rows."""
    height, width = grey.shape[1:]
    grey = F.pad(grey[:, None], (0, 6, 0, 0), mode="reflect")[:, 0]
    residual = grey[..., :-3] - 3 * grey[..., 1:-2] + 3 * grey[..., 2:-1] - grey[..., 3:]
    step = (1.5 * residual.abs().flatten(1).median(1).values).clamp(min=1.0)[:, None, None]
    values = (residual / step).round().clamp(-1, 1).to(torch.int32) + 1
    number = ((values[..., :-3] * 3 + values[..., 1:-2]) * 3 + values[..., 2:-1]) * 3 + values[..., 3:]
    of_pattern = torch.from_numpy(folded()).to(grey.device)
    rows, columns, num = height // PLACE, width // PLACE, int(of_pattern.max()) + 1
    place = torch.arange(len(grey) * rows * columns, device=grey.device).reshape(-1, rows, 1, columns, 1)
    kinds = of_pattern[number[..., :width]].reshape(-1, rows, PLACE, columns, PLACE)
    counts = torch.bincount((place * num + kinds).flatten(), minlength=place.numel() * num)
    shares = counts.reshape(len(grey), rows, columns, num).movedim(-1, 1).to(grey) / PLACE**2
    return _around(shares).sqrt()


def _residuals(pixels: Float[Tensor, "b 3 h w"], grey: Float[Tensor, "b h w"]) -> Float[Tensor, "b k p q"]:
    kernel = pixels.new_tensor([[1, 2, 1], [2, 4, 2], [1, 2, 1]]) / 16
    every = torch.cat([pixels, grey[:, None]], 1)
    residual = every - F.conv2d(F.pad(every, (1, 1, 1, 1), mode="reflect"), kernel.expand(4, 1, 3, 3), groups=4)
    power = F.avg_pool2d(residual.square(), PLACE)
    near = _around(power) + FLOOR
    red, green, blue, bright = residual.unbind(1)
    between = [_around(F.avg_pool2d((a * b)[:, None], PLACE)) for a, b in ((red, green), (green, blue), (red, blue))]
    scales = [(near[:, a] * near[:, b]).sqrt()[:, None] for a, b in ((0, 1), (1, 2), (0, 2))]
    correlations = [product / scale for product, scale in zip(between, scales, strict=True)]
    lags = [
        _around(F.avg_pool2d((bright * torch.roll(bright, lag, (1, 2)))[:, None], PLACE)) / near[:, 3:] for lag in LAGS
    ]
    mosaic = [
        F.avg_pool2d(green[:, None, down::2, right::2].square(), PLACE // 2) for down in (0, 1) for right in (0, 1)
    ]
    phases = [torch.log((_around(part) + FLOOR) / near[:, 1:2]) for part in mosaic]
    return torch.cat([torch.log(power + FLOOR), torch.log(near), *correlations, *lags, *phases], 1)


def _content(pixels: Float[Tensor, "b 3 h w"], grey: Float[Tensor, "b h w"]) -> Float[Tensor, "b 5 p q"]:
    clipped = ((grey < 2) | (grey > 253)).float()[:, None]
    spread = _blocks(grey).std(-1)[:, None]
    return torch.cat([F.avg_pool2d(pixels, PLACE) / 64 - 2, torch.log(spread + 1), F.avg_pool2d(clipped, PLACE)], 1)
