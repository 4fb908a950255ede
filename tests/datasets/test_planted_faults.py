"""Faults planted into the readers, one step dropped or turned round each: the round trip must see every one of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from oddpixel.datasets import appearance, colour, decoding, masking, pillow_samples
from oddpixel.datasets.formats import dicom, raster, tiff, video
from tests.datasets.round_trip import fault
from tests.datasets.writers import WRITERS, Writer

# As they are, before anything is planted.
UPRIGHT, OVER_WHITE = appearance.upright, appearance._over_white
COLOURS, SAMPLES_OF, MODALITY_VALUES = tiff._colours, tiff._samples_of, dicom.modality_values


def writers(*names: str) -> list[Writer]:
    return [writer for writer in WRITERS if writer.name.split(",")[0] in names]


def no_colour(colours: np.ndarray, white: int, profile: bytes) -> tuple[np.ndarray, dict[str, Any]]:
    return colours, {}


def not_turned(values: np.ndarray, orientation: int) -> np.ndarray:
    return values


def rotated_instead_of_mirrored(values: np.ndarray, orientation: int) -> np.ndarray:
    return UPRIGHT(values, {2: 3, 4: 1, 5: 6, 7: 8}.get(orientation, orientation))


def the_other_quarter_turn(values: np.ndarray, orientation: int) -> np.ndarray:
    return UPRIGHT(values, {6: 8, 8: 6}.get(orientation, orientation))


def alpha_dropped(colours: np.ndarray, alpha: np.ndarray, white: int, is_premultiplied: bool) -> np.ndarray:
    return colours


def never_premultiplied(colours: np.ndarray, alpha: np.ndarray, white: int, is_premultiplied: bool) -> np.ndarray:
    return OVER_WHITE(colours, alpha, white, False)


def container_width(values: np.ndarray, declared: int | None, *, has_alpha: bool) -> tuple[np.ndarray, int, list[str]]:
    return values, 16, []


def sign_swapped(samples: np.ndarray, dataset: Any, rescale: Any) -> Any:
    values = MODALITY_VALUES(samples, dataset, rescale)
    return replace(values, slope=-values.slope)


def nothing_masked(frame: Any) -> Any:
    return frame


def extra_bands_ignored(page: Any, values: np.ndarray) -> tuple[np.ndarray, str, list[str]]:
    colours, alpha, notes = COLOURS(page, values)
    return (colours, alpha, notes) if alpha == "none" else (colours[..., :-1], "none", notes)


def signed_as_unsigned(page: Any) -> np.ndarray:
    values = SAMPLES_OF(page)
    return values.view(f"u{values.dtype.itemsize}") if values.dtype.kind == "i" else values


def profile_dropped(picture: Any, **options: Any) -> Any:
    picture.info.pop("icc_profile", None)
    return pillow_samples.frame_from_pillow(picture, **options)


FAULTS: dict[str, tuple[object, str, Any, list[Writer]]] = {
    "profiles ignored": (appearance, "to_srgb", no_colour, writers("PNG", "TIFF", "WebP", "JPEG", "AVIF", "JPEG 2000")),
    "profiles of 8-bit pictures ignored": (
        raster,
        "frame_from_pillow",
        profile_dropped,
        writers("PNG", "JPEG", "WebP"),
    ),
    "deep profiles interpolated coarsely": (colour, "NO_OPTIMISATION", 0, writers("PNG")),
    "orientation ignored": (appearance, "upright", not_turned, writers("PNG", "JPEG", "WebP", "AVIF", "MP4")),
    "mirrors taken for turns": (appearance, "upright", rotated_instead_of_mirrored, writers("PNG", "MP4")),
    "quarter turns the wrong way": (appearance, "upright", the_other_quarter_turn, writers("TIFF", "MP4")),
    "numbers not turned": (tiff, "upright", not_turned, writers("TIFF")),
    "transparency dropped": (appearance, "_over_white", alpha_dropped, writers("PNG", "WebP", "JPEG XL")),
    "premultiplied taken for straight": (appearance, "_over_white", never_premultiplied, writers("TIFF", "JPEG 2000")),
    "TIFF's transparency taken for an extra band": (tiff, "_colours", extra_bands_ignored, writers("TIFF")),
    "the container's width for the depth": (raster, "significant_bits", container_width, writers("PNG")),
    "MaxSampleValue ignored": (tiff, "_declared_bits", lambda page, values, bits: bits, writers("TIFF")),
    "signed samples as unsigned": (tiff, "_samples_of", signed_as_unsigned, writers("TIFF")),
    "the slope's sign swapped": (dicom, "modality_values", sign_swapped, writers("DICOM")),
    "padding taken for tissue": (dicom, "padding", lambda samples, dataset, cells: None, writers("DICOM")),
    "nodata taken for data": (tiff, "_nodata", lambda page: None, writers("TIFF")),
    "NaN taken for data": (decoding, "without_values_masked", nothing_masked, writers("NIfTI")),
    "infinity taken for data": (
        masking,
        "_beyond_float32",
        lambda samples: np.zeros(samples.shape, bool),
        writers("NIfTI"),
    ),
    "the display matrix ignored": (video, "_orientation", lambda frame: 1, writers("MP4")),
}


def is_seen(writer: Writer, folder: Path) -> bool:
    return any(fault(writer, case, folder) is not None for case in writer.cases())


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_seen_in_every_container_it_concerns(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    where, what, instead, among = FAULTS[name]
    monkeypatch.setattr(where, what, instead)
    for writer in among:
        assert is_seen(writer, tmp_path), f"{writer.name}: the round trip does not see that {name}"


def test_a_skipped_frame_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.datasets.test_round_trip import test_every_frame_reads_back_in_order

    def next_but_one(opened: Any, index: int) -> Any:
        return whole(opened, min(index + 1, opened.header.frames - 1))

    for kind, name in ((video.OpenedVideo, "Matroska"), (tiff.OpenedTiff, "TIFF"), (dicom.OpenedDicom, "DICOM")):
        whole: Callable[..., Any] = kind.frame  # type: ignore[attr-defined]
        with monkeypatch.context() as planted:
            planted.setattr(kind, "frame", next_but_one)
            with pytest.raises(AssertionError):
                test_every_frame_reads_back_in_order(writers(name)[0], tmp_path)
