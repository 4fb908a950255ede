"""Faces in a picture, by YuNet (Wu, Peng and Yu 2023) in OpenCV."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

LEAST_SCORE = 0.8
LONGEST = 1280  # pixels of the longer side at which faces are looked for: then one of 48 is found in 4,000
LANDMARKS = ("right eye", "left eye", "nose", "right corner of the mouth", "left corner of the mouth")


@dataclass(frozen=True, eq=False)
class Face:
    """A face in a picture.

    Arguments:
        box: top, left, bottom, right in pixels, within the picture.
        landmarks: right eye, left eye, nose, corners of the mouth, as (x, y) in pixels.
        score: the detector's, up to 1.
    """

    box: tuple[int, int, int, int]
    landmarks: Float32[np.ndarray, "5 2"]
    score: float

    @property
    def width(self) -> int:
        """Its width in pixels."""
        return self.box[3] - self.box[1]

    def mask(self, size: tuple[int, ...], grown: float = 1.0) -> np.ndarray:
        """An ellipse over the face as booleans, its axes `grown` times those of the box."""
        top, left, bottom, right = self.box
        mask = np.zeros(size[:2], np.uint8)
        centre, axes = (
            ((left + right) / 2, (top + bottom) / 2),
            ((right - left) * grown, (bottom - top) * grown),
        )
        turn = self.landmarks[1] - self.landmarks[0]
        cv2.ellipse(mask, (centre, axes, float(np.degrees(np.arctan2(turn[1], turn[0])))), 1, -1)
        return mask > 0


def faces_of(picture: UInt8[np.ndarray, "h w 3"]) -> list[Face]:
    """The faces in an RGB picture, largest first."""
    height, width = picture.shape[:2]
    factor = min(1.0, LONGEST / max(height, width))
    seen = picture
    if factor < 1:
        size = (max(round(width * factor), 1), max(round(height * factor), 1))
        seen = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    detector = _detector()
    detector.setInputSize(seen.shape[1::-1])
    _, rows = detector.detect(np.ascontiguousarray(seen[..., ::-1]))
    faces = [_face(row, factor, (height, width)) for row in (() if rows is None else rows)]
    return sorted((face for face in faces if face is not None), key=lambda face: (-face.width, face.box))


def _face(row: np.ndarray, factor: float, size: tuple[int, int]) -> Face | None:
    left, top, width, height = row[:4] / factor
    box = (
        max(int(top), 0),
        max(int(left), 0),
        min(int(top + height), size[0]),
        min(int(left + width), size[1]),
    )
    if box[2] <= box[0] or box[3] <= box[1]:
        return None
    return Face(box, (row[4:14] / factor).reshape(5, 2).astype(np.float32), float(row[14]))


@cache
def _detector() -> Any:
    weights = np.frombuffer(
        files("oddpixel.forensics").joinpath("weights", "yunet", "model.onnx").read_bytes(), np.uint8
    )
    before = cv2.utils.logging.setLogLevel(
        cv2.utils.logging.LOG_LEVEL_ERROR
    )  # it warns of a target that nobody asked for
    try:
        return cv2.FaceDetectorYN.create("onnx", weights, np.empty(0, np.uint8), (320, 320), LEAST_SCORE)
    finally:
        cv2.utils.logging.setLogLevel(before)
