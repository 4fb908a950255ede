"""Parity of Classification Diffusion Models: the flat network, flow matching and the samplers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from oddpixel.forensics.density.flat import Flat
from oddpixel.forensics.density.loss import DensityRatioLoss
from oddpixel.forensics.density.samplers import DrawNoise, PredictNoise, ddpm, samplers
from oddpixel.forensics.density.samplers.flow_euler import euler_step
from oddpixel.forensics.density.samplers.steps import steps
from oddpixel.forensics.density.schedules import Schedule, describe_schedule, schedule_from
from oddpixel.weights import load_weights

from .fixture import Checker, Fixture

# Files that store only what they add take every other weight from this one.
BASE = "cdm_unet.safetensors"
# The reference's sampler names and ours.
SAMPLERS = {
    "ddpm": ddpm.as_published,
    "ddim": samplers()["ddim"].draw,
    "second_order_dpm_solver": samplers()["dpm-solver-2"].draw,
}
NETWORK = (
    "channels",
    "ch_mult",
    "num_res_blocks",
    "attn_resolutions",
    "image_size",
    "in_channels",
    "dropout",
    "resamp_with_conv",
    "num_classes",
)


def checker(about: dict[str, Any]) -> Checker | None:
    """The check for a fixture, recognised by its configuration and tensors, not by its name."""
    config, tensors = about.get("config", {}), about.get("tensors", {})
    if "samplers" in config and "eps" in tensors:
        return check_samplers
    if "t_grid" in config:
        return check_flow_matching
    if "noise_steps" in config and "raw" in tensors:
        return check_network
    return None


def check_network(fixture: Fixture, load: Callable[[str], Fixture]) -> None:
    """Compute the published network, unconditional or with classes.

    Outputs, likelihood, denoiser, tables, loss, gradients.
    """
    config = fixture.config
    schedule = _linear(config, config["noise_steps"])
    model = _model(fixture, schedule, load)
    x, labels = fixture["x"], fixture.tensors.get("labels")
    _likelihood(fixture, model, x, labels)
    _tables(fixture, schedule)
    if "alpha_hat_T1000" in fixture.tensors:
        fixture.give("alpha_hat_T1000", _alpha_hat(_linear(config | {"beta_start": 1e-4, "beta_end": 0.02}, 1000)))
    if labels is not None:
        fixture.give("raw_no_label", model.network(x).detach())
        _guidance(fixture, model)
    if "x_t" in fixture.tensors:
        x_t = fixture["x_t"]
        fixture.give("cumsum_at_x_t", model.logits(x_t, labels).detach())
        fixture.give("eps", torch.stack([model.predict_noise(x_t, _level(k, x_t)) for k in fixture["eps_t"]]))
    _training(fixture, model)


def check_flow_matching(fixture: Fixture, load: Callable[[str], Fixture]) -> None:
    """Compute the same network on the optimal-transport path."""
    config = fixture.config
    schedule = schedule_from(
        {"kind": "flow-matching", "num_steps": config["noise_steps"], "sigma_min": config["sigma_min"]}
    )
    model = _model(fixture, schedule, load)
    tau = schedule.alpha_sigma()[0]
    fixture.give("t_grid", tau)
    _likelihood(fixture, model, fixture["x"], None)
    _training(fixture, model)
    x = fixture["train.x_t"]
    fixture.give("train.noise_hat", model.predict_noise(x, fixture["train.t"]))
    states, levels = fixture["sample.x"], fixture["sample.t"].tolist()
    count = _num_steps(schedule.num_levels, levels)
    visited: list[int] = []

    def predict(x: Tensor, k: int) -> Tensor:
        visited.append(k)
        return model.predict_noise(x, _level(k, x))

    list(samplers()["flow-euler"].draw(predict, schedule, states[0], count, lambda: states[0]))
    fixture.give("sample.t", visited)
    step = tau[schedule.num_levels // count] - tau[0]
    fixture.give("sample.dt", step)
    # Each stored state is advanced by one step, so that an error cannot pile up along the chain.
    advanced = [
        euler_step(x, model.predict_noise(x, _level(k, x)), step.to(x), tau[k].to(x))
        for x, k in zip(states, levels, strict=True)
    ]
    fixture.give("sample.x", torch.stack([states[0], *advanced[:-1]]))
    fixture.give("sample.final", (advanced[-1].clamp(-1, 1) + 1) / 2)


def _num_steps(num_levels: int, visited: list[int]) -> int:
    """A number of sampling steps whose stride, num_levels // n, is that of the levels visited."""
    stride = abs(visited[1] - visited[0]) if len(visited) > 1 else num_levels
    return next(n for n in range(1, num_levels + 1) if num_levels // n == stride)


def check_samplers(fixture: Fixture, load: Callable[[str], Fixture]) -> None:
    """Compute every diffusion sampler on a stored sequence of noise estimates."""
    schedule = _linear(fixture.config, fixture.config["noise_steps"])
    _tables(fixture, schedule)
    runs = sorted({name.split(".")[0] for name in fixture.tensors if name.endswith(".t")})
    for name in runs:
        num_steps = _num_steps(schedule.num_levels - 2, fixture[f"{name}.t"].tolist())
        planned = steps(schedule, num_steps)
        fixture.give(f"{name}.t", [step.k for step in planned])
        fixture.give(f"{name}.t_prev", [-1 if step.k_next is None else step.k_next for step in planned])
        fixture.give(f"{name}.t_next", [step.k_before for step in planned])
        for theirs in fixture.config["samplers"]:
            states = list(
                SAMPLERS[theirs](
                    _sequence(fixture["eps"]),
                    schedule,
                    fixture["x_init"],
                    num_steps,
                    _draws(fixture["noise"]),
                )
            )
            fixture.give(f"{name}.{theirs}.x", torch.stack(states[:-1]))
            fixture.give(f"{name}.{theirs}.x0", states[-1])
            fixture.give(f"{name}.{theirs}.returned", (states[-1].clamp(-1, 1) + 1) / 2)


def _sequence(estimates: Tensor) -> PredictNoise:
    """The k-th call returns the k-th stored estimate, whatever x is."""
    rows = iter(estimates)
    return lambda x, k: next(rows)


def _draws(noise: Tensor) -> DrawNoise:
    rows = iter(noise)
    return lambda: next(rows)


def _linear(config: dict[str, Any], num_steps: int) -> Schedule:
    options = {name: config[name] for name in ("beta_start", "beta_end")}
    return schedule_from({"kind": "linear", "num_steps": num_steps, **options})


def _model(fixture: Fixture, schedule: Schedule, load: Callable[[str], Fixture]) -> Flat:
    """The network of the fixture's configuration, with its own weights over those of the fixture it builds on."""
    config = fixture.config
    network = {name: config[name] for name in NETWORK if name in config}
    model = Flat.from_options({"kind": "flat", "schedule": describe_schedule(schedule), "network": network}).eval()
    weights = fixture.weights()
    if len(weights) < len(model.network.state_dict()):
        weights = load(BASE).weights() | weights
    for name in ("linear_layer.weight", "linear_layer.bias"):
        weights[name] = weights[name][: schedule.num_levels]  # flow matching has fewer outputs
    load_weights(model.network, weights)
    return model


def _alpha_hat(schedule: Schedule) -> Tensor:
    return schedule.alpha_sigma()[0].square().float()


def _tables(fixture: Fixture, schedule: Schedule) -> None:
    alpha_hat = schedule.alpha_sigma()[0].square()
    alpha = torch.cat([torch.ones(1), alpha_hat[1:-1] / alpha_hat[:-2]])
    fixture.give("alpha_hat", alpha_hat)
    fixture.give("alpha", alpha)
    fixture.give("beta", 1 - alpha)


def _likelihood(fixture: Fixture, model: Flat, x: Tensor, labels: Tensor | None) -> None:
    with torch.no_grad():
        raw = model.network(x) if labels is None else model.network(x, labels)
        fixture.give("raw", raw)
        fixture.give("cumsum", model.logits(x, labels))
        nats = model.log_likelihood(x, labels)
    fixture.give("log_likelihood_nats", nats)
    bits = model.quanta.bits_per_dim(nats, x[0].numel())
    fixture.give("bits_per_dim", bits)
    fixture.give("bits_per_dim_batch", bits.mean())


def _guidance(fixture: Fixture, model: Flat) -> None:
    if "cfg.t" not in fixture.tensors:
        return
    x, labels, weight = fixture["x"], fixture["cfg.labels"], fixture.config["w_cfg"]
    for name, given, guidance in (
        ("cfg.eps", labels, weight),
        ("cfg.eps_w0", labels, 0.0),
        ("cfg.eps_no_label", None, 0.0),
    ):
        rows = [model.predict_noise(x, _level(k, x), given, guidance) for k in fixture["cfg.t"]]
        fixture.give(name, torch.stack(rows))


def _training(fixture: Fixture, model: Flat) -> None:
    x, k, noise = (fixture[f"train.{name}"] for name in ("images", "t", "noise"))
    config = fixture.config
    objective = DensityRatioLoss(model, config.get("ce_factor", 1e-3), config.get("mse_factor", 1.0))
    losses = objective(x, k, noise, fixture.tensors.get("train.labels"))
    model.zero_grad()
    losses.total.backward()
    fixture.give("train.x_t", model.add_noise(x, k, noise))
    for name, value in vars(losses).items():
        fixture.give(f"train.{name}", value.detach())
    gradients = {
        name: p.grad if p.grad is not None else torch.zeros(()) for name, p in model.network.named_parameters()
    }
    if fixture.gradient_order:
        norms = [gradients[name].norm() for name in fixture.gradient_order]
        fixture.give("train.grad_norms", torch.stack(norms))
    for name, gradient in gradients.items():
        fixture.give(f"train.grad.{name}", gradient)


def _level(k: Any, x: Tensor) -> Tensor:
    return torch.full((len(x),), int(k))
