"""Fashion-MNIST, by the published model at its size (`oddpixel bench fashion`): bits/dim, samples, and the pair that every
likelihood paper reports.

A likelihood alone takes handwritten digits for likelier than the clothes it learned (Nalisnick et al. 2019, "Do deep generative
models know what they don't know?"). What else the same model says is measured beside: scores are fitted to validation images, and
judged on test images; higher is odder.

*raw NLL*: bits/dim. *two-sided NLL*: its distance from the median (typicality of one image). *NLL less PNG*: input complexity
(Serra et al. 2020). *log-ratios*: the classifier's outputs by level, relative to noise, one forward pass. *surprise*: actual less
predicted error of the denoiser by level, one forward and two backward passes a level (`density.surprise`).
*leading variances*: how much the three most open directions of the posterior leave open, summed over two levels
(`density.posterior`), of fewer images, since it takes some thirty passes a level; nothing is fitted.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.covariance import LedoitWolf
from sklearn.metrics import roc_auc_score
from torch import Tensor

from oddpixel.bench import Report
from oddpixel.bench.intervals import interval
from oddpixel.datasets.small_images import load_small
from oddpixel.forensics.density.flat import Flat
from oddpixel.forensics.density.posterior import leading_variances
from oddpixel.forensics.density.schedules import log_snr
from oddpixel.forensics.density.store import load_flat

from .small_images import bits_per_dim, likelihood_rows, png_bits_per_dim, write_sheet

FITTED, JUDGED = 1000, 1000
LEVELS = (6.0, 4.0, 2.0, 0.0, -2.0)  # log-SNR
VARIANCE_LEVELS, VARIANCES, FEWER = (4.0, 1.0), 3, 200
# Fashion-MNIST against MNIST, PixelCNN++ (Ren et al. 2019, "Likelihood ratios for out-of-distribution detection", table 1).
PUBLISHED = {"PixelCNN++: likelihood": 0.089, "PixelCNN++: likelihood ratio": 0.994}


def run(
    model: str = "fashion", num_identity: int = 200, seed: int = 0, sheet_path: Path | None = Path("docs/fashion.png")
) -> Report:
    """Measure bits/dim of test images, AUROC against handwritten digits, and draw samples."""
    loaded = load_flat(model)
    values, _ = load_small("fashion", "test")
    fitted, _ = load_small("fashion", "validation")
    digits, _ = load_small("digits", "test")
    features = [_features(loaded, part, seed) for part in (fitted[:FITTED], values[:JUDGED], digits[:JUDGED])]
    rows: list[dict[str, Any]] = [
        {"score": name, **_auroc(score(features[1]), score(features[2]), seed)}
        for name, score in _scores(features[0]).items()
    ]
    few = [_variances(loaded, part[:FEWER], seed) for part in (values, digits)]
    rows.append({"score": "leading variances (EigenScore)", **_auroc(few[0], few[1], seed)})
    rows += [{"score": f"{name}, published", "auroc": value} for name, value in PUBLISHED.items()]
    if sheet_path is not None:
        write_sheet(loaded, values, sheet_path, "Fashion-MNIST model", seed)
    likelihood = likelihood_rows(loaded, values, num_identity, seed)
    return Report(tables={"likelihood": likelihood, "Fashion-MNIST against MNIST": rows}, seed=seed)


Features = dict[str, np.ndarray]


def _features(model: Flat, values: np.ndarray, seed: int) -> Features:
    images = torch.from_numpy(values)
    generator = torch.Generator().manual_seed(seed)
    ratios, surprise = [], []
    for part in images.split(100):
        x = model.quanta.to_model(part, generator)
        with torch.no_grad():
            logits = model.logits(x)
        ratios.append((logits - logits[:, model.schedule.noise, None])[:, ::4] / x[0].numel())
        surprise.append(torch.stack([_surprise(model, x, level, generator) for level in LEVELS], 1))
    nll, png = bits_per_dim(model, images, seed), png_bits_per_dim(values)
    return {"nll": nll, "png": png, "ratios": torch.cat(ratios).numpy(), "surprise": torch.cat(surprise).numpy()}


def _variances(model: Flat, values: np.ndarray, seed: int) -> np.ndarray:
    """The posterior's leading variances of one draw of noise a level, summed."""
    generator = torch.Generator().manual_seed(seed)
    found = []
    for part in torch.from_numpy(values).split(25):
        x = model.quanta.to_model(part, generator)
        of_part = [_leading(model, x, level, generator) for level in VARIANCE_LEVELS]
        found.append(torch.stack(of_part, 1).sum((1, 2)))
    return torch.cat(found).numpy()


