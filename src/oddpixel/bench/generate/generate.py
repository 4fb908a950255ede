"""`oddpixel bench generate`: what the bundled cascade keeps, adds and costs, on held-out pictures of every label.

Samples are compared with photographs and with what costs nothing: the linear decoder of the same semantic latents, and bicubic
enlargements of the same blueprints.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from oddpixel.bench import Report
from oddpixel.bench.intervals import interval
from oddpixel.generation.cascade import BUNDLED, Cascade, read_content
from oddpixel.generation.conditions.tokens import Conditions
from oddpixel.generation.decoding import Decoder
from oddpixel.generation.growing import Mosaic, tiles
from oddpixel.generation.guidance.guided import Plan
from oddpixel.generation.make import Generator
from oddpixel.generation.pipeline import UltraPixelPipeline
from oddpixel.generation.sampler import seeded_noise, steps
from oddpixel.generation.schedule import CosineSchedule
from oddpixel.generation.training.pictures import Pictures
from oddpixel.generation.training.recipe_pictures import pictures_of
from oddpixel.generation.training.stage_a import psnr
from oddpixel.recipe import read_recipe

from .metrics import band_power, decibels, features, kernel_distance, layout_correlation, nearest_distances

SIDE = 256
HELD_OUT = 48  # crops
SAMPLES = 8
REFERENCES = 6
CROPS_KNOWN = 4000
PHOTOGRAPH = 1
LARGEST = 4096


def run(cascade: str = BUNDLED, seed: int = 0, sizes: str = "512,1024,2048") -> Report:
    """Measure reconstruction, references, kernel distance, memorisation and cost of a cascade.

    Arguments:
        sizes: of the references, in pixels a side.
    """
    generator = Generator.load(cascade)
    loaded: Cascade = generator.cascade
    recipe = read_recipe("cascade")
    held, train = (pictures_of(recipe, [], role) for role in ("validation", "train"))
    crops, labels = held.crops(HELD_OUT, SIDE, torch.Generator().manual_seed(seed))
    sides = tuple(int(side) for side in sizes.split(","))
    tables = {
        "reconstruction of held-out crops through encoder, B and A": _reconstruction(loaded, crops, labels, held),
        "references of held-out photographs": _references(loaded, held, sides, seed),
        "kernel distance to held-out photographs (EfficientNet-Lite0)": _distances(loaded, held, seed),
        "nearest training crop": _memory(loaded, held, train, seed),
        "error of the noise on held-out latents": _noise_errors(loaded),
        "cost": _cost(generator, sides),
        f"one step of each stage at {LARGEST} x {LARGEST}": _one_step_each(generator, LARGEST),
    }
    return Report(tables=tables, seed=seed, notes=[f"cascade {generator.name}, weights {generator.sha256[:16]}"])


@torch.no_grad()
def _reconstruction(cascade: Cascade, crops: Tensor, labels: Tensor, held: Pictures) -> list[dict[str, Any]]:
    latent = torch.cat([cascade.a.encode(part) for part in crops.split(8)])
    semantic = cascade.encoder.semantic(latent)
    samples = torch.stack([decoded(cascade, semantic, seed) for seed in range(SAMPLES)])
    ways = {
        "stage A alone": _decoded_by_a(cascade, latent),
        "linear decoder": _decoded_by_a(cascade, cascade.encoder.coarse(semantic)),
        "bicubic from the same grid": _bicubic(crops, crops.shape[2] // cascade.encoder.reduction),
        "one sample": samples[0],
        f"mean of {SAMPLES} samples": samples.mean(0),
    }
    rows = []
    for number, label in enumerate(cascade.options.labels, 1):
        chosen = labels == number
        if not bool(chosen.any()):
            continue
        for name, made in ways.items():
            power = band_power(made[chosen], 0.125, 0.5) / band_power(crops[chosen], 0.125, 0.5)
            rows.append(
                {
                    "label": label,
                    "crops": int(chosen.sum()),
                    "way": name,
                    "psnr": round(psnr(made[chosen], crops[chosen]), 2),
                    "fine power, dB": round(decibels(power), 1),
                }
            )
    return rows


@torch.no_grad()
def decoded(cascade: Cascade, semantic: Tensor, seed: int, count: int = 10) -> Tensor:
    """A sample of stage B, decoded by stage A."""
    decoder = Decoder(cascade.b, cascade.encoder, semantic)
    grid = decoder.grid(cascade.options.geometry, (0, 0))
    draw = seeded_noise([1000 * seed + k for k in range(len(semantic))], (cascade.options.b.channels, *grid))
    conditions = Conditions(semantic.new_zeros(len(semantic), 1, cascade.options.b.pooled))

    def predict(x: Tensor, t: Tensor, at: float) -> Tensor:
        parts = [_part(decoder, part, x[part], t[part], conditions) for part in _slices(len(x), 8)]
        return torch.cat(parts)

    x_0 = list(steps(predict, CosineSchedule(), draw(), count, draw))[-1].x_0
    return _decoded_by_a(cascade, decoder.latent(x_0))


def _part(decoder: Decoder, part: slice, x: Tensor, t: Tensor, conditions: Conditions) -> Tensor:
    shown = Decoder(decoder.b, decoder.split, decoder.semantic[part])
    return shown.predict_noise(x, t, conditions.at(part))


def _slices(count: int, step: int) -> list[slice]:
    return [slice(first, min(first + step, count)) for first in range(0, count, step)]


def _decoded_by_a(cascade: Cascade, latent: Tensor) -> Tensor:
    return torch.cat([cascade.a.decode(part) for part in latent.split(4)]).clamp(0, 1)


def _bicubic(pictures: Tensor, side: int) -> Tensor:
    small = interpolate(pictures, size=(side, side), mode="area")
    return interpolate(small, size=pictures.shape[2:], mode="bicubic").clamp(0, 1)


def _made(pipeline: UltraPixelPipeline, cascade: Cascade, pictures: Tensor, side: int, seed: int) -> Tensor:
    """References of pictures, one by one."""
    made = []
    for k, picture in enumerate(pictures):
        result = pipeline(
            [("photograph", picture)],
            size=(side, side),
            seeds=[seed + k],
            reference=picture[None],
            options=cascade.sampling((side, side)),
        )
        made.append(torch.from_numpy(result.pictures[0]).permute(2, 0, 1).float() / 255)
    return torch.stack(made)


def _photographs(held: Pictures, count: int, side: int, seed: int) -> Tensor:
    """Held-out photographs alone, as large as wanted."""
    return _only(held, PHOTOGRAPH).crops(count, side, torch.Generator().manual_seed(seed))[0]


def _references(cascade: Cascade, held: Pictures, sides: tuple[int, ...], seed: int) -> list[dict[str, Any]]:
    pipeline, rows = cascade.pipeline(), []
    base = cascade.options.geometry.base
    for side in sides:
        photographs = _photographs(held, REFERENCES if side <= 1024 else 1, min(side, 1000), seed + side)
        generated = _made(pipeline, cascade, photographs, side, seed)
        correlation = layout_correlation(generated, photographs, base)
        real = (
            interpolate(photographs, size=(side, side), mode="bicubic") if side != photographs.shape[2] else photographs
        )
        nyquist = base * 16 / side / 2
        plain = _bicubic(real, 4 * base)
        ratios = {
            name: decibels(band_power(batch, nyquist / 4, 0.5) / band_power(real, nyquist / 4, 0.5))
            for name, batch in (("made", generated), ("bicubic", plain))
        }
        rows.append(
            {
                "side": side,
                "pictures": len(generated),
                "layout correlation, mean": round(float(correlation.mean()), 3),
                "least": round(float(correlation.min()), 3),
                "power above the blueprint, dB": round(ratios["made"], 1),
                "of a bicubic enlargement": round(ratios["bicubic"], 1),
            }
        )
    return rows


def _distances(cascade: Cascade, held: Pictures, seed: int, count: int = 32) -> list[dict[str, Any]]:
    encoder = _encoder()
    pipeline, base = cascade.pipeline(), cascade.options.geometry.base
    real = _photographs(held, 2 * count, SIDE, seed)
    references = _made(pipeline, cascade, real[count:], SIDE, seed)
    unconditional = pipeline(
        ["photograph"] * count, size=(SIDE, SIDE), seeds=list(range(count)), options=cascade.sampling((SIDE, SIDE))
    )
    ways = {
        "references": references,
        "samples from the label alone": torch.from_numpy(unconditional.pictures).permute(0, 3, 1, 2).float() / 255,
        # The blueprint is 16 x 16 places of 16 numbers: more than 32 x 32 pixels of three, fewer than 64 x 64.
        "bicubic enlargements of 32 x 32 pixels": _bicubic(real[count:], 2 * base),
        "bicubic enlargements of 64 x 64 pixels": _bicubic(real[count:], 4 * base),
        "other crops of the same photographs": real[count:],
    }
    wanted = features(encoder, real[:count]).numpy()
    rows = []
    for name, pictures in ways.items():
        given = features(encoder, pictures).numpy()
        low, high = interval(partial(_distance_of, given, wanted), len(given), seed)
        rows.append(
            {"pictures": name, "n": len(given), "distance": round(kernel_distance(given, wanted), 5),
             "low": round(low, 5), "high": round(high, 5)}
        )  # fmt: skip
    return rows


def _distance_of(given: np.ndarray, wanted: np.ndarray, drawn: np.ndarray) -> float:
    """Of a resample, each picture once: a repeated one would count as its own neighbour."""
    return kernel_distance(given[np.unique(drawn)], wanted)


def _encoder() -> Any:
    from oddpixel.datasets.corpora import fetch
    from oddpixel.encoders import EFFICIENTNET_LITE0, load_encoder

    return load_encoder(EFFICIENTNET_LITE0, fetch(EFFICIENTNET_LITE0).files()[0].path)


def _memory(cascade: Cascade, held: Pictures, train: Pictures, seed: int, count: int = 8) -> list[dict[str, Any]]:
    """Every label's samples against its training crops, and held-out crops of the label against the same."""
    pipeline, rows = cascade.pipeline(), []
    for number, label in enumerate(cascade.options.labels, 1):
        training_crops = _only(train, number).crops(CROPS_KNOWN, 64, torch.Generator().manual_seed(seed))[0]
        samples = pipeline(
            [label] * count, size=(SIDE, SIDE), seeds=list(range(count)), options=cascade.sampling((SIDE, SIDE))
        )
        pictures = torch.from_numpy(samples.pictures).permute(0, 3, 1, 2).float() / 255
        others = _only(held, number).crops(4 * count, SIDE, torch.Generator().manual_seed(seed))[0]
        of_made, of_held = (nearest_distances(batch, training_crops) for batch in (pictures, others))
        rows.append(
            {"label": label, "samples, median": round(float(of_made.median()), 3),
             "samples, least": round(float(of_made.min()), 3), "held out, median": round(float(of_held.median()), 3),
             "held out, least": round(float(of_held.min()), 3)}
        )  # fmt: skip
    return rows


