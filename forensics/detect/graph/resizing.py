"""Resizing as two products of matrices, the same numbers as OpenCV's for one size before and one after."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn


class Resizing(nn.Module):
    """Pictures of one size to another.

    Arguments:
        before, after: height and width.
        method: OpenCV's `INTER_AREA` or `INTER_LINEAR`; the one that `prepare.resized` takes where None.
    """

    def __init__(self, before: tuple[int, int], after: tuple[int, int], method: int | None = None) -> None:
        super().__init__()
        self.after = after
        self.is_needed = before != after
        if method is None:
            method = cv2.INTER_AREA if after[0] * after[1] < before[0] * before[1] else cv2.INTER_LINEAR
        averages = after[0] <= before[0] and after[1] <= before[1]
        self.rows: Tensor
        self.columns: Tensor
        if self.is_needed:
            self.register_buffer("rows", _matrix(before[0], after[0], method, averages))
            self.register_buffer("columns", _matrix(before[1], after[1], method, averages).T.contiguous())

    def forward(self, x: Float[Tensor, "*b h w"]) -> Float[Tensor, "*b p q"]:
        """The pictures at the other size."""
        return self.rows @ x @ self.columns if self.is_needed else x


def _matrix(before: int, after: int, method: int, averages: bool) -> Float[Tensor, "after before"]:
    """What OpenCV makes of a unit vector at each place: resizing is linear, and rows and columns are apart.

    Area averages are taken only where both sides get smaller, something between neighbours otherwise: then the other side here
    is doubled, which repeats each of its columns.
    """
    step = 2 if method == cv2.INTER_AREA and not averages else 1
    units = np.eye(before, dtype=np.float32)
    resized = cv2.resize(units, (step * before, after), interpolation=method)[:, ::step]
    return torch.from_numpy(np.ascontiguousarray(resized))
