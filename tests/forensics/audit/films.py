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


def along(path: Sequence[tuple[float, float]], noise: float = 3.0, seed: int = 0) -> list[np.ndarray]:
    """A camera that looks at these places (row, column) of a photograph, one a frame."""
    random = np.random.default_rng(seed)
    large = cv2.GaussianBlur(cv2.resize(photograph(256), (420, 420), interpolation=cv2.INTER_CUBIC), (0, 0), 1.5)
    frames = []
    for row, column in path:
        shift = np.array([[1, 0, -column], [0, 1, -row]], np.float32)
        frame = cv2.warpAffine(large, shift, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR)
        frames.append(np.clip(frame + random.normal(0, noise, frame.shape), 0, 255).astype(np.uint8))
    return frames


def tour() -> list[np.ndarray]:
    """A guard's camera that goes back and forth, and dwells at both ends, never quite alike."""
    random, path = np.random.default_rng(1), []
    for _ in range(4):
        far, moving = random.uniform(170, 180), int(random.integers(56, 65))
        way = far / 2 * (1 - np.cos(np.linspace(0, np.pi, moving)))
        for part in (way, np.full(random.integers(30, 50), far), way[::-1], np.zeros(random.integers(30, 50))):
            path += [(40 + random.normal(0, 0.25), 5 + column + random.normal(0, 0.25)) for column in part]
    return along(path)


def pendulum() -> list[np.ndarray]:
    """A camera that swings with a period of 47.3 frames."""
    return along([(60, 80 + 50 * np.sin(2 * np.pi * frame / 47.3)) for frame in range(250)])


def scrolled() -> list[np.ndarray]:
    """A page that is scrolled down and up again, by fits and starts."""
    random, place, speed, path = np.random.default_rng(2), 0.0, 0.0, []
    for frame in range(300):
        if random.random() < 0.08:
            speed += random.uniform(4, 14) * (1 if frame < 150 else -1)
        place, speed = min(max(place + speed, 0), 290), speed * 0.9
        path.append((round(place), 20))
    return along(path, noise=0)


def still_shot() -> list[np.ndarray]:
    """Two moving shots, and one by a tripod between them."""
    moving = [(40, 5 + 1.5 * frame) for frame in range(100)]
    return along(moving) + along([(290, 200)] * 40, seed=5) + along([(200 - frame, 20) for frame in range(100)], seed=6)
