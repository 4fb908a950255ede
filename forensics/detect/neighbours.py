"""Distances to the nearest of a bank of normal vectors, and choosing a small bank that stands for a large one."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

Vectors = Float[np.ndarray, "_n _d"]
BLOCK = (
    256  # queries at a time: what they are compared by stays in the cache (0.05 instead of 0.07 s for 1,600 and 8,192)
)


def mean_distance(queries: Vectors, bank: Vectors, k: int) -> Float[np.ndarray, "n"]:
    """Mean distance to the k nearest (to all where there are fewer). More normals in the bank can only lower it."""
    k = min(k, len(bank))
    held = torch.from_numpy(np.ascontiguousarray(bank, np.float32))
    lengths = held.square().sum(1)
    asked = torch.from_numpy(np.ascontiguousarray(queries, np.float32)).split(BLOCK)
    return torch.cat([_nearest(block, held, lengths, k) for block in asked]).double().numpy()


def _nearest(block: Tensor, held: Tensor, lengths: Tensor, k: int) -> Tensor:
    """The mean distance of each of a block to the k nearest; roots are taken of those alone."""
    squared = torch.addmm(lengths, block, held.T, alpha=-2)
    smallest = squared.amin(1, keepdim=True) if k == 1 else squared.topk(k, 1, largest=False).values
    return (smallest + block.square().sum(1, keepdim=True)).clamp(min=0).sqrt().mean(1)


def coreset(vectors: Vectors, count: int, generator: np.random.Generator) -> Vectors:
    """So many of them, each as far as can be from all chosen before (greedy k-centre; PatchCore, section 3.2), found in a
    random projection to 32 dimensions."""
    if len(vectors) <= count:
        return vectors
    projection = generator.normal(size=(vectors.shape[1], min(32, vectors.shape[1])))
    seen = torch.from_numpy((vectors @ projection).astype(np.float32))
    chosen = [int(generator.integers(len(vectors)))]
    nearest = torch.full((len(vectors),), torch.inf)
    for _ in range(count - 1):
        nearest = torch.minimum(nearest, (seen - seen[chosen[-1]]).square().sum(1))
        chosen.append(int(nearest.argmax()))
    result: Vectors = vectors[np.sort(chosen)]
    return result
