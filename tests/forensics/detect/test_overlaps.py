"""Normals of different groups that show the same thing withdraw the promise; fixed cameras and textures of one kind do not."""

from __future__ import annotations

import hashlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image as Pillow

from oddpixel.forensics.detect import store
from oddpixel.forensics.detect.decide import Rule
from oddpixel.forensics.detect.detector import Detector
from oddpixel.forensics.detect.flag import Incoming, flag_into
from oddpixel.forensics.detect.overlaps import overlapping
from oddpixel.image import Image
from tests.forensics.detect.test_detector import surface


def as_image(grey: np.ndarray, name: str, group: str | None = None) -> Image:
    pixels = (grey.astype(np.float32) / 255)[None]
    return Image(pixels, 8, "display", None, name, hashlib.sha256(pixels.tobytes()).hexdigest(), group or name)


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    return surface(1, 400)


def crops(picture: np.ndarray, step: int, side: int = 96) -> list[Image]:
    places = range(0, picture.shape[0] - side + 1, step)
    return [as_image(picture[y : y + side, x : x + side], f"{y}-{x}") for y in places for x in places]


def test_overlapping_crops_are_found_and_neighbouring_ones_are_not(picture: np.ndarray) -> None:
    assert overlapping(crops(picture, 96)) == []
    found = overlapping(crops(picture, 60))
    assert ("0-0", "0-60") in found
    assert ("0-0", "0-120") not in found


def test_crops_of_one_group_may_overlap(picture: np.ndarray) -> None:
    images = [as_image(picture[:96, x : x + 96], f"{x}", "one") for x in (0, 20, 40)]
    assert overlapping([*images, as_image(surface(2, 96), "other")]) == []


def test_copies_stand_out_but_frames_of_a_fixed_camera_do_not(picture: np.ndarray) -> None:
    others = [as_image(surface(k, 128), f"{k}") for k in range(10, 18)]
    compressed = cv2.imdecode(cv2.imencode(".jpg", surface(10, 128), [cv2.IMWRITE_JPEG_QUALITY, 85])[1], 0)
    assert overlapping([*others, as_image(compressed, "copy")]) == [("10", "copy")]
    frames = []
    for k in range(8):
        frame = picture[:200, :200].astype(np.float32) + np.random.default_rng(k).normal(0, 2, (200, 200))
        frame[40:70, 15 * k : 15 * k + 30] = 250  # something that moves
        frames.append(as_image(np.clip(frame, 0, 255), f"frame-{k}"))
    assert overlapping(frames) == []


@pytest.mark.parametrize("images", [[np.zeros((40, 40))], [np.full((17, 300), 9.0), np.full((300, 17), 9.0)]])
def test_plain_and_thin_pictures_overlap_with_nothing(images: list[np.ndarray]) -> None:
    assert overlapping([as_image(grey, str(k)) for k, grey in enumerate(images)]) == []


def test_a_detector_of_overlapping_normals_ranks_and_promises_nothing(picture: np.ndarray, tmp_path: Path) -> None:
    detector = Detector(chooses=False, channels=["encoder vector"]).fit(crops(picture, 60))
    assert len(detector.doubts_) == 1
    assert "nothing is promised" in str(detector.guarantee())
    folder, incoming = store.save(detector, tmp_path / "d"), tmp_path / "incoming"
    assert "**Void**" in (folder / "README.md").read_text()
    incoming.mkdir()
    for k in range(4):
        Pillow.fromarray(surface(600 + k, 96)).save(incoming / f"{k}.png")
    found = flag_into(tmp_path / "run", Incoming(places=(str(incoming),)), folder, Rule(alpha=0.1))
    assert found is not None
    assert found.decision["promise"] == ""
    assert any("show the same thing" in warning for warning in found.decision["warnings"])
    copied = surface(3)
    copied[0, 0] ^= 1
    few = Detector(chooses=False, channels=["encoder vector"]).fit([*(surface(k) for k in range(24)), copied])
    assert few.doubts_ == ()
    assert len(few.fitted_on_) == 24
    assert "shows the same as" in few.left_out_[0]
    sound = Detector(chooses=False, channels=["encoder vector"]).fit([surface(k) for k in range(24)])
    assert sound.doubts_ == ()
