"""`oddpixel bench expected`: expected normals on planted lesions and defects.

Root mean square distance to the true clean picture inside the mask, beside OpenCV's two inpaintings.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from oddpixel.bench import Report
from oddpixel.bench.intervals import interval
from oddpixel.datasets.planting import Planted, plant
from oddpixel.forensics.detect.expected import LARGEST_PART, expected_normal
from oddpixel.image import Image

from .planted import SETS, Set, pictures

WAYS = ("as planted", "Telea", "Navier-Stokes", "expected normal")
STRENGTH = 0.7
TELEA_RADIUS = 5  # pixels


TITLE = "expected normals: distance to the true picture inside the mask"


def run(seed: int = 0) -> Report:
    """Measure expected normals against the clean pictures that anomalies were planted into."""
    return Report(tables={TITLE: expected_normals(seed)}, seed=seed)


def expected_normals(seed: int = 0) -> list[dict[str, Any]]:
    """Distances inside the mask for every set and kind of anomaly."""
    rows = []
    for dataset in SETS:
        learning, _, held = pictures(dataset)
        for kind in dataset.kinds:
            planted = [plant(kind, image, strength=STRENGTH, seed=1000 * seed + k) for k, image in enumerate(held)]
            shown = [
                (image, odd) for image, odd in zip(held, planted, strict=True) if 0 < odd.mask.mean() <= LARGEST_PART
            ]
            distances = np.array([_distances(dataset, image, odd, learning) for image, odd in shown])
            rows.append(_row(dataset.name, kind, distances, seed))
    return rows


def _distances(which: Set, image: Image, odd: Planted, normals: list[Image]) -> list[float]:
    expected = expected_normal(odd.image.pixels, odd.mask, [normal.pixels for normal in normals], aligned=which.aligned)
    ways = {
        "as planted": odd.image.pixels,
        "Telea": _inpainted(odd, cv2.INPAINT_TELEA),
        "Navier-Stokes": _inpainted(odd, cv2.INPAINT_NS),
        "expected normal": expected.pixels,
    }
    return [float(np.sqrt(((ways[method] - image.pixels)[:, odd.mask] ** 2).mean())) for method in WAYS]


def _inpainted(odd: Planted, method: int) -> np.ndarray:
    """OpenCV's, in 8 bits as it takes them."""
    grey = np.rint(255 * odd.image.pixels[0].clip(0, 1)).astype(np.uint8)
    filled: np.ndarray = cv2.inpaint(grey, odd.mask.astype(np.uint8), TELEA_RADIUS, method)
    return filled[None].astype(np.float32) / 255


def _row(name: str, kind: str, distances: np.ndarray, seed: int) -> dict[str, Any]:
    """Distances by way, and by how much the expected normal beats the better inpainting, with an interval over pictures."""
    best = np.minimum(distances[:, 1], distances[:, 2])
    gain = best - distances[:, 3]
    low, high = interval(lambda drawn: float(gain[drawn].mean()), len(gain), seed)
    means = {method: round(float(value), 4) for method, value in zip(WAYS, distances.mean(0), strict=True)}
    return {"set": name, "kind": kind, "pictures": len(distances), **means, "gain": round(float(gain.mean()), 4),
            "gain, low": round(low, 4), "gain, high": round(high, 4)}  # fmt: skip
