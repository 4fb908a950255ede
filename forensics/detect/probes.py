"""Probing the density model with noise: what it makes of a disturbed image, beyond what one forward pass says. Costly, so
only for detectors that ask for it (`--channels`).

    surprise   |e - e_hat|^2 less the error that the model itself expects, a dimension: content-corrected, with two sides
               (`density.surprise`). By place it is the restoration residual of a frequency band, x - E[x | noisy] =
               (sigma / alpha)(e_hat - e), beyond what this content lets expect
    norms      root mean square of the score at the image itself (MSMA, Mahmood et al. 2021)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Float32
from torch import Tensor

from oddpixel.forensics.density.probing import score_norms
from oddpixel.forensics.density.pyramid import Pyramid
from oddpixel.forensics.density.surprise import error_maps

SCALES = 4
LEVELS = (4.0, 2.0, 0.0)  # log-SNR; below, the content no longer shows through
DRAWS = 2


@dataclass(frozen=True, eq=False)
class Probed:
    """What probing the density model with noise gives for one image.

    Arguments:
        surprise, norms: by scale and level; NaN for scales that the image is too small to have.
        patches: surprise by place.
    """

    surprise: Float32[np.ndarray, "_d"]
    norms: Float32[np.ndarray, "_d"]
    patches: Float32[np.ndarray, "_p _q _d"]


def probe_names() -> list[str]:
    """What each entry is: `scale:surprise log-SNR`."""
    return [f"{scale}:surprise {level:+.1f}" for scale in range(SCALES) for level in LEVELS]


def probed(model: Pyramid, x: Float[Tensor, "1 c h w"], grid: tuple[int, int], generator: torch.Generator) -> Probed:
    """Probe the finest `SCALES` scales at every level in `LEVELS`, each with `DRAWS` draws of noise.

    Arguments:
        grid: rows and columns of the patches.
    """
    surprise, patches = [], []
    for scale in model.split(x)[:-1][:SCALES]:
        z = scale.to_normal()
        dims = scale.present.sum(0).clamp(min=1)
        for level in LEVELS:
            pairs = [
                error_maps(scale.conditional, z, scale.known, scale.present, level, generator) for _ in range(DRAWS)
            ]
            beyond = torch.stack([actual - predicted for actual, predicted in pairs]).mean(0)
            surprise.append(beyond.sum() / scale.num_dims)
            patches.append(_on_grid((beyond / dims)[:, None], grid))
    missing = SCALES * len(LEVELS) - len(surprise)
    with torch.no_grad():
        norms = score_norms(model, x, torch.tensor(LEVELS))[0, :-1][:SCALES].flatten()
    absent = torch.full((missing,), torch.nan)
    patches += [torch.zeros_like(patches[0])] * missing
    return Probed(
        surprise=torch.cat([torch.stack(surprise), absent]).numpy().astype(np.float32),
        norms=torch.cat([norms, absent]).numpy().astype(np.float32),
        patches=np.ascontiguousarray(torch.cat(patches, 1)[0].permute(1, 2, 0).numpy()),
    )


def _on_grid(values: Tensor, grid: tuple[int, int]) -> Tensor:
    """Means over cells, then over 3 x 3 of them."""
    if values.shape[2] >= grid[0] and values.shape[3] >= grid[1]:
        cells = F.adaptive_avg_pool2d(values, grid)
    else:
        cells = F.interpolate(values, grid, mode="bilinear")
    return F.avg_pool2d(cells, 3, 1, 1, count_include_pad=False)
