"""Parity of the UltraPixel cascade: stages A, B and C, guidance, the sampler, and the semantic encoder."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from oddpixel.generation.conditions.tokens import Conditions, contrasted
from oddpixel.generation.guidance.guided import PLACES, GuidanceNetworks, GuidedStageC, Plan
from oddpixel.generation.guidance.implicit import ImplicitGuidance, ImplicitOptions, coordinates, encoded
from oddpixel.generation.official import names
from oddpixel.generation.sampler import Guidance, PredictNoise, steps
from oddpixel.generation.schedule import CosineSchedule, add_noise, alpha_sigma
from oddpixel.generation.stages.previewer import Previewer
from oddpixel.generation.stages.semantic import EfficientNetEncoder
from oddpixel.generation.stages.stage_a import StageA, StageAOptions
from oddpixel.generation.stages.stage_b import StageBOptions, build_stage_b
from oddpixel.generation.stages.stage_c import StageCOptions, build_stage_c
from oddpixel.generation.stages.unet import time_embedding
from oddpixel.weights import load_weights

from .fixture import Checker, Fixture

STRIDE = 9  # of what is stored of large outputs
Load = Callable[[str], Fixture]


def checker(about: dict[str, Any]) -> Checker | None:
    """The check for a fixture, recognised by its configuration; None for another fixture."""
    config, tensors = about.get("config", {}), about.get("tensors", {})
    if "guidance" in config and "lr.x" in tensors:
        return check_stage_c
    if "toy" in config:
        return check_sampler
    if "c_effnet" in config:
        return check_stage_b
    if "codebook_size" in config:
        return check_stage_a
    if "c_latent" in config and "features_mean" in tensors:
        return check_encoder
    return None


@torch.no_grad()
def check_stage_c(fixture: Fixture, load: Load) -> None:
    """Compute stage C plain, lending features, and guided by them, on both sides of the published sizes."""
    stage = guided_stage_c(fixture)
    networks = stage.networks
    assert networks is not None
    conditions = _asked(fixture)
    noise, features = stage.capture(fixture["lr.x"], fixture["lr.t"], conditions)
    fixture.give("lr.out", noise)
    for place, feature in features.items():
        fixture.give(f"lr.feature.{place}", feature)
    fixture.give("cond.tokens", stage.unet.get_clip_embeddings(conditions.pooled, conditions.text, conditions.picture))
    fixture.give("t_embedding.out", time_embedding(fixture["t_embedding.t"]))
    for size in sorted({name.split(".")[1] for name in fixture.about if re.match(r"hr\.\d+x\d+\.", name)}):
        _high_resolution(fixture, size, stage, networks, conditions)
    _implicit(fixture, networks)


def _high_resolution(
    fixture: Fixture, size: str, stage: GuidedStageC, networks: GuidanceNetworks, conditions: Conditions
) -> None:
    is_stored = f"hr.{size}.x" in fixture.tensors
    count = slice(None) if is_stored else slice(1)
    plan = Plan({place: fixture[f"lr.feature.{place}"][count] for place in PLACES})
    conditions = conditions.at(count)
    if is_stored:
        x, t = fixture[f"hr.{size}.x"], fixture[f"hr.{size}.t"]
    else:
        height, width = (int(side) for side in size.split("x"))
        base = fixture["hr.base"]
        repeats = (1, 1, -(-height // base.shape[2]), -(-width // base.shape[3]))
        x = base.repeat(*repeats)[:, :, :height, :width]
        match = re.search(r"t=([\d.]+)", fixture.about[f"hr.{size}.guided_sub"]["meaning"])
        assert match is not None
        t = torch.tensor([float(match[1])])
    guided = stage.predict_noise(x, t, conditions, plan)
    unguided = stage.predict_noise(x, t, conditions)
    for kind, noise in (("guided", guided), ("unguided", unguided)):
        fixture.give(f"hr.{size}.{kind}", noise)
        fixture.give(f"hr.{size}.{kind}_sub", noise[..., ::STRIDE, ::STRIDE])
        fixture.give(f"hr.{size}.{kind}_mean", noise.mean((2, 3)))
        fixture.give(f"hr.{size}.{kind}_std", noise.std((2, 3)))
    if f"hr.{size}.sca" in fixture.tensors:
        more: dict[str, Any] = {name: fixture[f"hr.{size}.{name}"] for name in ("sca", "crp")}
        fixture.give(f"hr.{size}.unguided_sca_crp", stage.predict_noise(x, t, conditions, **more))
    if f"hr.{size}.guided_train_mode" in fixture.tensors:
        networks.train()
        fixture.give(f"hr.{size}.guided_train_mode", stage.predict_noise(x, t, conditions, plan))
        networks.eval()


def _implicit(fixture: Fixture, networks: GuidanceNetworks) -> None:
    """One guidance network, opened up."""
    network: Any = networks.at["down0"]
    assert isinstance(network, ImplicitGuidance)
    feature, target = fixture["lr.feature.down0"], fixture["inr.target"]
    size = target.shape[2:]
    tokens = network.weight_tokens(feature)
    matrices = network.written(tokens)
    fused = network.joined(target, network.prepared(feature, size))
    normed = network.normalised(fused, fixture["inr.t_emb"])
    for name, value in (
        ("weight_tokens", tokens),
        ("wb0", matrices[0]),
        ("wb1", matrices[1]),
        ("map", network.map(matrices, size)),
        ("fused", fused),
        ("normed", normed),
        ("out", network(target, feature, fixture["inr.t_emb"])),
    ):
        fixture.give(f"inr.{name}", value)
    for name in fixture.about:
        kind, _, rest = name.partition(".")
        if match := re.fullmatch(r"(coord|posenc)_(\d+)x(\d+)", rest):
            places = coordinates(int(match[2]), int(match[3]))
            options = network.options
            code = encoded(places.view(1, -1, 2), options.frequencies, options.finest)
            fixture.give(name, places if match[1] == "coord" else code)
        elif kind == "scale_norm" and rest.endswith(".out"):
            height, width = (int(side) for side in rest.split(".")[0].split("x"))
            x = fixture[f"scale_norm.{rest.removesuffix('.out')}.x"]
            rows, columns = x.shape[2:]
            whole = x.repeat(1, 1, -(-height // rows), -(-width // columns))[:, :, :height, :width]
            fixture.give(name, network.hr_norm(whole)[:, :, :rows, :columns])


def guided_stage_c(fixture: Fixture) -> GuidedStageC:
    """The stage C of a fixture's configuration, with its weights by their released names."""
    c, g = fixture.config["stage_c"], fixture.config["guidance"]
    unet = build_stage_c(
        StageCOptions(
            channels=c["c_in"],
            widths=tuple(c["c_hidden"]),
            heads=tuple(c["nhead"]),
            down=tuple(c["blocks"][0]),
            up=tuple(c["blocks"][1]),
            condition=c["c_cond"],
            text=c["c_clip_text"],
            pooled=c["c_clip_text_pooled"],
            picture=c["c_clip_img"],
        )
    )
    load_weights(unet, names.unet(fixture.weights("stage_c.")), "stage C")
    options = ImplicitOptions(
        width=g["ind"],
        inner=g["ch"],
        heads=g["n_head"],
        head_width=g["head_dim"],
        hidden=g["f_dim"],
        groups=g["n_groups"],
        frequencies=fixture.config["pe_dim"] // 2,
        finest=float(fixture.config["pe_sigma"]),
        positions=fixture.config["posemb_rows"],
        time=g["time_dim"],
    )
    networks = GuidanceNetworks(options)
    load_weights(networks, names.guidance(fixture.weights("extras.")), "guidance")
    return GuidedStageC(unet, networks).eval()


