"""Latents, computed once: of crops of several sides, and of the same crops reduced to the low-resolution pass.

Reduction averages areas (the reference takes every n-th pixel, which aliases). The file beside the training is used again where
the encoder, the pictures and the options are the same.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float, Int64
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.functional import interpolate

from .pictures import Pictures

BATCH = {"cpu": 16, "cuda": 128}  # crops encoded at once
Encode = Callable[[Tensor], Tensor]


@dataclass(frozen=True, eq=False)
class Latents:
    """Latents of crops of one side.

    Arguments:
        high: of the crops, in half precision: rounded by a two-thousandth of what B and C miss.
        low: of the same crops at the side of the low-resolution pass; none where nothing asks for them.
        labels: 0 is no label.
    """

    high: Float[Tensor, "_n _c _h _w"]
    low: Float[Tensor, "_m _c _p _q"]
    labels: Int64[Tensor, "_n"]

    def __len__(self) -> int:
        return len(self.high)

    def to(self, device: torch.device) -> Latents:
        """The latents on another device."""
        return Latents(self.high.to(device), self.low.to(device), self.labels.to(device))


@dataclass(frozen=True)
class LatentMaker:
    """Computes latents of random crops once, and keeps them in a file.

    Arguments:
        encode: crops in 0..1 to latents.
        weights: what `encode` depends on.
        low_side: pixels of the low-resolution pass, or None for latents of the crops alone.
        bf16: encode in half the time, with errors of half a percent.
    """

    encode: Encode
    weights: nn.Module
    pictures: Pictures
    seed: int
    low_side: int | None = None
    bf16: bool = False

    def latents(self, counts: Mapping[int, int], file: Path) -> dict[int, Latents]:
        """Latents by side of the crops in pixels, from the file where it fits.

        Arguments:
            counts: crops of each side.
            file: where they are kept.
        """
        key = self._key(counts)
        if (stored := _read(file, key)) is not None:
            return stored
        by_side = {side: self._made(side, count) for side, count in counts.items()}
        file.parent.mkdir(parents=True, exist_ok=True)
        tensors = {
            f"{side}.{name}": value.contiguous()
            for side, of_side in by_side.items()
            for name, value in vars(of_side).items()
        }
        temporary = file.with_suffix(".tmp")
        save_file(tensors, temporary, {"key": key})
        temporary.replace(file)
        return by_side

    @torch.no_grad()
    def _made(self, side: int, count: int) -> Latents:
        generator = torch.Generator().manual_seed(self.seed + side)
        high, low, labels = [], [], []
        batch = BATCH[self.pictures.stored[0].device.type]
        for first in range(0, count, batch):
            crops, named = self.pictures.crops(min(batch, count - first), side, generator)
            high.append(self._encoded(crops))
            labels.append(named.cpu())
            if self.low_side is not None:
                size = self.low_side, self.low_side
                reduced = interpolate(crops, size=size, mode="area") if side != self.low_side else crops
                low.append(self._encoded(reduced))
        nothing = high[0][:0]
        return Latents(torch.cat(high), torch.cat(low or [nothing]).clone(), torch.cat(labels))

    def _encoded(self, crops: Tensor) -> Tensor:
        with torch.autocast(crops.device.type, torch.bfloat16, enabled=self.bf16):
            return self.encode(crops).half().cpu()

    def _key(self, counts: Mapping[int, int]) -> str:
        options = [sorted(counts.items()), self.low_side, self.bf16, self.seed, self.pictures.sha256]
        digest = hashlib.sha256(json.dumps(options).encode())
        for name, value in self.weights.state_dict().items():
            digest.update(name.encode() + value.cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()


def to_device(latents: dict[int, Latents], device: torch.device) -> dict[int, Latents]:
    """The latents of all sides on another device."""
    return {side: of_side.to(device) for side, of_side in latents.items()}


def fewer(count: int, side: int, smallest: int) -> int:
    """How many crops of this side cost about as much as `count` of the smallest.

    A power of two divides them, so that processes can share them evenly.
    """
    return max(count >> int(2 * math.log2(side / smallest)), 1)


def _read(path: Path, key: str) -> dict[int, Latents] | None:
    if not path.is_file():
        return None
    try:
        with safe_open(path, "pt") as file:
            if (file.metadata() or {}).get("key") != key:
                return None
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 -- not a dict
    except (SafetensorError, OSError):
        return None
    sides = sorted({int(name.partition(".")[0]) for name in tensors})
    return {side: Latents(*(tensors[f"{side}.{name}"] for name in ("high", "low", "labels"))) for side in sides}
