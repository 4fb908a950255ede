"""Sensitivity: the verdict on copies of the evidence that were altered as platforms and messengers do.

A verdict that a harmless alteration turns over rests on a trace that is easily lost: its absence says little. The copies are
made in memory, from the picture alone, so nothing that the file declares counts in their verdicts.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np
from jaxtyping import UInt8
from PIL import Image as Pillow

from .checks import Check
from .exhibit import Exhibit, exhibit_of
from .judge import examine
from .labels import Label
from .verdict import decide, settled

Picture = UInt8[np.ndarray, "h w c"]


@dataclass(frozen=True)
class Altered:
    """The verdict on one altered copy.

    Arguments:
        alteration: what was done to the picture.
        label, p_value: of the tests alone.
        checks: the questions that found something.
    """

    alteration: str
    label: Label
    p_value: float | None
    checks: tuple[str, ...]


def sensitivity_of(exhibit: Exhibit, chosen: Sequence[Check], alpha: float) -> list[Altered]:
    """The verdicts of the tests on the picture as it is, and on its altered copies."""
    picture = np.rint(np.clip(exhibit.pixels, 0, 255)).astype(np.uint8)
    verdicts = [_judged("as it is", exhibit, chosen, alpha)]
    for name, alter in ALTERATIONS.items():
        verdicts.append(_judged(name, exhibit_of(alter(picture), exhibit.name), chosen, alpha))
    return verdicts


def _judged(name: str, exhibit: Exhibit, chosen: Sequence[Check], alpha: float) -> Altered:
    findings = settled(examine(exhibit, chosen), exhibit.gate, alpha)
    verdict = decide(exhibit.gate, [], findings, alpha)
    seen = tuple(each.check for each in findings if each.status == "evidence" and each.about != "history")
    return Altered(name, verdict.label, verdict.p_value, seen)


def _saved(picture: Picture, quality: int | None) -> bytes:
    file = io.BytesIO()
    image = Pillow.fromarray(np.ascontiguousarray(picture[..., 0] if picture.shape[2] == 1 else picture))
    if quality is None:
        image.save(file, "PNG", compress_level=1)
    else:
        image.save(file, "JPEG", quality=quality)
    return file.getvalue()


def _resized(picture: Picture, factor: float) -> bytes:
    method = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    resized = cv2.resize(picture, None, fx=factor, fy=factor, interpolation=method)
    return _saved(resized.reshape(*resized.shape[:2], picture.shape[2]), None)


ALTERATIONS: dict[str, Callable[[Picture], bytes]] = {
    **{f"saved as JPEG {quality}": partial(_saved, quality=quality) for quality in (90, 80, 70)},
    **{f"resized by {factor:g}": partial(_resized, factor=factor) for factor in (0.75, 0.9, 1.1, 1.25)},
    "cropped by 3 and 5 pixels": lambda picture: _saved(picture[3:, 5:], None),
}