def _asked(fixture: Fixture) -> Conditions:
    return Conditions(fixture["cond.clip_text_pooled"], fixture["cond.clip_text"], fixture["cond.clip_img"])


@torch.no_grad()
def check_sampler(fixture: Fixture, load: Load) -> None:
    """Compute the schedule, all stored runs of a toy denoiser, noising, and both passes of the tiny stage C."""
    for name in fixture.about:
        if match := re.fullmatch(r"schedule\.shift([\d.]+)\.logSNR", name):
            _schedule(fixture, f"schedule.shift{match[1]}", CosineSchedule(shift=float(match[1])))
        elif (match := re.fullmatch(r"run\.(.+)\.x0", name)) is not None:
            _toy_run(fixture, f"run.{match[1]}", fixture.about[f"run.{match[1]}.x"]["meaning"])
    _noising(fixture)
    _both_passes(fixture, load)


def _schedule(fixture: Fixture, name: str, schedule: CosineSchedule) -> None:
    log_snr = schedule.log_snr(fixture["schedule.t"])
    alpha, sigma = alpha_sigma(log_snr)
    fixture.give(f"{name}.logSNR", log_snr)
    fixture.give(f"{name}.a", alpha)
    fixture.give(f"{name}.b", sigma)
    fixture.give(f"{name}.t_cond", schedule.inverse(log_snr))


