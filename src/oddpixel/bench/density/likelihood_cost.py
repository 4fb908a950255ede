"""What a likelihood costs: megapixels a second and memory of one pass, and how many passes other ways take."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import time
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from oddpixel.bench import Report
from oddpixel.forensics.density.base import log_normal_map
from oddpixel.forensics.density.dequantised import Dequantised
from oddpixel.forensics.density.haar import EVERYTHING
from oddpixel.forensics.density.probing import identity_log_likelihoods
from oddpixel.forensics.density.pyramid import Pyramid
from oddpixel.forensics.density.scales import Scale
from oddpixel.forensics.density.store import load_pyramid

from .held_out import CODECS, Photograph, photographs

MEGAPIXELS = {"float32": (1, 10), "bf16": (1, 10, 100)}
SIDE = 192
STANDARD_ERROR = 0.005
_ONE_PASS = """
import json, sys, time
from pathlib import Path
import numpy as np, torch
from oddpixel.forensics.density.pyramid import TILE
from oddpixel.forensics.density.streaming import stream
from oddpixel.forensics.density.dequantised import Dequantised
from oddpixel.forensics.density.store import load_model
from oddpixel.image import Image
def high_water():
    # MiB; of this program alone: ru_maxrss would start at what the parent had.
    return next(int(line.split()[1]) for line in Path("/proc/self/status").open() if line.startswith("VmHWM")) / 1024
side, bf16 = int(sys.argv[1]), sys.argv[2] == "bf16"
model = load_model("photo-rgb").use_bf16(bf16)
pixels = np.empty((3, side, side), np.float32)
tile = np.random.default_rng(0).integers(0, 256, (3, 64, 64)).astype(np.float32) / 255
for top in range(0, side, 64):
    for left in range(0, side, 64):
        part = pixels[:, top : top + 64, left : left + 64]
        part[:] = tile[:, : part.shape[1], : part.shape[2]]
decoded = high_water()
grey = Dequantised(Image(pixels, 8, "display", None, "a", "0" * 64, "a"), "display", 3)
stream(model, grey.read, (512, 512), TILE)  # what is made once a process
started, used = time.perf_counter(), time.process_time()
nats = sum(float(part.double().sum()) for part in stream(model, grey.read, grey.size, TILE))
wall, cpu = time.perf_counter() - started, time.process_time() - used
peak = high_water()
print(json.dumps({"wall_s": wall, "cpu_s": cpu, "decoded_mib": decoded, "peak_mib": peak, "nats": nats}))
"""


def run(model: str = "photo-rgb", seed: int = 0) -> Report:
    """Time one pass, and compare it with other ways to a likelihood."""
    photograph = next(iter(photographs("test", at_most=2)))
    tables = {
        "cost": cost(),
        "lossless encoders, one photograph": encoders(photograph),
        "cost of other ways": identity_cost(load_pyramid(model), photograph, seed),
    }
    return Report(tables=tables, seed=seed)


def cost() -> list[dict[str, Any]]:
    """The cost of one pass of photo-rgb, in a process of its own for each size and precision."""
    rows = []
    for precision, sizes in MEGAPIXELS.items():
        for megapixels in sizes:
            side = round(math.sqrt(megapixels * 1e6))
            command = [sys.executable, "-c", _ONE_PASS, str(side), precision]
            measured = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
            rows.append(
                {
                    "precision": precision,
                    "megapixels": megapixels,
                    "threads": torch.get_num_threads(),
                    "megapixels_per_s": megapixels / measured["wall_s"],
                    "cpu_s_per_megapixel": measured["cpu_s"] / megapixels,
                    "decoded_mib": measured["decoded_mib"],
                    "peak_mib": measured["peak_mib"],
                }
            )
    return rows


def encoders(photograph: Photograph) -> list[dict[str, Any]]:
    """What lossless codecs take to encode a photograph, with the options by which `bench density` counts their bits."""
    megapixels = photograph.values[0].size / 1e6
    rows = []
    for name, encode in CODECS.items():
        wall, cpu = time.perf_counter(), time.process_time()
        encode(photograph.values)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        rows.append({"codec": name, "megapixels_per_s": megapixels / wall, "cpu_s_per_megapixel": cpu / megapixels})
    return rows


def identity_cost(model: Pyramid, photograph: Photograph, seed: int) -> list[dict[str, Any]]:
    """CPU seconds for one window by one pass, and by the identity with as few evaluations as give 0.5 % standard error."""
    height, width = photograph.values.shape[1:]
    top, left = (height - SIDE) // 2, (width - SIDE) // 2
    window = photograph.values[:, top : top + SIDE, left : left + SIDE]
    x = Dequantised(photograph.as_image(window), "display", 3).read(EVERYTHING)
    model.log_likelihood(x)
    one_pass, _ = _timed(lambda: model.log_likelihood(x), 5)
    rows: list[dict[str, Any]] = [{"way": "one pass", "evaluations": 1, "cpu_s": one_pass, "ratio": 1.0}]
    generator = torch.Generator().manual_seed(seed)

    def identity(evaluations: int) -> float:
        return float(identity_log_likelihoods(model, x, num_knots=evaluations, generator=generator).sum())

    def flow(evaluations: int) -> float:
        return sum(_flow_log_likelihood(scale, evaluations, generator) for scale in model.split(x))

    for method, compute, finest in (("identity", identity, 128), ("probability-flow ODE", flow, 128)):
        reference = compute(finest)
        for evaluations in (4, 6, 8, 12, 16, 24, 32, 48, 64):
            seconds, values = _timed(lambda: compute(evaluations), 4)  # noqa: B023 -- called at once
            error = math.sqrt(sum((value / reference - 1) ** 2 for value in values) / len(values))
            if error <= STANDARD_ERROR:
                ratio = seconds / one_pass
                rows.append(
                    {"way": method, "evaluations": evaluations, "cpu_s": seconds, "ratio": ratio, "error": error}
                )
                break
    return rows


@torch.no_grad()
def _flow_log_likelihood(scale: Scale, evaluations: int, generator: torch.Generator) -> float:
    """log p(d | c) by the probability-flow ODE.

    dz / d lambda = sigma^2 / 2 * grad G (Song et al. 2021, eq. 39), Euler steps from the top knot down, divergence by
    one Hutchinson probe.
    """
    conditional = scale.conditional
    z, log_base = conditional.to_normal(scale.details, scale.known)
    z, log_base = z.detach(), log_base.detach()
    white = log_base - log_normal_map(z, scale.present) - scale.log_quantum
    lambdas = torch.linspace(conditional.top, conditional.bottom, evaluations + 1)
    log_p = torch.zeros(())
    for now, then in pairwise(lambdas):
        weights = conditional.weights(now[None])
        probe = (torch.randint(0, 2, z.shape, generator=generator) * 2.0 - 1) * scale.present

        def gradient(z: Tensor, weights: Tensor = weights) -> Tensor:
            return conditional.gradient_and_sums(z, scale.known, weights)[0]

        g, pull = torch.func.vjp(gradient, z)  # type: ignore[misc] # three only with has_aux
        step = (then - now) * torch.sigmoid(-now) / 2
        log_p = log_p + step * (probe * pull(probe)[0]).sum()
        z = (z + step * g * scale.present).detach()
    return float(log_p + log_normal_map(z, scale.present).sum() + white.sum())


def _timed(work: Any, repeats: int) -> tuple[float, list[Any]]:
    started, values = time.process_time(), []
    for _ in range(repeats):
        values.append(work())
    return (time.process_time() - started) / repeats, values
