"""Semantic latents, computed once: of crops at several grids, and of the same crops reduced to the base grid.

Reduction averages areas (the reference takes every n-th pixel, which aliases). The file beside the training is used again where
the encoder, the pictures and the options are the same.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float, Int64
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.functional import interpolate

from .pictures import Pictures

BATCH = 8


@dataclass(frozen=True, eq=False)
class Latents:
    """Crops of one grid.

    Arguments:
        high: of the crops.
        low: of the same crops at the base grid.
        labels: 0 is no label.
    """

    high: Float[Tensor, "_n _c _h _w"]
    low: Float[Tensor, "_n _c _p _q"]
    labels: Int64[Tensor, "_n"]

    def __len__(self) -> int:
        return len(self.high)


def latents(
    encoder: nn.Module, pictures: Pictures, counts: dict[int, int], base: int, reduction: int, seed: int, kept: Path
) -> dict[int, Latents]:
    """By grid.

    Arguments:
        counts: crops for each grid (places a side).
        base: grid of the low-resolution pass.
        reduction: pixels a place.
        kept: the file.
    """
    key = _key(encoder, pictures, counts, base, seed)
    if (found := _read(kept, key)) is not None:
        return found
    made = {
        grid: _made(encoder, pictures, grid, count, base, reduction, torch.Generator().manual_seed(seed + grid))
        for grid, count in counts.items()
    }
    kept.parent.mkdir(parents=True, exist_ok=True)
    tensors = {f"{grid}.{name}": value for grid, each in made.items() for name, value in vars(each).items()}
    temporary = kept.with_suffix(".tmp")
    save_file(tensors, temporary, {"key": key})
    temporary.replace(kept)
    return made


@torch.no_grad()
def _made(
    encoder: nn.Module,
    pictures: Pictures,
    grid: int,
    count: int,
    base: int,
    reduction: int,
    generator: torch.Generator,
) -> Latents:
    encoder.eval()
    high, low, labels = [], [], []
    for first in range(0, count, BATCH):
        crops, named = pictures.crops(min(BATCH, count - first), grid * reduction, generator)
        side = base * reduction
        high.append(encoder(crops))
        low.append(high[-1] if grid == base else encoder(interpolate(crops, size=(side, side), mode="area")))
        labels.append(named)
    return Latents(torch.cat(high), torch.cat(low).clone(), torch.cat(labels))


def fewer(count: int, grid: int, smallest: int) -> int:
    """How many crops of this grid cost about as much as `count` of the smallest; a power of two divides them, so that processes
    can share them evenly."""
    return max(count >> int(2 * math.log2(grid / smallest)), 1)


def _key(encoder: nn.Module, pictures: Pictures, counts: dict[int, int], base: int, seed: int) -> str:
    digest = hashlib.sha256(json.dumps([sorted(counts.items()), base, seed, pictures.sha256]).encode())
    for name, value in encoder.state_dict().items():
        digest.update(name.encode() + value.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _read(kept: Path, key: str) -> dict[int, Latents] | None:
    if not kept.is_file():
        return None
    try:
        with safe_open(kept, "pt") as file:
            if (file.metadata() or {}).get("key") != key:
                return None
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 -- not a dict
    except (SafetensorError, OSError):
        return None
    grids = sorted({int(name.partition(".")[0]) for name in tensors})
    return {grid: Latents(*(tensors[f"{grid}.{name}"] for name in ("high", "low", "labels"))) for grid in grids}
