"""What the channels of the encoder do (`channels`), in torch: each a score and, where it sees places, its heat."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from scipy.ndimage import gaussian_filter1d
from torch import Tensor, nn

from ..channels import LEAST_DISTANCE
from ..channels.patches import BLUR, TOP_COUNT, TOP_SHARE
from ..channels.places import LEAST, REACH, WIDTH
from ..whitening import FARTHEST, Whitening
from .resizing import Resizing

Score = Float[Tensor, ""]
Heat = Float[Tensor, "_p _q"]
BLUR_REACH = 3  # cells: SciPy cuts at four deviations
FAR = 3e38


class _Whitened(nn.Module):
    def __init__(self, whitening: Whitening) -> None:
        super().__init__()
        self.centre: Tensor
        self.scale: Tensor
        self.root: Tensor
        varies = whitening.scale > 0
        self.register_buffer("centre", torch.from_numpy(whitening.centre))
        self.register_buffer("scale", torch.from_numpy(np.where(varies, whitening.scale, np.inf)))
        self.register_buffer("root", torch.from_numpy(whitening.root))

    def forward(self, x: Float[Tensor, "*n d"]) -> Float[Tensor, "*n d"]:
        deviations = ((x.double() - self.centre) / self.scale).clamp(-FARTHEST, FARTHEST)
        return (deviations @ self.root).float()


class _Blur(nn.Module):
    """SciPy's Gaussian of a map, the edge repeated beyond it."""

    def __init__(self) -> None:
        super().__init__()
        impulse = np.zeros(2 * BLUR_REACH + 1)
        impulse[BLUR_REACH] = 1
        self.kernel: Tensor
        kernel = torch.from_numpy(gaussian_filter1d(impulse, BLUR, mode="constant").astype(np.float32))
        self.register_buffer("kernel", kernel)

    def forward(self, heat: Float[Tensor, "p q"]) -> Float[Tensor, "p q"]:
        around = F.pad(heat[None, None].float(), (BLUR_REACH,) * 4, mode="replicate")
        return F.conv2d(F.conv2d(around, self.kernel[None, None, :, None]), self.kernel[None, None, None])[0, 0]


def _top(heat: Float[Tensor, "p q"]) -> Float[Tensor, ""]:
    count = min(max(int(TOP_SHARE * heat.numel()), TOP_COUNT), heat.numel())
    return heat.flatten().topk(count).values.mean()


def _distances(queries: Float[Tensor, "n d"], bank: Float[Tensor, "m d"], k: int) -> Float[Tensor, "n"]:
    squared = bank.square().sum(1) - 2 * queries @ bank.T
    nearest = squared.topk(k, 1, largest=False).values if k > 1 else squared.amin(1, keepdim=True)
    return (nearest + queries.square().sum(1, keepdim=True)).clamp(min=0).sqrt().mean(1)


class PatchLook(nn.Module):
    """`channels.patches` on a grid of patches."""

    def __init__(self, channel: Any, grid: tuple[int, int]) -> None:
        super().__init__()
        self.grid = grid
        self.whitened, self.blur = _Whitened(channel.whitening), _Blur()
        self.bank: Tensor
        self.register_buffer("bank", torch.from_numpy(channel.memory.rows))

    def forward(self, patches: Float[Tensor, "p q d"]) -> tuple[Score, Heat]:
        """The log of the mean over the oddest places, with the map of distances."""
        distances = _distances(self.whitened(patches.flatten(0, 1)), self.bank, 1)
        heat = self.blur(distances.reshape(self.grid))
        return (_top(heat) + LEAST_DISTANCE).log(), heat


class PlaceLook(nn.Module):
    """`channels.places` on its own grid."""

    def __init__(self, channel: Any, grid: tuple[int, int]) -> None:
        super().__init__()
        self.grid: tuple[int, int] = channel.grid
        self.whitened, self.blur = _Whitened(channel.whitening), _Blur()
        self.resized = Resizing(grid, self.grid, cv2.INTER_AREA)
        self.memory: Tensor  # half precision, as it is kept
        self.usual: Tensor
        self.deviation: Tensor
        self.register_buffer("memory", torch.from_numpy(np.stack(channel.images, 2)).flatten(0, 1))
        self.register_buffer("usual", torch.from_numpy(channel.usual))
        self.register_buffer("deviation", torch.from_numpy(channel.deviation))

    def forward(self, patches: Float[Tensor, "p q d"]) -> tuple[Score, Heat]:
        """The mean over the oddest places, in deviations, with the map of all."""
        here = self.resized(self.whitened(patches).permute(2, 0, 1)).permute(1, 2, 0)
        distances = (self._nearest(here) + here.square().sum(2)).clamp(min=0).sqrt()
        heat = self.blur(((distances.double() + LEAST).log() - self.usual) / self.deviation)
        return _top(heat), heat

    def _nearest(self, here: Float[Tensor, "p q d"]) -> Float[Tensor, "p q"]:
        """Squared distances, less the length of what is asked, to the nearest within reach."""
        rows, columns = self.grid
        memory, around = self.memory.float(), F.pad(here.permute(2, 0, 1), (REACH,) * 4)
        steps = [(down, right) for down in range(WIDTH) for right in range(WIDTH)]
        there = [around[:, down : down + rows, right : right + columns].flatten(1).T for down, right in steps]
        squared = memory.square().sum(2)[..., None] - 2 * torch.bmm(memory, torch.stack(there, 2))
        # What lies at a place of the memory is near to those that it was compared with, a step beside it.
        of_steps = squared.amin(1).reshape(rows, columns, len(steps)).unbind(2)
        moved = [
            F.pad(one, (right, WIDTH - 1 - right, down, WIDTH - 1 - down), value=FAR)
            for one, (down, right) in zip(of_steps, steps, strict=True)
        ]
        return torch.stack(moved).amin(0)[REACH : REACH + rows, REACH : REACH + columns]


class VectorLook(nn.Module):
    """`channels.vectors.EncoderVector`: the picture as a whole."""

    def __init__(self, channel: Any, grid: tuple[int, int]) -> None:
        super().__init__()
        self.grid = grid
        self.bank: Tensor
        self.register_buffer("bank", torch.from_numpy(channel.memory.rows))
        self.neighbours = min(channel.neighbours, len(channel.memory.rows))

    def forward(self, vector: Float[Tensor, "1 e"]) -> tuple[Score, None]:
        """The log of the mean distance to the nearest normals; no map."""
        return (_distances(vector, self.bank, self.neighbours)[0] + LEAST_DISTANCE).log(), None
