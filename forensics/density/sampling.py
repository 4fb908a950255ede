"""Draw images from a density model."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from oddpixel.errors import UsageError
from oddpixel.provenance import save_synthetic

from .flat import Flat
from .pyramid import Pyramid
from .samplers import sampler_for
from .unet import UNet


def sample_values(
    model: Flat,
    count: int,
    *,
    sampler: str | None = None,
    num_steps: int = 50,
    seed: int = 0,
    label: int | None = None,
    guidance: float = 1.25,
) -> Int64[Tensor, "n c h w"]:
    """`count` images as stored values. The same seed gives the same images.

    Arguments:
        sampler: a name, or None for the first that fits the model's schedule.
        label: a class, for models that have them; `guidance` is the published weight.

    Raises: UsageError.
    """
    assert isinstance(model.network, UNet)
    options = model.network.options
    classes = model.num_classes
    if label is not None and (classes is None or not 0 <= label < classes):
        raise UsageError(
            f"label {label}: this model has {'no classes' if classes is None else f'classes 0 to {classes - 1}'}"
        )
    generator = torch.Generator().manual_seed(seed)
    shape = (count, options.in_channels, options.image_size, options.image_size)
    device = model.alpha.device

    def draw_noise() -> Tensor:
        return torch.randn(shape, generator=generator).to(device)

    def predict_noise(x: Tensor, k: int) -> Tensor:
        levels = torch.full((count,), k, device=device)
        labels = None if label is None else torch.full((count,), label, device=device)
        return model.predict_noise(x, levels, labels, guidance)

    *_, x = sampler_for(sampler, model.schedule).draw(
        predict_noise, model.schedule, draw_noise(), num_steps, draw_noise
    )
    return model.quanta.to_values(x).cpu()


def sample_pyramid(
    model: Pyramid, count: int, size: tuple[int, int], *, num_steps: int = 100, seed: int = 0
) -> Int64[Tensor, "n c h w"]:
    """`count` images of that height and width as 8-bit values; CT as grey levels of 16 HU."""
    x = model.sample(count, size, steps=num_steps, generator=torch.Generator().manual_seed(seed))
    return x.floor().clamp(0, 255).long()


def write_samples(folder: Path, values: Int64[Tensor, "n c h w"], bits: int, made_by: str) -> Path:
    """One PNG an image and a sheet of all of them, each marked as synthetic; the sheet's path."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures = (values.numpy() * 255 // (2**bits - 1)).astype(np.uint8).transpose(0, 2, 3, 1)
    for index, picture in enumerate(pictures):
        save_synthetic(folder / f"{index:03d}.png", _without_single_channel(picture), made_by)
    save_synthetic(folder / "sheet.png", _without_single_channel(sheet(pictures)), made_by)
    return folder / "sheet.png"


def sheet(
    pictures: UInt8[np.ndarray, "n h w c"], gap: int = 2, columns: int | None = None
) -> UInt8[np.ndarray, "H W c"]:
    """All pictures on one grid, as square as it gets unless the columns are given."""
    count, height, width, channels = pictures.shape
    columns = columns or math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    grid = np.full((rows * (height + gap) + gap, columns * (width + gap) + gap, channels), 128, np.uint8)
    for index, picture in enumerate(pictures):
        row, column = divmod(index, columns)
        top, left = gap + row * (height + gap), gap + column * (width + gap)
        grid[top : top + height, left : left + width] = picture
    return grid


def _without_single_channel(picture: np.ndarray) -> np.ndarray:
    return picture[..., 0] if picture.shape[2] == 1 else picture
