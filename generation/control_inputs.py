"""What controls a picture besides its prompt: the edges of another picture, or what a mask leaves of one.

Outside of a mask the picture is kept as it was, blended over a few pixels at the mask's edge.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate

from oddpixel.errors import UsageError

from .adapter import Adapter
from .guidance.guided import Role
from .references import Reference
from .sizes import Grid

BLENDED = 9  # pixels


@dataclass(frozen=True, eq=False)
class ControlInputs:
    """The controls of one request, and the picture to restore outside of a mask.

    Arguments:
        roles: what acts on stage C.
        picture, mask: at the size of what is made, where a mask is filled; 1 is made anew.
    """

    roles: tuple[Role, ...] = ()
    picture: Float[Tensor, "1 3 _h _w"] | None = None
    mask: Float[Tensor, "1 1 _h _w"] | None = None

    @classmethod
    @torch.no_grad()
    def of(
        cls, adapter: Adapter | None, control: Reference | None, mask: Reference | None, size: Grid
    ) -> ControlInputs:
        """Resize control image and mask to the output's size, and run the adapter's network on them.

        Raises: UsageError where adapter and images do not belong together.
        """
        network = None if adapter is None else adapter.network
        if adapter is None or network is None:
            if control is not None or mask is not None:
                raise UsageError(
                    "--control and --mask need an adapter for edges or masks: give its folder with --adapter"
                )
            return cls()
        if control is None:
            raise UsageError(f"this adapter needs a control picture ({adapter.options.kind}): give one with --control")
        picture = interpolate(control.pixels, size=size, mode="area")
        hidden = None if mask is None else _hidden(mask, size)
        if hidden is not None and adapter.options.kind != "mask":
            raise UsageError(f"an adapter for {adapter.options.kind} takes no --mask")
        device = next(network.parameters()).device
        shown = adapter.shown(picture, hidden).to(device)
        return cls((network(shown),), None if hidden is None else picture, hidden)

    def blend(self, generated: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "h w 3"]:
        """Blend the generated picture with the original outside of the mask; without a mask, as generated."""
        if self.picture is None or self.mask is None:
            return generated
        soft = avg_pool2d(self.mask, BLENDED, stride=1, padding=BLENDED // 2, count_include_pad=False)
        share, old = soft[0, 0].numpy()[..., None], 255 * self.picture[0].permute(1, 2, 0).numpy()
        blended: np.ndarray = np.rint(share * generated + (1 - share) * old).clip(0, 255).astype(np.uint8)
        return blended


def _hidden(mask: Reference, size: Grid) -> Float[Tensor, "1 1 _h _w"]:
    """1 where the mask is white, in whatever colour and depth it is. Raises: UsageError where it hides nothing."""
    grey = mask.pixels.amax(1, keepdim=True)
    if not bool(grey.any()):
        raise UsageError(f"the mask {mask.name} is black everywhere: it hides nothing")
    return (interpolate(grey / grey.max(), size=size, mode="area") > 0.5).float()
