"""Control networks: a picture of edges, a mask, or a small picture, added to stage C where guidance acts.

A few convolutions reduce the picture; a convolution that starts at zero adds it at each of the four places, at any grid of stage
C, so that an untrained control changes nothing (ControlNet: Zhang et al. 2023, section 3.1).
"""

from __future__ import annotations

from itertools import pairwise
from typing import cast

import cv2
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import interpolate

from oddpixel.errors import UsageError

from .guidance.guided import PLACES

Pictures = Float[Tensor, "b _c _h _w"]


class ControlNetwork(nn.Module):
    """Reduces a control picture to features, and adds them to stage C.

    Arguments:
        channels: of the picture that controls (edges 1, mask and masked picture 4, small picture 3).
        width: of stage C.
        hidden: of the first convolution; doubled at each of `halvings`.
    """

    def __init__(self, channels: int, width: int, hidden: int = 32, halvings: int = 4) -> None:
        super().__init__()
        widths = [hidden * 2**i for i in range(halvings + 1)]
        layers: list[nn.Module] = [nn.Conv2d(channels, hidden, 3, padding=1), nn.SiLU()]
        for inner, outer in pairwise(widths):
            layers += [nn.Conv2d(inner, outer, 3, stride=2, padding=1), nn.SiLU()]
        self.channels = channels
        self.body = nn.Sequential(*layers)
        self.at = nn.ModuleDict({place: nn.Conv2d(widths[-1], width, 1) for place in PLACES})
        for convolution in self.at.values():
            nn.init.zeros_(cast(nn.Conv2d, convolution).weight)
            nn.init.zeros_(cast(Tensor, convolution.bias))

    def forward(self, pictures: Pictures) -> Control:
        """Features of control pictures, ready to act on stage C.

        Raises: UsageError where the pictures have other channels.
        """
        if pictures.shape[1] != self.channels:
            raise UsageError(f"this control takes {self.channels} channels, got {pictures.shape[1]}")
        return Control(self.body(pictures), self.at)


class Control:
    """Adds control features at the four places of a `GuidedStageC`.

    Arguments:
        features: of the pictures, for as many samples or for a part of the batch that is repeated.
        at: a convolution for each place.
    """

    def __init__(self, features: Float[Tensor, "b _c _h _w"], at: nn.ModuleDict, strength: float = 1.0) -> None:
        self.features, self.at, self.strength = features, at, strength

    def after(self, place: str, x: Tensor) -> Tensor:
        """The activations with control features added, resized to their grid."""
        added = self.at[place](interpolate(self.features, size=x.shape[2:], mode="area"))
        result: Tensor = x + self.strength * added.repeat(len(x) // len(added), 1, 1, 1)
        return result


def edges(pictures: Float[Tensor, "b 3 h w"], low: float = 100, high: float = 200) -> Float[Tensor, "b 1 h w"]:
    """Canny edges, 0 or 1, of pictures in 0..1; `low` and `high` are Canny's thresholds on 0..255."""
    grey = (255 * pictures.mean(1).clamp(0, 1)).byte().cpu().numpy()
    contours = np.stack([cv2.Canny(picture, low, high) for picture in grey])
    return torch.from_numpy(contours > 0).float()[:, None].to(pictures.device)


def masked(pictures: Float[Tensor, "b 3 h w"], mask: Float[Tensor, "b 1 h w"]) -> Float[Tensor, "b 4 h w"]:
    """The input of an inpainting control: the picture with the masked part set to 0, and the mask."""
    return torch.cat([pictures * (1 - mask), mask], dim=1)