def _toy_run(fixture: Fixture, name: str, meaning: str) -> None:
    """What a run was made with stands in the meaning of its tensors."""
    batch = int(_said(meaning, r"batch (\d+)", "1"))
    scale = ast.literal_eval(_said(meaning, r"cfg (\[.*?\]|[\w.]+)", "None"))
    at_start, at_end = scale if isinstance(scale, list) else (1.0 if scale is None else scale, None)
    guidance = Guidance(
        scale=at_start, at_end=at_end, rescale=float(_said(meaning, r"rho ([\d.]+)", "0")), by_sample=False
    )
    matrix, v, c = fixture["toy.M"], fixture["toy.v"], fixture["toy.c"][:batch]

    def predict(x: Tensor, t: Tensor, conditions: Conditions) -> Tensor:
        condition = conditions.pooled[..., None].transpose(1, 2)
        return torch.tanh(torch.einsum("ij,bjhw->bihw", matrix, x) + t[:, None, None, None] * v + condition)

    token_conditions = Conditions(c.flatten(2).transpose(1, 2))
    noise = iter(fixture["noise"][:, :batch])
    states = list(
        steps(
            contrasted(predict, guidance, token_conditions),
            CosineSchedule(shift=float(_said(meaning, r"shift ([\d.]+)", "1"))),
            fixture["x_init"][:batch],
            int(fixture.config["steps"]),
            lambda: next(noise),
            eta=0.0 if "eta 0" in meaning else 1.0,
            start=float(_said(meaning, r"'t_start': ([\d.]+)", "1")),
        )
    )
    fixture.give(f"{name}.x", torch.stack([step.x for step in states]))
    fixture.give(f"{name}.x0", torch.stack([step.x_0 for step in states]))
    fixture.give(f"{name}.pred", torch.stack([step.noise for step in states]))
    fixture.give(f"{name}.t_cond", torch.stack([step.t for step in states]))


def _said(meaning: str, pattern: str, otherwise: str) -> str:
    match = re.search(pattern, meaning)
    return match[1] if match else otherwise


def _noising(fixture: Fixture) -> None:
    schedule = CosineSchedule()
    log_snr = schedule.log_snr(fixture["diffuse.t"])
    fixture.give("diffuse.logSNR", log_snr)
    fixture.give("diffuse.t_cond", schedule.inverse(log_snr))
    fixture.give("diffuse.noised", add_noise(fixture["diffuse.x0"], fixture["diffuse.epsilon"], log_snr))
    fixture.give("diffuse.p2_weight", (-log_snr).sigmoid())