def _leading(model: Flat, x: Tensor, level: float, generator: torch.Generator) -> Tensor:
    k = int((log_snr(model.schedule) - level).abs().argmin())
    noisy = model.add_noise(x, torch.full((len(x),), k), torch.randn(x.shape, generator=generator))

    def gradient(noisy: Tensor) -> Tensor:
        def chosen(noisy: Tensor) -> Tensor:
            logits = model.logits(noisy)
            return (logits[:, k] - logits[:, model.schedule.noise]).sum()

        slope: Tensor = torch.func.grad(chosen)(noisy)
        return slope

    levels = float(model.alpha[k]), float(model.sigma[k])
    return leading_variances(gradient, noisy, levels, VARIANCES, generator=generator)


def _surprise(model: Flat, x: Tensor, level: float, generator: torch.Generator) -> Tensor:
    """Of one draw of noise, a dimension: |e - e_hat|^2 less n + sigma^2 div score, the divergence by one Hutchinson probe."""
    k = int((log_snr(model.schedule) - level).abs().argmin())
    levels = torch.full((len(x),), k)
    noise = torch.randn(x.shape, generator=generator)
    probe = torch.randint(0, 2, x.shape, generator=generator).to(x) * 2 - 1
    noisy = model.add_noise(x, levels, noise).requires_grad_()

    def e_hat(noisy: Tensor) -> Tensor:
        def chosen(noisy: Tensor) -> Tensor:
            logits = model.logits(noisy)
            return (logits[:, model.schedule.noise] - logits[:, k]).sum()

        estimate: Tensor = model.sigma[k] * (noisy + torch.func.grad(chosen)(noisy))
        return estimate

    estimate, pull = torch.func.vjp(e_hat, noisy)  # type: ignore[misc] # three only with has_aux
    (curvature,) = pull(probe)
    predicted = 1 - model.sigma[k] * probe * curvature
    beyond: Tensor = (noise - estimate).square() - predicted
    return beyond.flatten(1).mean(1).detach()


def _scores(fitted: Features) -> dict[str, Callable[[Features], np.ndarray]]:
    median = float(np.median(fitted["nll"]))
    by_name = {name: LedoitWolf().fit(fitted[name]) for name in ("ratios", "surprise")}
    return {
        "raw NLL": lambda features: features["nll"],
        "two-sided NLL": lambda features: np.abs(features["nll"] - median),
        "PNG size alone": lambda features: features["png"],
        "NLL less PNG": lambda features: features["nll"] - features["png"],
        "log-ratios": lambda features: np.asarray(by_name["ratios"].mahalanobis(features["ratios"])),
        "surprise": lambda features: np.asarray(by_name["surprise"].mahalanobis(features["surprise"])),
    }


def _auroc(normal: np.ndarray, odd: np.ndarray, seed: int) -> dict[str, float]:
    """AUROC with a 95 % bootstrap interval over images."""
    truth = np.repeat([0, 1], [len(normal), len(odd)])
    scores = np.concatenate([normal, odd])

    def of(drawn: np.ndarray) -> float:
        return float(roc_auc_score(truth[drawn], scores[drawn]))

    low, high = interval(of, len(scores), seed)
    return {"auroc": of(np.arange(len(scores))), "low": low, "high": high}
