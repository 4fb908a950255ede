"""A likelihood map as a picture on an absolute scale: the same colour is the same number of bits in every image."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float
from PIL import Image as Pillow
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

BITS_SHOWN = 12.0  # a sample; black is 0 or fewer, bright yellow this many or more


def write_map(path: Path, bits: Float[Tensor, "h w"]) -> None:
    """`bits` a sample at every pixel, as a PNG in the colours of `inferno`; its text says the scale."""
    shade = (bits / BITS_SHOWN).clamp(0, 1).mul(255).byte().numpy()
    colours = cv2.cvtColor(cv2.applyColorMap(shade, cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB)
    text = PngInfo()
    text.add_text("Description", f"bits a sample: black 0 or fewer, bright {BITS_SHOWN:g} or more")
    path.parent.mkdir(parents=True, exist_ok=True)
    Pillow.fromarray(np.ascontiguousarray(colours)).save(path, pnginfo=text)
