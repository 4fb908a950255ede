"""Is the claimed likelihood true? (`oddpixel bench truth`)

*Truth*: `flat`, trained here on a Gaussian field rounded to 8 bits, against the field's exact entropy: one pass and
identity must come within 0.03 bits/dim. *Cost*: training steps and one-pass images a second of the published CIFAR-10
network on random weights, ours and the plain formula with the same network, in one run.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from oddpixel.bench import Report
from oddpixel.forensics.density.flat import Flat
from oddpixel.forensics.density.loss import DensityRatioLoss
from oddpixel.forensics.density.task import DensityTask, Examples, validate
from oddpixel.recipe import read_recipe
from oddpixel.training import Trainer, TrainingOptions

from .gaussian_field import GaussianField

# What is asked of the model on data of known entropy.
TRUTH_BITS_PER_DIM = 0.03
MODEL = {
    "kind": "flat",
    "schedule": {"kind": "log-snr-uniform", "num_steps": 48, "top": 18.0, "bottom": -8.0},
    "network": {
        "channels": 32,
        "ch_mult": [1, 1],
        "num_res_blocks": 1,
        "attn_resolutions": [],
        "image_size": 8,
        "in_channels": 1,
        "dropout": 0.0,
    },
}


def run(steps: int = 3_000, seed: int = 0) -> Report:
    """Train `flat` on a Gaussian field, and compare its bits/dim with the exact entropy."""
    field = GaussianField()
    truth = _truth(field, steps, seed)
    passed = all(abs(row["error_bits_per_dim"]) <= TRUTH_BITS_PER_DIM for row in truth if "error_bits_per_dim" in row)
    notes = [
        f"conditional standard deviation {field.conditional_std():.2f} grey levels; "
        f"aim: within {TRUTH_BITS_PER_DIM} bits/dim of the exact entropy: {'met' if passed else 'missed'}"
    ]
    return Report(tables={"truth": truth, "cost": _cost(seed)}, passed=passed, seed=seed, notes=notes)


def _truth(field: GaussianField, steps: int, seed: int) -> list[dict[str, Any]]:
    """Train on one draw of the field, measure on another."""
    model = Flat.from_options(MODEL | {"quanta": {"bits": 8, "mean": [field.mean], "std": [field.marginal_std]}})
    train, test = (
        Examples(torch.from_numpy(field.sample(count, part))) for count, part in ((100_000, seed), (4_096, seed + 1))
    )
    options = TrainingOptions(
        steps=steps,
        batch_size=64,
        learning_rate=1e-3,
        warm_up_steps=100,
        decay_every=steps // 3,
        decay_factor=0.3,
        ema_decay=0.995,
        ema_start=100,
        seed=seed,
        validate_every=steps + 1,
        checkpoint_every=steps + 1,
        log_every=100,
    )
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(DensityTask(model, train, test, num_validated=64), options, Path(folder))
        trainer.run()
        with trainer.averaged_weights():
            figures = validate(model, test, len(test), seed=seed)
    exact = field.entropy_bits_per_dim()
    rows: list[dict[str, Any]] = [{"measure": "exact entropy", "bits_per_dim": exact}]
    for name in ("bits_per_dim", "identity_bits_per_dim"):
        measure = "one pass" if name == "bits_per_dim" else "identity"
        rows.append({"measure": measure, "bits_per_dim": figures[name], "error_bits_per_dim": figures[name] - exact})
    cut = figures["looseness_of_cut_bits_per_dim"]
    return [
        *rows,
        {"measure": "looseness of the cut, at most", "bits_per_dim": cut},
        {"measure": "training s", "bits_per_dim": trainer.seconds},
    ]


def _cost(seed: int, batch: int = 4, repeats: int = 3) -> list[dict[str, Any]]:
    """The published CIFAR-10 network: our objective and likelihood against the formulas written out by hand."""
    torch.manual_seed(seed)
    model = Flat.from_options(read_recipe("cifar10")["model"]).eval()
    objective = DensityRatioLoss(model)
    x, noise = torch.randn(2, batch, 3, 32, 32)
    k = torch.randint(model.schedule.num_levels, (batch,))

    def step() -> None:
        model.zero_grad()
        objective(x, k, noise).total.backward()

    def step_by_hand() -> None:
        model.zero_grad()
        _reference_loss(model, x, k, noise).backward()

    @torch.no_grad()
    def likelihood() -> None:
        model.log_likelihood(x)

    @torch.no_grad()
    def likelihood_by_hand() -> None:
        outputs = torch.cumsum(model.network(x), dim=1)
        _ = -0.5 * (x**2).sum(dim=(1, 2, 3)) + outputs[:, 0] - outputs[:, -1]

    rows = []
    for name, ours, theirs in (
        ("training step", step, step_by_hand),
        ("one-pass likelihood", likelihood, likelihood_by_hand),
    ):
        (mine, mine_cpu), (plain, other_cpu) = _best(ours, theirs, repeats)
        rows.append(
            {
                "what": name,
                "images_per_s": batch / mine,
                "images_per_s_by_hand": batch / plain,
                "cpu_s": mine_cpu,
                "cpu_ratio": mine_cpu / other_cpu,
            }
        )
    return rows


def _reference_loss(model: Flat, x: torch.Tensor, k: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
    """CDM's loss straight from the paper's equations, with the same network."""
    x_k = (model.alpha[k][:, None, None, None] * x + model.sigma[k][:, None, None, None] * noise).requires_grad_()
    outputs = torch.cumsum(model.network(x_k), dim=1)
    y = (outputs[:, -1] - outputs[torch.arange(len(k)), k]).sum()
    gradient = torch.autograd.grad(y, x_k, create_graph=True)[0]
    e_hat = model.sigma[k][:, None, None, None] * (gradient + x_k)
    return 1e-3 * torch.nn.functional.cross_entropy(outputs, k) + (e_hat - noise).square().mean()


def _best(ours: Any, theirs: Any, repeats: int) -> list[tuple[float, float]]:
    """Best wall and CPU seconds of each, alternating so that both see the same machine."""
    best = [(float("inf"), float("inf"))] * 2
    for _ in range(repeats):
        for which, action in enumerate((ours, theirs)):
            wall, cpu = time.perf_counter(), time.process_time()
            action()
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            best[which] = (min(best[which][0], wall), min(best[which][1], cpu))
    return best
