"""A simulated camera: noise that grows with light, a colour mosaic, demosaicing (Bammey et al., WACV 2022, "Trace")."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import UInt8

GAMMA = 2.2


def photographed(scene: UInt8[np.ndarray, "h w 3"], random: np.random.Generator) -> UInt8[np.ndarray, "h w 3"]:
    """The scene as a camera records it: shot and read noise in linear light, a mosaic, demosaicing by one of two methods."""
    linear = (scene / 255.0) ** GAMMA
    shot, read = random.uniform(2e-4, 1.5e-3), random.uniform(5e-4, 4e-3)
    noisy = linear + random.normal(size=linear.shape) * np.sqrt(shot * linear + read**2)
    raw = np.zeros(scene.shape[:2])
    for (down, right), channel in zip(((0, 0), (0, 1), (1, 0), (1, 1)), (0, 1, 1, 2), strict=True):
        raw[down::2, right::2] = noisy[down::2, right::2, channel]
    gamma = np.rint(np.clip(raw, 0, 1) ** (1 / GAMMA) * 255).astype(np.uint8)
    return cv2.cvtColor(gamma, cv2.COLOR_BayerBG2RGB_EA if random.random() < 0.5 else cv2.COLOR_BayerBG2RGB)
