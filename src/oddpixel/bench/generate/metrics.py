"""How pictures are compared in `bench generate`: spectra, layout, kernel distance, nearest neighbours.

P(f)   radially averaged power of grey pictures with a Hann window; bands between Nyquist frequencies of two grids
KID    mean k(x, x') + mean k(y, y') - 2 mean k(x, y) without the diagonals, k(a, b) = (a.b / d + 1)^3
       (Binkowski et al. 2018, section 3.1), on features of EfficientNet-Lite0: not comparable with Inception's
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import interpolate

Pictures = Float[Tensor, "_n 3 _h _w"]


def grey(pictures: Pictures) -> Float[Tensor, "_n _h _w"]:
    """The luminance of RGB pictures."""
    return (pictures * pictures.new_tensor([0.299, 0.587, 0.114])[:, None, None]).sum(1)


def band_power(pictures: Pictures, low: float, high: float) -> Float[Tensor, "_n"]:
    """The power of each picture between two frequencies, in cycles per pixel.

    Arguments:
        low, high: 0..0.5; corners beyond 0.5 belong to no band.
    """
    shown = grey(pictures)
    height, width = shown.shape[1:]
    window = torch.hann_window(height)[:, None] * torch.hann_window(width)[None]
    spectrum = torch.fft.fft2((shown - shown.mean((1, 2), keepdim=True)) * window).abs().square()
    frequency = torch.hypot(torch.fft.fftfreq(height)[:, None], torch.fft.fftfreq(width)[None])
    result: Float[Tensor, "_n"] = spectrum[:, (frequency > low) & (frequency <= high)].mean(1)
    return result


def decibels(ratio: Float[Tensor, "_n"]) -> float:
    """The median of power ratios in decibels, so that no single picture decides."""
    return float(10 * ratio.clamp(min=1e-12).log10().median())


def layout_correlation(pictures: Pictures, references: Pictures, side: int) -> Float[Tensor, "_n"]:
    """The correlation of area means over `side` x `side` places, each picture with its own reference, colours together."""
    means, reference_means = (
        interpolate(batch, size=(side, side), mode="area").flatten(1) for batch in (pictures, references)
    )
    means, reference_means = (values - values.mean(1, keepdim=True) for values in (means, reference_means))
    result: Float[Tensor, "_n"] = (means * reference_means).sum(1) / (
        means.norm(dim=1) * reference_means.norm(dim=1)
    ).clamp(min=1e-12)
    return result


@torch.no_grad()
def features(encoder: nn.Module, pictures: Pictures) -> Float[Tensor, "_n _d"]:
    """The mean and deviation over places of the encoder's patches."""
    kept = []
    for part in pictures.split(8):
        patches = encoder(part)
        kept.append(torch.cat([patches.mean((2, 3)), patches.std((2, 3))], dim=1))
    return torch.cat(kept)


def kernel_distance(x: np.ndarray, y: np.ndarray) -> float:
    """The unbiased kernel distance; zero on average between two samples of one distribution."""

    def kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        values: np.ndarray = (a @ b.T / a.shape[1] + 1) ** 3
        return values

    def within(a: np.ndarray) -> float:
        values = kernel(a, a)
        return float((values.sum() - np.trace(values)) / (len(a) * (len(a) - 1)))

    return within(x) + within(y) - 2 * float(kernel(x, y).mean())


def nearest_distances(pictures: Pictures, bank: Pictures, side: int = 16) -> Float[Tensor, "_n"]:
    """The distance of each picture to the nearest known one: root mean square of standardised thumbnails."""
    queries, bank_thumbnails = (_thumbnails(batch, side) for batch in (pictures, bank))
    result: Float[Tensor, "_n"] = torch.cdist(queries, bank_thumbnails).min(1).values / queries.shape[1] ** 0.5
    return result


def _thumbnails(pictures: Pictures, side: int) -> Float[Tensor, "_n _d"]:
    flat = interpolate(pictures, size=(side, side), mode="area").flatten(1)
    flat = flat - flat.mean(1, keepdim=True)
    return flat / flat.std(1, keepdim=True).clamp(min=1e-3)