def _only(pictures: Pictures, label: int) -> Pictures:
    chosen = [k for k, picture_label in enumerate(pictures.labels) if picture_label == label]
    return Pictures([pictures.stored[k] for k in chosen], [label] * len(chosen), pictures.whole)


def _noise_errors(cascade: Cascade) -> list[dict[str, Any]]:
    """As the trainer last measured them: with guidance, and without."""
    stages = read_content(Path(cascade.folder))["record"]["stages"]
    figures = stages.get("guidance", {}).get("figures", {})
    sides = sorted({int(name.split("_")[1]) for name in figures})
    return [
        {"side": side, "guided": round(figures[f"mse_{side}_guided"], 4),
         "unguided": round(figures[f"mse_{side}_unguided"], 4)}
        for side in sides
    ]  # fmt: skip


def _cost(generator: Generator, sides: tuple[int, ...]) -> list[dict[str, Any]]:
    from oddpixel.generation.request import Request

    rows = []
    for side in sides:
        estimate = generator.pipeline.estimate((side, side), options=generator.cascade.sampling((side, side)))
        started, used = time.perf_counter(), time.process_time()
        next(generator.make(Request(prompt="photograph", size=(side, side))))
        rows.append(
            {
                "side": side,
                "wall, s": round(time.perf_counter() - started, 1),
                "CPU s": round(time.process_time() - used, 1),
                "TFLOP": round(sum(estimate.flops.values()) / 1e12, 2),
                "memory, GiB": round(estimate.peak / 2**30, 2),
            }
        )
    return rows


