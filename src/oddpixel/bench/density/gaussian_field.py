"""A stationary Gaussian field on a torus, rounded to whole grey levels: data whose entropy is known.

With power spectrum S (variance per Fourier mode, mean S = marginal variance), the differential entropy per pixel is
1/2 mean log2(2 pi e S). Rounding adds the variance 1/12 of a uniform error, independent as long as the conditional
standard deviation is above about 2 grey levels, so the discrete entropy is 1/2 mean log2(2 pi e (S + 1/12)).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64


@dataclass(frozen=True, kw_only=True)
class GaussianField:
    """The field's parameters, from which its spectrum and entropy follow.

    Arguments:
        size: side in pixels.
        marginal_std: of one pixel, in grey levels.
        corner: spatial frequency (cycles a pixel) where the spectrum bends down; smaller is smoother.
        floor: white part of the spectrum, in grey levels squared.
    """

    size: int = 8
    marginal_std: float = 24.0
    corner: float = 0.15
    floor: float = 9.0
    mean: float = 128.0

    def spectrum(self) -> Float64[np.ndarray, "h w"]:
        """S, the variance of each Fourier mode, in grey levels squared."""
        f = np.fft.fftfreq(self.size)
        shape = (1 + (f[:, None] ** 2 + f[None] ** 2) / self.corner**2) ** -2.0
        result: Float64[np.ndarray, "h w"] = self.floor + shape * (self.marginal_std**2 - self.floor) / shape.mean()
        return result

    def conditional_std(self) -> float:
        """The standard deviation of a pixel given all others: the precision matrix's diagonal is the mean of 1 / S."""
        return float(1 / np.sqrt((1 / self.spectrum()).mean()))

    def entropy_bits_per_dim(self) -> float:
        """The exact entropy of the rounded field, in bits per pixel."""
        return float(0.5 * np.log2(2 * np.pi * np.e * (self.spectrum() + 1 / 12)).mean())

    def sample(self, count: int, seed: int) -> Int64[np.ndarray, "n 1 h w"]:
        """Fields drawn and rounded to grey levels; the range 0..255 is five standard deviations away."""
        white = np.random.default_rng(seed).standard_normal((count, self.size, self.size))
        field = np.fft.ifft2(np.fft.fft2(white) * np.sqrt(self.spectrum())).real + self.mean
        return np.rint(field).clip(0, 255).astype(np.int64)[:, None]
