"""The bundled pyramids (`oddpixel bench density`).

*Held-out photographs*: bits/dim of whole photographs from test roles, by one pass and by the identity, against lossless
codecs on the same pixels; by scale; in bf16; samples. What it costs: `oddpixel bench likelihood_cost`; what a likelihood
cannot do alone: `bench paradox`; whether the denoisers know their own errors: `bench consistency`.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import spearmanr

from oddpixel.bench import Report
from oddpixel.forensics.density.dequantised import Dequantised
from oddpixel.forensics.density.haar import EVERYTHING
from oddpixel.forensics.density.model import bits_per_dim
from oddpixel.forensics.density.probing import identity_log_likelihoods
from oddpixel.forensics.density.pyramid import Pyramid
from oddpixel.forensics.density.store import load_pyramid

from .held_out import Photograph, codec_bits, photographs
from .samples import write_sheet

CROP = 128  # pixels a side for what takes many evaluations
WEBP_SHARE = 0.95


def run(model: str = "photo-rgb", seed: int = 0, sheets: Path | None = Path("docs/density")) -> Report:
    """Compare a pyramid's bits/dim on held-out photographs with lossless codecs, by scale and in bf16."""
    pyramid = load_pyramid(model)
    tested = list(photographs("test", at_most=2))
    rows = [_against_codecs(pyramid, photograph, seed) for photograph in tested]
    summary = _summary(rows, seed)
    tables = {
        "held-out photographs, mean": [summary],
        "held-out photographs": rows,
        "held-out photographs by scale": _by_scale(pyramid, tested),
    }
    tables["bf16 against float32"] = [_precision(pyramid, tested)]
    if sheets is not None:
        write_sheet(sheets, model, pyramid, seed)
    inside = summary["ratio_to_webp"] <= WEBP_SHARE
    notes = [
        f"{len(rows)} photographs of {len({row['package'] for row in rows})} packages, reduced 2 x; "
        f"identity on a window of {CROP} pixels of each, added where it exceeds one pass there; "
        f"aim {WEBP_SHARE} x lossless WebP: {'met' if inside else 'missed'}"
    ]
    return Report(tables=tables, seed=seed, notes=notes)


def _against_codecs(model: Pyramid, photograph: Photograph, seed: int) -> dict[str, Any]:
    whole = model.measure(photograph.as_image())["bits_per_dim"]
    one_pass, identity = _crop_bits(model, photograph, seed)
    codecs = codec_bits(photograph.values)
    larger = whole + max(0.0, identity - one_pass)
    return {
        "package": photograph.package,
        "size": "x".join(map(str, photograph.values.shape[:0:-1])),
        "one_pass": whole,
        "one_pass_crop": one_pass,
        "identity_crop": identity,
        "larger": larger,
        **codecs,
        "ratio_to_webp": larger / codecs["webp"],
        "ratio_to_jpeg_xl": larger / codecs["jpeg_xl"],
    }


def _crop_bits(model: Pyramid, photograph: Photograph, seed: int) -> tuple[float, float]:
    """One pass and identity on the middle of the photograph, bits/dim."""
    grey = Dequantised(photograph.as_image(_middle(photograph, CROP)), "display", 3)
    x = grey.read(EVERYTHING)
    generator = torch.Generator().manual_seed(seed)
    one_pass = float(model.log_likelihood(x))
    identity = float(identity_log_likelihoods(model, x, num_knots=32, generator=generator).sum())
    return bits_per_dim(one_pass, grey.num_dims), bits_per_dim(identity, grey.num_dims)


def _precision(model: Pyramid, tested: list[Photograph]) -> dict[str, float]:
    """Whether bf16 keeps bits/dim and their order, on the middles of the photographs."""
    middles = [photograph.as_image(_middle(photograph, CROP)) for photograph in tested]
    full, half = ([model.use_bf16(use).measure(middle)["bits_per_dim"] for middle in middles] for use in (False, True))
    model.use_bf16(False)
    differences = np.array(half) - np.array(full)
    return {
        "photographs": len(tested),
        "mean_difference_bits": float(differences.mean()),
        "largest_difference_bits": float(np.abs(differences).max()),
        "spearman": float(spearmanr(full, half).statistic),
    }


def _middle(photograph: Photograph, side: int) -> np.ndarray:
    top, left = (max((length - side) // 2, 0) for length in photograph.values.shape[1:])
    return photograph.values[:, top : top + side, left : left + side]


def _summary(rows: list[dict[str, Any]], seed: int) -> dict[str, Any]:
    names = [name for name, value in rows[0].items() if isinstance(value, float)]
    summary: dict[str, Any] = {name: float(np.mean([row[name] for row in rows])) for name in names}
    draws = np.random.default_rng(seed).integers(0, len(rows), (2000, len(rows)))
    for name in ("larger", "ratio_to_webp", "ratio_to_jpeg_xl"):
        low, high = np.quantile(np.array([row[name] for row in rows])[draws].mean(1), (0.025, 0.975))
        summary |= {f"{name}_low": float(low), f"{name}_high": float(high)}
    summary["identity_over_one_pass"] = summary["identity_crop"] / summary["one_pass_crop"]
    return summary


def _by_scale(model: Pyramid, tested: list[Photograph]) -> list[dict[str, Any]]:
    """Of each scale's own dimensions, finest first, on the middles of the photographs."""
    sums: dict[int, list[float]] = {}
    for photograph in tested:
        for index, scale in enumerate(model.measure(photograph.as_image(_middle(photograph, 2 * CROP)))["scales"]):
            sums.setdefault(index, []).append(scale["bits_per_dim"])
    return [
        {"scale": index, "share_of_dims": 0.75 * math.pow(4, -index), "bits_per_dim": float(np.mean(values))}
        for index, values in sums.items()
    ]
