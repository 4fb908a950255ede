"""What a likelihood cannot do alone, measured: AUROC of edited against untouched photographs, and of corpora against each other.

Scores are fitted to photographs of the validation roles and judged on those of the test roles; higher is odder.
*raw NLL*: bits/dim. *two-sided NLL*: its distance from the median. *log-ratio vector*: density and log-ratios by scale and level,
whitened, distance to the fifth nearest. *base gap*: nats above what the base expected for this content, by scale, one pass.
*surprise spectrum*: actual less predicted error of the denoiser, by scale and level. The last two by Mahalanobis distance.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import torch
from sklearn.covariance import LedoitWolf
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors

from oddpixel.bench import Report
from oddpixel.forensics.density.probing import surprise, views
from oddpixel.forensics.density.pyramid import Pyramid
from oddpixel.forensics.density.store import load_pyramid

from .held_out import Photograph, photographs

SCALES = 3  # the finest ones: coarser ones of a 96-pixel crop are some hundred numbers
LEVELS = (4.0, 1.0, -2.0)
SURPRISE_SIDE = 96
SIZES = {"96-px crops": (96, 2), "512-px images": (512, 1)}
Values = np.ndarray


def _resampled(x: Values) -> Values:
    height, width = x.shape[:2]
    middle = x[height // 4 : height // 4 + height // 2, width // 4 : width // 4 + width // 2]
    return cv2.resize(middle, (width, height), interpolation=cv2.INTER_CUBIC)


def _noisy(x: Values, deviation: float) -> Values:
    noise = np.random.default_rng(0).normal(0, deviation, x.shape)
    return np.rint(x + noise).clip(0, 255).astype(np.uint8)


def _jpeg(x: Values, quality: int) -> Values:
    coded = cv2.imencode(".jpg", x, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR))


EDITS: dict[str, Callable[[Values], Values]] = {
    "blur, sd 1.5": lambda x: cv2.GaussianBlur(x, (0, 0), 1.5),
    "resampled 2 x": _resampled,
    "noise, sd 2": lambda x: _noisy(x, 2),
    "noise, sd 5": lambda x: _noisy(x, 5),
    "JPEG 30": lambda x: _jpeg(x, 30),
    "JPEG 75": lambda x: _jpeg(x, 75),
    "contrast 0.7": lambda x: np.rint(128 + 0.7 * (x.astype(float) - 128)).clip(0, 255).astype(np.uint8),
    "constant": lambda x: np.full_like(x, int(x.mean())),
}


def run(model: str = "photo-rgb", seed: int = 0) -> Report:
    """Measure edits on each size of crops, and corpora against each other."""
    return Report(tables=paradox(load_pyramid(model), seed), seed=seed)


def paradox(model: Pyramid, seed: int) -> dict[str, list[dict[str, Any]]]:
    """AUROC of each score for edited photographs, and for each corpus against the others."""
    model.use_bf16()
    tables: dict[str, list[dict[str, Any]]] = {}
    fitted, tested = list(photographs("validation")), list(photographs("test"))
    for name, (side, number) in SIZES.items():
        normal = [crop for photograph in fitted for crop in _crops(photograph, side, number)]
        untouched = [crop for photograph in tested for crop in _crops(photograph, side, number)]
        scorers = _fit(_features(model, normal, seed))
        reference = _features(model, untouched, seed)
        tables[f"paradox, AUROC on {name}"] = [
            {
                "edit": edit,
                "images": len(untouched),
                **_aurocs(scorers, reference, _features(model, [change(crop) for crop in untouched], seed)),
            }
            for edit, change in EDITS.items()
        ]
        if side == min(side for side, _ in SIZES.values()):
            labels = [photograph.package for photograph in tested for _ in range(number)]
            tables["paradox, AUROC of each corpus against the others"] = _between(scorers, reference, np.array(labels))
    model.use_bf16(False)
    return tables


def _crops(photograph: Photograph, side: int, number: int) -> list[Values]:
    """Evenly spread along the diagonal, `[h, w, c]`."""
    height, width = photograph.values.shape[1:]
    side = min(side, height, width)
    places = np.linspace(0, 1, number + 2)[1:-1]
    corners = [(int(part * (height - side)), int(part * (width - side))) for part in places]
    return [
        np.ascontiguousarray(photograph.values[:, top : top + side, left : left + side].transpose(1, 2, 0))
        for top, left in corners
    ]


Features = dict[str, np.ndarray]


def _features(model: Pyramid, crops: list[Values], seed: int) -> Features:
    """Arrays `[crops, ...]` by name."""
    generator = torch.Generator().manual_seed(seed)
    parts: list[list[np.ndarray]] = []
    for crop in crops:
        x = torch.from_numpy(crop.transpose(2, 0, 1).copy()).float()[None]
        x = x + torch.rand(x.shape, generator=generator)
        by_scale = views(model, x, generator)
        nats = torch.stack([view.likelihood.sum() for view in by_scale])
        fine = [(view, view.dims.sum()) for view in by_scale[:SCALES]]
        per_dim = torch.stack([view.likelihood.sum() / dims for view, dims in fine])
        ratios = torch.cat([view.ratios[0, ::3].flatten(1).sum(1) / dims for view, dims in fine])
        gaps = torch.stack([view.gap.sum() / dims for view, dims in fine])
        middle = _middle(x, SURPRISE_SIDE)
        spectrum = surprise(model, middle, torch.tensor(LEVELS), generator=generator).surprise[0, :SCALES]
        parts.append(
            [
                np.array([-float(nats.sum()) / x.numel()]),
                torch.cat([per_dim, ratios]).numpy(),
                gaps.numpy(),
                spectrum.flatten().numpy(),
            ]
        )
    names = ("nll", "ratios", "gap", "surprise")
    return {name: np.stack(column) for name, column in zip(names, zip(*parts, strict=True), strict=True)}


def _middle(x: torch.Tensor, side: int) -> torch.Tensor:
    top, left = ((length - side) // 2 if length > side else 0 for length in x.shape[2:])
    return x[:, :, top : top + side, left : left + side]


Scorer = Callable[[Features], np.ndarray]


def _fit(normal: Features) -> dict[str, Scorer]:
    median = float(np.median(normal["nll"]))
    return {
        "raw NLL": lambda features: features["nll"][:, 0],
        "two-sided NLL": lambda features: np.abs(features["nll"][:, 0] - median),
        "log-ratio vector": _nearest(normal["ratios"]),
        "base gap": _mahalanobis(normal["gap"], "gap"),
        "surprise spectrum": _mahalanobis(normal["surprise"], "surprise"),
    }


def _mahalanobis(normal: np.ndarray, name: str) -> Scorer:
    fitted = LedoitWolf().fit(normal)
    return lambda features: np.asarray(fitted.mahalanobis(features[name]))


def _nearest(normal: np.ndarray) -> Scorer:
    fitted = LedoitWolf().fit(normal)
    root = np.linalg.cholesky(np.linalg.inv(fitted.covariance_))
    neighbours = NearestNeighbors(n_neighbors=5).fit(normal @ root)
    return lambda features: np.asarray(neighbours.kneighbors(features["ratios"] @ root)[0][:, -1])


def _aurocs(scorers: dict[str, Scorer], normal: Features, odd: Features) -> dict[str, float]:
    truth = np.repeat([0, 1], [len(normal["nll"]), len(odd["nll"])])
    return {
        name: float(roc_auc_score(truth, np.concatenate([score(normal), score(odd)])))
        for name, score in scorers.items()
    }


def _between(scorers: dict[str, Scorer], features: Features, labels: np.ndarray) -> list[dict[str, Any]]:
    rows = []
    for package in dict.fromkeys(labels.tolist()):
        inside = labels == package
        own, others = ({name: part[mask] for name, part in features.items()} for mask in (inside, ~inside))
        rows.append({"corpus": package, "images": int(inside.sum()), **_aurocs(scorers, others, own)})
    return rows
