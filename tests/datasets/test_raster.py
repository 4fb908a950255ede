"""Everyday formats: pixel values, orientation, alpha, palettes, CMYK, ICC, and bit depth."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image as Pillow
from PIL import ImageCms

from oddpixel import Image, open_source
from tests.conftest import ROOT

Save = Callable[..., Path]


def read(path: Path, **options: object) -> Image:
    (image,) = open_source(path, sandboxed=False, **options)
    assert isinstance(image, Image), image.error
    return image


@pytest.mark.parametrize("suffix", ["png", "bmp", "ppm", "tif", "webp", "gif"])
def test_lossless_formats_give_back_the_samples(suffix: str, photo: np.ndarray, save: Save) -> None:
    array = photo[:, :, 0] if suffix == "gif" else photo
    image = read(save(array, f"x.{suffix}", **({"lossless": True} if suffix == "webp" else {})))
    expected = np.atleast_3d(array).transpose(2, 0, 1)
    np.testing.assert_array_equal(np.rint(image.pixels * 255), expected)
    assert (image.bits, image.unit) == (8, "display")
    assert image.pixels.dtype == np.float32
    assert not image.pixels.flags.writeable


def test_jpeg_is_read_as_pillow_reads_it(photo: np.ndarray, save: Save) -> None:
    path = save(photo, "x.jpg", quality=90)
    np.testing.assert_array_equal(np.rint(read(path).pixels * 255), np.asarray(Pillow.open(path)).transpose(2, 0, 1))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(orientation: int, photo: np.ndarray, tmp_path: Path) -> None:
    exif = Pillow.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "x.png"
    Pillow.fromarray(photo[:40, :60]).save(path, exif=exif)
    from PIL import ImageOps

    expected = np.asarray(ImageOps.exif_transpose(Pillow.open(path)))
    np.testing.assert_array_equal(np.rint(read(path).pixels * 255), expected.transpose(2, 0, 1))
    tiff = tmp_path / "x.tif"
    tifffile.imwrite(tiff, photo[:40, :60], photometric="rgb", extratags=[(274, "H", 1, orientation, True)])
    np.testing.assert_array_equal(np.rint(read(tiff).pixels * 255), expected.transpose(2, 0, 1))


def test_transparency_is_laid_on_white(tmp_path: Path) -> None:
    rgba = np.zeros((4, 4, 4), np.uint8)
    rgba[..., 0], rgba[..., 3] = 200, 128
    Pillow.fromarray(rgba).save(tmp_path / "x.png")
    image = read(tmp_path / "x.png")
    assert image.meta["alpha"] == "laid on white"
    np.testing.assert_allclose(image.pixels[:, 0, 0] * 255, np.rint([200 * 128 / 255 + 127, 127, 127]), atol=1e-4)


def test_cmyk_becomes_rgb_and_says_so(tmp_path: Path) -> None:
    Pillow.new("CMYK", (8, 8), (0, 255, 255, 0)).save(tmp_path / "x.jpg", quality=100)
    image = read(tmp_path / "x.jpg")
    assert image.pixels.shape[0] == 3
    assert image.meta["converted_from"] == "CMYK"
    assert image.pixels[0].mean() > 0.9 > 0.1 > image.pixels[1].mean()


def test_icc_profile_is_converted_to_srgb(tmp_path: Path, photo: np.ndarray) -> None:
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("XYZ"))
    path = tmp_path / "x.png"
    Pillow.fromarray(photo).save(path, icc_profile=lab.tobytes())
    image = read(path)
    assert "converted_from" in image.meta or str(image.meta["icc_profile"]).startswith("ignored")


def test_sixteen_bits_are_kept(tmp_path: Path) -> None:
    ramp = np.linspace(0, 65535, 64 * 64).astype(np.uint16).reshape(64, 64)
    colour = np.stack([ramp, ramp[::-1], ramp.T], 2)
    cv2.imwrite(str(tmp_path / "grey.png"), ramp)
    cv2.imwrite(str(tmp_path / "colour.png"), colour[..., ::-1])
    tifffile.imwrite(tmp_path / "colour.tif", colour, photometric="rgb", compression="lzw")
    tifffile.imwrite(tmp_path / "grey.tif", ramp)
    for name, expected in (("grey.png", ramp), ("colour.png", colour), ("colour.tif", colour), ("grey.tif", ramp)):
        image = read(tmp_path / name)
        assert image.bits == 16
        np.testing.assert_array_equal(
            np.rint(image.pixels.astype(float) * 65535), np.atleast_3d(expected).transpose(2, 0, 1)
        )


def test_a_12_bit_pgm_keeps_its_steps(tmp_path: Path) -> None:
    values = np.arange(4096, dtype=">u2").reshape(64, 64)
    (tmp_path / "x.pgm").write_bytes(b"P5\n# made by hand\n64 64\n4095\n" + values.tobytes())
    image = read(tmp_path / "x.pgm")
    assert image.bits == 12
    assert image.quantum == 1 / 4095
    np.testing.assert_array_equal(np.rint(image.pixels[0].astype(float) * 4095), values)


def test_every_page_of_a_tiff_is_an_image(tmp_path: Path) -> None:
    pages = np.arange(3 * 8 * 8, dtype=np.uint8).reshape(3, 8, 8)
    tifffile.imwrite(tmp_path / "x.tif", pages, photometric="minisblack")
    images = list(open_source(tmp_path / "x.tif", sandboxed=False))
    assert [image.source for image in images] == ["x.tif#0", "x.tif#1", "x.tif#2"]
    assert {image.group for image in images} == {"x.tif"}
    np.testing.assert_array_equal(np.rint(np.stack([image.pixels[0] for image in images]) * 255), pages)


def test_palette_miniswhite_and_one_bit_tiffs(tmp_path: Path) -> None:
    ramp = np.arange(64, dtype=np.uint8).reshape(8, 8)
    tifffile.imwrite(tmp_path / "white.tif", ramp, photometric="miniswhite")
    np.testing.assert_array_equal(np.rint(read(tmp_path / "white.tif").pixels[0] * 255), 255 - ramp)
    tifffile.imwrite(
        tmp_path / "palette.tif",
        ramp,
        photometric="palette",
        colormap=np.stack([np.arange(256) * 257] * 3).astype(np.uint16),
    )
    assert read(tmp_path / "palette.tif").pixels.shape[0] == 3
    Pillow.fromarray(ramp > 30).save(tmp_path / "bit.tif")
    np.testing.assert_array_equal(read(tmp_path / "bit.tif").pixels[0], ramp > 30)
    assert read(tmp_path / "bit.tif").bits == 1


def test_float_tiff_is_left_in_its_own_unit(tmp_path: Path) -> None:
    values = np.linspace(-1000, 3000, 64, dtype=np.float32).reshape(8, 8)
    tifffile.imwrite(tmp_path / "x.tif", values)
    image = read(tmp_path / "x.tif")
    assert image.unit == "modality"
    np.testing.assert_array_equal(image.pixels[0], values)


def test_heic_is_read() -> None:
    """A file made with libheif's encoder from a drawn gradient; lossy, so near."""
    image = read(ROOT / "tests/fixtures/gradient.heic")
    assert image.meta["format"] == "HEIF"
    ramp = np.broadcast_to(np.arange(64) * 4, (64, 64))
    np.testing.assert_allclose(image.pixels[0] * 255, ramp, atol=6)


def test_exif_facts_hold_no_place_and_no_person(tmp_path: Path, photo: np.ndarray) -> None:
    exif = Pillow.Exif()
    exif[271], exif[315], exif[0x8298] = "Maker\x00<script>", "A. Person", "(c) A. Person"
    exif.get_ifd(0x8825)[2] = (48.0, 8.0, 0.0)
    Pillow.fromarray(photo).save(tmp_path / "x.jpg", exif=exif)
    meta = dict(read(tmp_path / "x.jpg").meta)
    assert "Person" not in str(meta)
    assert "48" not in str(meta)
    assert str(meta["make"]).startswith("Maker")


def test_a_jpegxl_named_png_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(imagecodecs.jpegxl_encode(np.zeros((8, 8), np.uint8)))
    (image,) = open_source(tmp_path / "x.png", sandboxed=False)
    assert "not PNG" in str(image.error)
