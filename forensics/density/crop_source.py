"""Crops for training a pyramid, many at once, made on the device where the photographs lie."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from oddpixel.errors import InvalidImage

from .crops import Photographs, Variation


class CropSource:
    """Photographs as one row of stored values on a device, from which squares are gathered."""

    def __init__(self, photographs: Photographs, device: torch.device) -> None:
        pixels = photographs.pixels
        self.photographs, self.device, self.channels = photographs, device, len(pixels[0])
        # PyTorch indexes no 16 bits without a sign on every device; stored values end at 4095.
        rows = [torch.from_numpy(np.ascontiguousarray(picture)).flatten() for picture in pixels]
        self.values = torch.cat([row if row.dtype == torch.uint8 else row.to(torch.int16) for row in rows]).to(device)
        self.starts = torch.tensor([0, *(picture.size for picture in pixels[:-1])]).cumsum(0)
        self.sizes = torch.tensor([picture.shape[1:] for picture in pixels])

    @property
    def largest(self) -> int:
        """Pixels a side of the largest square in any photograph."""
        return int(self.sizes.amin(1).max())

    def crops(
        self, count: int, side: int, variation: Variation, host: torch.Generator, generator: torch.Generator | None
    ) -> Float[Tensor, "b c s s"]:
        """Random squares, varied, in whole stored values. Raises: InvalidImage where no photograph is that large.

        Arguments:
            host: of the CPU: says which squares, so that nothing waits for the device.
            generator: of the device, for how they are varied.
        """
        shorter = self.sizes.amin(1)
        if int(shorter.max()) < side:
            raise InvalidImage(f"no image has {side} pixels a side; use larger ones")
        weights = torch.where(shorter >= side, self.sizes.prod(1).double() ** variation.area_power, 0.0)
        chosen = torch.multinomial(weights, count, replacement=True, generator=host)
        reductions = torch.tensor(variation.reductions)
        factors = 1 + torch.multinomial(reductions, count, replacement=True, generator=host)
        factors = torch.minimum(factors, shorter[chosen] // side)
        room = self.sizes[chosen] - side * factors[:, None] + 1
        corners = (torch.rand(count, 2, generator=host) * room).long()
        squares = [
            F.avg_pool2d(self._gathered(chosen[here], corners[here], side * factor), factor)
            for factor in factors.unique().tolist()
            for here in [(factors == factor).nonzero()[:, 0]]
        ]
        is_reduced = (factors.sort().values > 1).to(self.device)
        return variation.of(torch.cat(squares), is_reduced, self.photographs.highest, generator)

    def _gathered(self, chosen: Tensor, corners: Tensor, side: int) -> Float[Tensor, "b c s s"]:
        where = torch.cat([self.sizes[chosen], corners, self.starts[chosen, None]], 1).to(self.device)
        height, width, top, left, start = where[:, :, None, None, None].unbind(1)
        along = torch.arange(side, device=self.device)
        channel = torch.arange(self.channels, device=self.device)[:, None, None]
        place = (channel * height + top + along[:, None]) * width + left + along
        return self.values[start + place].float()