@torch.no_grad()
def _one_step_each(generator: Generator, side: int) -> list[dict[str, Any]]:
    cascade, geometry = generator.cascade, generator.cascade.options.geometry
    semantic = torch.randn(1, cascade.options.c.channels, *geometry.semantic((side, side)))
    conditions = generator.pipeline.conditioner(["photograph"])
    decoder = Decoder(cascade.b, cascade.encoder, semantic)
    latent = torch.randn(1, cascade.options.b.channels, *decoder.grid(geometry, (side, side)))
    t = torch.tensor([0.5])
    options = cascade.sampling((side, side))
    assert options.growth is not None
    places = tiles(geometry.semantic((side, side)), geometry.semantic((options.growth.side,) * 2)[0])
    low = torch.randn(1, cascade.options.c.channels, *geometry.low((side, side)))
    plan = Plan(cascade.c.capture(low, t, conditions)[1])
    mosaic = Mosaic(cascade.c, places, [plan] * len(places))
    calls: dict[str, Callable[[], object]] = {
        f"C, one of {options.growth.steps} steps over {len(places)} tiles": lambda: mosaic.predict_noise(
            semantic, t, conditions
        ),
        f"B, one of {options.decode.steps} steps": lambda: decoder.predict_noise(latent, t, conditions.for_stage_b()),
        "A, once, in tiles": lambda: cascade.a.decode_tiled(latent),
    }
    rows = []
    for stage, call in calls.items():
        started, used = time.perf_counter(), time.process_time()
        call()
        wall, cpu = time.perf_counter() - started, time.process_time() - used
        rows.append({"stage": stage, "wall, s": round(wall, 1), "CPU s": round(cpu, 1)})
    return rows
