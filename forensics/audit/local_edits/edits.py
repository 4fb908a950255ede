"""Local edits: what replaces the pixels of a region. Each takes the host, a second crop, the region, and chance.

splice      of another photograph, or of the same one with another history; hard or soft at its edge
blend       of another photograph, by Poisson's equation (Perez et al. 2003)
fill        from the region's border (Telea 2004; Bertalmio et al. 2001)
filter      median, blur, bilateral, sharpening, noise, resampling or compression of the region alone
copy        of the host itself, moved, turned and scaled
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from jaxtyping import Bool

from .histories import Pixels, off_grid

Region = Bool[np.ndarray, "h w"]
Edit = Callable[[Pixels, Pixels, Region, np.random.Generator], tuple[Pixels, Region]]


def region_in(size: tuple[int, ...], random: np.random.Generator) -> Region:
    """An ellipse, a polygon, a rectangle or a blob, of a fiftieth to a third of the picture."""
    height, width = size[:2]
    mask = np.zeros((height, width), np.uint8)
    tall, wide = (int(random.uniform(0.16, 0.6) * length) for length in (height, width))
    y, x = int(random.integers(tall // 2, height - tall // 2)), int(random.integers(wide // 2, width - wide // 2))
    kind = random.integers(0, 4)
    if kind == 0:
        cv2.ellipse(mask, (x, y), (wide // 2, tall // 2), float(random.uniform(0, 180)), 0, 360, 1, -1)
    elif kind == 1:
        mask[y - tall // 2 : y + tall // 2, x - wide // 2 : x + wide // 2] = 1
    else:
        corners = 5 if kind == 2 else 12
        angles = np.sort(random.uniform(0, 2 * np.pi, corners))
        reach = random.uniform(0.6, 1.0, corners)
        outline = np.stack([x + wide / 2 * reach * np.cos(angles), y + tall / 2 * reach * np.sin(angles)], 1)
        cv2.fillPoly(mask, [np.rint(outline).astype(np.int32)], 1)
        if kind == 3:
            mask = (cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 6) > 0.5).astype(np.uint8)
    return mask > 0


def pasted(host: Pixels, other: Pixels, region: Region, softness: float) -> Pixels:
    """The other pixels within the region, mixed over some pixels at its edge."""
    hard = region.astype(np.float32)
    weight = cv2.GaussianBlur(hard, (0, 0), softness) if softness > 0 else hard
    mixed: Pixels = np.rint(host + weight[..., None] * (other.astype(np.float32) - host)).astype(np.uint8)
    return mixed


def _softness(random: np.random.Generator) -> float:
    return 0.0 if random.random() < 0.4 else float(random.uniform(0.5, 4))


def splice(host: Pixels, other: Pixels, region: Region, random: np.random.Generator) -> tuple[Pixels, Region]:
    """The other photograph, half of the time scaled, sometimes brought to the host's colours."""
    if random.random() < 0.4:
        other = _turned(other, 0.0, float(random.uniform(0.7, 1.9)), random)
    if random.random() < 0.3:
        mean, std = host.mean((0, 1)), host.std((0, 1)) + 1
        tuned = (other - other.mean((0, 1))) / (other.std((0, 1)) + 1) * std + mean
        other = np.rint(np.clip(tuned, 0, 255)).astype(np.uint8)
    return pasted(host, other, region, _softness(random)), region


def blend(host: Pixels, other: Pixels, region: Region, random: np.random.Generator) -> tuple[Pixels, Region]:
    """The other photograph, its gradients fitted to the host's border."""
    inner = region.copy()
    inner[[0, 1, -2, -1]] = False
    inner[:, [0, 1, -2, -1]] = False
    rows, columns = np.nonzero(inner)
    if len(rows) < 64:
        return splice(host, other, region, random)
    cut = np.s_[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    centre = (int(columns.min() + columns.max()) // 2, int(rows.min() + rows.max()) // 2)
    patch, within = np.ascontiguousarray(other[cut]), inner[cut].astype(np.uint8) * 255
    how = cv2.NORMAL_CLONE if random.random() < 0.8 else cv2.MIXED_CLONE
    return cv2.seamlessClone(patch, host, within, centre, how), inner


def fill(host: Pixels, other: Pixels, region: Region, random: np.random.Generator) -> tuple[Pixels, Region]:
    """The region painted from its border inwards; two times of three a smaller one, as objects are taken out."""
    thickness = int(random.integers(0, 25))
    small = cv2.erode(region.astype(np.uint8), np.ones((2 * thickness + 1,) * 2, np.uint8)) if thickness else region
    small = np.asarray(small, np.uint8)
    if small.sum() < 256:
        small = region.astype(np.uint8)
    how = cv2.INPAINT_TELEA if random.random() < 0.5 else cv2.INPAINT_NS
    return cv2.inpaint(host, small, int(random.integers(3, 8)), how), small > 0


def filtered(host: Pixels, other: Pixels, region: Region, random: np.random.Generator) -> tuple[Pixels, Region]:
    """The region alone smoothed, sharpened, made noisier, resampled or compressed."""
    kind = random.integers(0, 7)
    if kind == 0:
        changed = cv2.medianBlur(host, int(random.choice((3, 5, 7))))
    elif kind == 1:
        changed = cv2.GaussianBlur(host, (0, 0), float(random.uniform(0.6, 2.5)))
    elif kind == 2:
        changed = cv2.bilateralFilter(host, 7, float(random.uniform(15, 60)), 3.0)
    elif kind == 3:
        amount = float(random.uniform(0.6, 2))
        changed = cv2.addWeighted(host, 1 + amount, cv2.GaussianBlur(host, (0, 0), 1.0), -amount, 0)
    elif kind == 4:
        noise = random.normal(0, random.uniform(1, 6), host.shape)
        changed = np.rint(np.clip(host + noise, 0, 255)).astype(np.uint8)
    elif kind == 5:
        factor = float(random.uniform(0.5, 0.95))
        small = cv2.resize(host, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
        changed = cv2.resize(small, host.shape[1::-1], interpolation=cv2.INTER_CUBIC)
    else:
        changed = off_grid(host, int(random.integers(55, 92)), random)
    return pasted(host, changed, region, _softness(random)), region


def copied(host: Pixels, other: Pixels, region: Region, random: np.random.Generator) -> tuple[Pixels, Region]:
    """Another part of the host, moved by no whole block, turned and scaled."""
    angle = float(random.uniform(-60, 60)) if random.random() < 0.6 else 0.0
    scale = float(random.uniform(0.8, 1.4)) if random.random() < 0.6 else 1.0
    moved = np.roll(host, tuple(int(random.integers(48, length - 48)) for length in host.shape[:2]), (0, 1))
    if angle or scale != 1:
        moved = _turned(moved, angle, scale, random)
    return pasted(host, moved, region, _softness(random)), region


def _turned(pixels: Pixels, angle: float, scale: float, random: np.random.Generator) -> Pixels:
    height, width = pixels.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), angle, scale)
    how = int(random.choice((cv2.INTER_LINEAR, cv2.INTER_CUBIC)))
    return cv2.warpAffine(pixels, turn, (width, height), flags=how, borderMode=cv2.BORDER_REFLECT)


EDITS: dict[str, tuple[Edit, float]] = {
    "splice": (splice, 0.4), "blend": (blend, 0.15), "fill": (fill, 0.15), "filter": (filtered, 0.2), "copy": (copied, 0.1),
}  # fmt: skip
