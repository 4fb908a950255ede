"""Steps between blocks go, edges and what a picture does by itself stay."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from oddpixel.generation.deblocking import deblocked

BLOCK = 16


def smooth(rows: int = 96, columns: int = 128) -> torch.Tensor:
    down, across = torch.meshgrid(torch.linspace(0, 1, rows), torch.linspace(0, 1, columns), indexing="ij")
    return (0.2 + 0.5 * torch.stack([down, across, down * across]))[None]


def errors(rows: int, columns: int, size: float) -> torch.Tensor:
    """A constant of its own in every block."""
    generator = torch.Generator().manual_seed(0)
    places = size * torch.randn(1, 1, rows // BLOCK, columns // BLOCK, generator=generator)
    return places.repeat_interleave(BLOCK, 2).repeat_interleave(BLOCK, 3).expand(1, 3, rows, columns)


def steps_at_borders(x: torch.Tensor) -> float:
    step = (x[..., BLOCK::BLOCK] - x[..., BLOCK - 1 : -1 : BLOCK]).abs().mean()
    elsewhere = (x[..., BLOCK // 2 :: BLOCK] - x[..., BLOCK // 2 - 1 : -1 : BLOCK]).abs().mean()
    return float(step / elsewhere)


def test_small_steps_between_blocks_go() -> None:
    spoilt = smooth() + errors(96, 128, 3 / 255)
    mended = deblocked(spoilt, BLOCK)
    assert steps_at_borders(mended) < 0.6 * steps_at_borders(spoilt)
    assert (mended - smooth()).square().mean() < (spoilt - smooth()).square().mean()


def test_slopes_and_edges_stay() -> None:
    assert (deblocked(smooth(), BLOCK) - smooth()).abs().max() < 0.2 / 255, "a gradient is no step"
    edge = torch.zeros(1, 3, 64, 64)
    edge[..., 32:] = 0.5
    assert torch.equal(deblocked(edge, BLOCK), edge), "an edge on a border is no error"


def test_photographs_hardly_change(photo: np.ndarray) -> None:
    picture = torch.from_numpy(photo.copy()).permute(2, 0, 1)[None].float() / 255
    assert (deblocked(picture, BLOCK) - picture).square().mean().sqrt() < 1 / 255


@pytest.mark.parametrize("size", [(16, 16), (15, 40), (40, 31), (64, 70)])
def test_any_size(size: tuple[int, int]) -> None:
    picture = torch.rand(2, 3, *size)
    mended = deblocked(picture, BLOCK)
    assert mended.shape == picture.shape
    whole = [length // BLOCK * BLOCK for length in size]
    assert torch.equal(mended[:, :, whole[0] :], picture[:, :, whole[0] :])
    assert torch.equal(mended[..., whole[1] :], picture[..., whole[1] :])


def test_a_picture_does_not_depend_on_its_batch() -> None:
    pictures = torch.rand(3, 3, 48, 64)
    assert torch.equal(deblocked(pictures, BLOCK)[1:2], deblocked(pictures[1:2].clone(), BLOCK))
