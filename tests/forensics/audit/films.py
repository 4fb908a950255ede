"""Small films for tests: a camera that wanders over a photograph, and what may be done to its frames."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import av
import cv2
import numpy as np
from scipy.ndimage import gaussian_filter1d

from tests.forensics.audit.images import another, photograph

WIDTH, HEIGHT = 160, 120


def scene(count: int, picture: np.ndarray, seed: int = 0) -> list[np.ndarray]:
    """A hand-held camera over a photograph: it wanders, never quite evenly, under the noise of a sensor."""
    random = np.random.default_rng(seed)
    large = cv2.GaussianBlur(cv2.resize(picture, (420, 420), interpolation=cv2.INTER_CUBIC), (0, 0), 1.5)
    place = np.cumsum(0.15 + gaussian_filter1d(random.normal(0, 0.8, (count, 2)), 6, axis=0), 0)
    room = np.array([420 - HEIGHT - 2, 420 - WIDTH - 2])
    place = room - np.abs((place + 20) % (2 * room) - room)  # turned back at the borders
    frames = []
    for row, column in place:
        shift = np.float32([[1, 0, -column], [0, 1, -row]])
        frame = cv2.warpAffine(large, shift, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR)
        frames.append(np.clip(frame + random.normal(0, 2, frame.shape), 0, 255).astype(np.uint8))
    return frames


def usual(count: int = 200) -> list[np.ndarray]:
    """One shot."""
    return scene(count, photograph(256))


def foreign(count: int = 20) -> list[np.ndarray]:
    """Frames of another film."""
    return scene(count, 255 - another(256), seed=9)


def write(path: Path, frames: Sequence[np.ndarray], *, crf: int = 23, rate: int = 25) -> Path:
    """Save frames as H.264."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt, stream.options = "yuv420p", {"crf": str(crf), "preset": "veryfast"}
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    return path
