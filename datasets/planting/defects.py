"""Defects of products: a scratch, a stain, a missing part. `strength` scales the contrast, or the size of the part."""

from __future__ import annotations

import numpy as np

from . import Canvas, Kind, Mask, bounded, changed
from .tamper import filled


def scratch(canvas: Canvas) -> tuple[np.ndarray, Mask]:
    """A thin curved line, brighter or darker than what it runs over."""
    import cv2

    side = min(canvas.height, canvas.width)
    start = canvas.random.uniform(0.15, 0.85, 2) * (canvas.width, canvas.height)
    direction = canvas.random.uniform(0, 2 * np.pi)
    bend = canvas.random.uniform(-1.2, 1.2)
    t = np.linspace(0, canvas.size * canvas.random.uniform(0.25, 0.5) * side, 60)
    heading = direction + bend * t / side
    path = start + np.cumsum(np.stack([np.cos(heading), np.sin(heading)], 1), 0) * (t[1] - t[0])
    # Drawn four times as large and shrunk, so that its edge is as smooth as a camera's.
    line = np.zeros((canvas.height * 4, canvas.width * 4), np.uint8)
    thickness = max(round(4 * canvas.size * side / 200), 3)
    cv2.polylines(line, [np.rint(path * 4).astype(np.int32)], False, 255, thickness, cv2.LINE_AA)
    cover = cv2.resize(line, (canvas.width, canvas.height), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    amplitude = 0.6 * canvas.strength * canvas.span * canvas.random.choice((-1, 1))
    pixels = (canvas.image.pixels + amplitude * cover).astype(np.float32)
    return pixels, changed(canvas, pixels)


def stain(canvas: Canvas) -> tuple[np.ndarray, Mask]:
    """A soft patch that darkens and tints what lies under it."""
    from scipy.ndimage import gaussian_filter

    shape = canvas.blob(canvas.random.uniform(0.2, 0.4))
    cover = bounded(gaussian_filter(shape.astype(np.float32), np.sqrt(shape.sum()) / 12))
    tint = canvas.random.uniform(0.3, 1.0, (len(canvas.image.pixels), 1, 1))
    low = float(canvas.image.pixels.min())
    pixels = canvas.image.pixels - 0.8 * canvas.strength * tint * cover * (canvas.image.pixels - low)
    pixels = pixels.astype(np.float32)
    return pixels, changed(canvas, pixels)


def missing_part(canvas: Canvas) -> tuple[np.ndarray, Mask]:
    """A piece of the object replaced by background, 5 to 30 % of the shorter side across."""
    mask = canvas.blob(0.05 + 0.25 * canvas.strength, canvas.body())
    frame = np.concatenate([canvas.image.pixels[:, row, :] for row in (0, -1)], 1)
    pixels = filled(canvas.image.pixels, mask)
    pixels[:, mask] = 0.2 * pixels[:, mask] + 0.8 * np.median(frame, 1)[:, None]
    return pixels, mask


KINDS = (
    Kind("scratch", scratch),
    Kind("stain", stain),
    Kind("missing-part", missing_part),
)