def _both_passes(fixture: Fixture, load: Load) -> None:
    """The reference's way: features of the last low-resolution step, conditional half for both halves."""
    config = fixture.config["end_to_end"]
    source = load(config["weights"])
    stage = guided_stage_c(source)
    requested = _asked(source).at(slice(1))
    schedule = CosineSchedule(shift=config["shift"])
    guidance = Guidance(scale=config["cfg"], rescale=config["rho"], by_sample=False)

    def run(size: str, predict: PredictNoise) -> list[Any]:
        noise = iter(fixture[f"e2e.noise_{size}"])
        return list(steps(predict, schedule, fixture[f"e2e.x_init_{size}"], config["steps"], lambda: next(noise)))

    features: dict[str, Tensor] = {}

    def low(x: Tensor, t: Tensor, conditions: Conditions) -> Tensor:
        noise, captured = stage.capture(x, t, conditions)
        features.update({place: feature[: len(x) // 2] for place, feature in captured.items()})
        return noise

    low_steps = run("lr", contrasted(low, guidance, requested))
    plan = Plan(features)

    def high(x: Tensor, t: Tensor, conditions: Conditions) -> Tensor:
        return stage.predict_noise(x, t, conditions, plan)

    high_steps = run("hr", contrasted(high, guidance, requested))
    fixture.give("e2e.t_cond", torch.cat([step.t for step in [*low_steps, *high_steps]]))
    fixture.give("e2e.lr_final", low_steps[-1].x)
    fixture.give("e2e.hr.x", torch.stack([step.x for step in high_steps]))
    fixture.give("e2e.hr.x0", torch.stack([step.x_0 for step in high_steps]))
    fixture.give("e2e.hr.pred", torch.stack([step.noise for step in high_steps]))


@torch.no_grad()
def check_stage_b(fixture: Fixture, load: Load) -> None:
    """Compute stage B's noise prediction, with its conditions and without."""
    c = fixture.config
    stage = build_stage_b(
        StageBOptions(
            channels=c["c_in"],
            patch=c["patch_size"],
            widths=tuple(c["c_hidden"]),
            heads=tuple(c["nhead"]),
            blocks=tuple(c["level_config"]),
            down=tuple(c["blocks"][0]),
            up=tuple(c["blocks"][1]),
            repeats=tuple(c["block_repeat"][1]),
            condition=c["c_cond"],
            pooled=c["c_clip"],
            semantic=c["c_effnet"],
            pixels=c["c_pixels"],
        )
    ).eval()
    load_weights(stage, names.unet(fixture.weights("stage_b.")), "stage B")
    x, t, semantic, clip = (fixture[name] for name in ("x", "t", "effnet", "clip"))
    fixture.give("out", stage.predict_noise(x, t, pooled=clip, semantic=semantic))
    empty = stage.predict_noise(x, t, pooled=torch.zeros_like(clip), semantic=torch.zeros_like(semantic))
    fixture.give("out_uncond", empty)
    shown = {"pixels": fixture["pixels"], "sca": fixture["sca"]}
    fixture.give("out_pixels_sca", stage.predict_noise(x, t, pooled=clip, semantic=semantic, **shown))
    first = stage.predict_noise(fixture["odd.x"], t[:1], pooled=clip[:1], semantic=semantic[:1])
    fixture.give("odd.out", first)


@torch.no_grad()
def check_stage_a(fixture: Fixture, load: Load) -> None:
    """Compute stage A's latents, codes and decoded pictures."""
    c = fixture.config
    stage = StageA(
        StageAOptions(
            levels=c["levels"],
            hidden=c["c_hidden"],
            blocks=c["bottleneck_blocks"],
            latent=c["c_latent"],
            codes=c["codebook_size"],
            scale_factor=c["scale_factor"],
        )
    ).eval()
    load_weights(stage, names.stage_a(fixture.weights("stage_a.")), "stage A")
    image = fixture["image"]
    quantised, codes, loss = stage.quantise(image)
    fixture.give("latent", stage.encode(image))
    fixture.give("latent_quantised", quantised)
    fixture.give("indices", codes)
    fixture.give("vq_loss", loss)
    fixture.give("decoded", stage.decode(fixture["latent"]))
    fixture.give("decoded_quantised", stage.decode(fixture["latent_quantised"]))
    fixture.give("free.decoded", stage.decode(fixture["free.latent"]))
    previewer = Previewer(c["previewer"]["c_in"], c["previewer"]["c_hidden"]).eval()
    load_weights(previewer, fixture.weights("previewer."), "previewer")
    fixture.give("previewer_out", previewer(fixture["previewer_in"]))


@torch.no_grad()
def check_encoder(fixture: Fixture, load: Load) -> None:
    """Compute the semantic encoder with weights of a formula.

    s_i = sin(12.9898 i + 78.233 n) for the n-th float entry in the order of names.
    """
    encoder = EfficientNetEncoder(fixture.config["c_latent"]).eval()
    weights = _formula_weights(encoder, float(fixture.config.get("weight_scale", 1.0)))
    encoder.load_state_dict(weights, strict=False)
    for name in fixture.about:
        if name.startswith("check."):
            fixture.give(name, weights[name.removeprefix("check.")].flatten()[: len(fixture[name])])
    features = encoder.backbone(fixture["x"])
    fixture.give("features_mean", features.mean((2, 3)))
    fixture.give("out", encoder.latent(fixture["x"]))


def _formula_weights(module: torch.nn.Module, scale: float) -> dict[str, Tensor]:
    weights = {}
    floats = sorted(name for name, value in module.state_dict().items() if value.is_floating_point())
    for n, name in enumerate(floats):
        shape = module.state_dict()[name].shape
        s = np.sin(12.9898 * np.arange(shape.numel(), dtype=np.float64) + 78.233 * n)
        if len(shape) >= 2:
            value = s * scale * np.sqrt(2) / np.sqrt(shape.numel() / shape[0])
        elif name.endswith("running_var"):
            value = 1 + 0.5 * s
        elif name.endswith("weight"):
            value = 1 + 0.2 * s
        else:
            value = 0.1 * s
        weights[name] = torch.from_numpy(value).float().view(shape)
    return weights
