"""Maps as files and as pictures, on an absolute scale: the same colour is the same rarity in every image, never stretched to one.

maps/NAME.png    evidence on the grid of patches, -log10 of the share of normal places as odd, in thousandths (16-bit grey)
maps/NAME.webp   the picture at working size that it belongs to
"""

from __future__ import annotations

from pathlib import PurePosixPath

import cv2
import numpy as np
from jaxtyping import Float, Float32, UInt8
from PIL import Image as Pillow

from oddpixel.image import Image

from .run import Run

THOUSANDTHS = 1000
EVIDENCE_SHOWN = 4.0  # brightest colour: one place in ten thousand, or rarer
OPACITY = 0.55
MAPS_UP_TO = 0.1  # p of an image by itself; rarer ones get a map, and whatever the run's rule may flag


def write_evidence(run: Run, image: Image, heat: Float[np.ndarray, "p q"], size: tuple[int, int]) -> str | None:
    """Write both files; the map's path relative to the run, None where the picture may show text. Raises: RunError."""
    if image.may_show_text:
        return None
    frame = image.meta.get("frame")
    name = f"maps/{image.sha256}{'' if frame is None else f'-{frame}'}"
    stored = np.clip(np.rint(heat * THOUSANDTHS), 0, 2**16 - 1).astype(np.uint16)
    with run.writing(run.path / f"{name}.png") as file:
        Pillow.fromarray(stored).save(file, "PNG")
    picture = Pillow.fromarray(_rgb(image.to_display(at_least=2 * max(size)))).resize(size[::-1])
    with run.writing(run.path / f"{name}.webp") as file:
        picture.save(file, "WEBP", quality=85)
    return f"{name}.png"


def read_evidence(run: Run, name: str) -> tuple[Float[np.ndarray, "p q"], UInt8[np.ndarray, "h w 3"]]:
    """The map on its grid, and the picture. Raises: UnsafePath, MissingFile."""
    heat, shown = run.file(name), run.file(str(PurePosixPath(name).with_suffix(".webp")))
    with Pillow.open(heat, formats=("PNG",)) as stored, Pillow.open(shown, formats=("WEBP",)) as picture:
        return np.asarray(stored, np.float64) / THOUSANDTHS, np.asarray(picture.convert("RGB"))


def overlay(
    heat: Float[np.ndarray, "p q"], picture: UInt8[np.ndarray, "h w 3"], threshold: float | None
) -> UInt8[np.ndarray, "h w 3"]:
    """The picture in grey, coloured where places are odd; a white line around what is marked.

    Arguments:
        threshold: evidence above which a place is marked; None marks nothing.
    """
    evidence = on_image(heat, picture.shape[:2])
    colours = cv2.applyColorMap(shade(evidence), cv2.COLORMAP_INFERNO)[..., ::-1]
    grey = picture.mean(2, keepdims=True).repeat(3, 2)
    weight = OPACITY * np.clip(evidence / EVIDENCE_SHOWN, 0, 1)[..., None]
    blended = np.ascontiguousarray(np.rint(grey * (1 - weight) + colours * weight).astype(np.uint8))
    if threshold is not None:
        marked = (evidence > threshold).astype(np.uint8)
        outlines = cv2.findContours(marked, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)[0]
        cv2.drawContours(blended, outlines, -1, (255, 255, 255), max(max(picture.shape) // 250, 1))
    return blended


def on_image(heat: Float[np.ndarray, "p q"], size: tuple[int, int]) -> Float32[np.ndarray, "_h _w"]:
    """A map `[p, q]` on another grid of that height and width, bilinear."""
    return cv2.resize(np.ascontiguousarray(heat, np.float32), size[::-1], interpolation=cv2.INTER_LINEAR)


def shade(evidence: Float[np.ndarray, "h w"]) -> UInt8[np.ndarray, "h w"]:
    """Evidence as grey values: black is no evidence, white `EVIDENCE_SHOWN` and more."""
    return np.rint(np.clip(evidence / EVIDENCE_SHOWN, 0, 1) * 255).astype(np.uint8)


def _rgb(picture: UInt8[np.ndarray, "h w c"]) -> UInt8[np.ndarray, "h w 3"]:
    return picture.repeat(3, 2) if picture.shape[2] == 1 else picture
