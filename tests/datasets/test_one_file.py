"""What is read of one file is right, or says that it is not: one test a kind of silent fault that neighbouring tools had."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import av
import imagecodecs
import nibabel
import numpy as np
import pydicom
import pytest
import tifffile
from PIL import Image as Pillow
from pydicom.uid import SecondaryCaptureImageStorage

from oddpixel import Image, open_source
from oddpixel.errors import CorruptFile, MissingFile, NoPixels, UnsupportedEncoding, UsageError
from oddpixel.image import Unreadable
from tests.datasets.dicom_maker import make_slice, make_stack

RAMP = np.arange(24 * 32, dtype=np.uint16).reshape(24, 32)


def read(path: Path, **options: Any) -> Image:
    (image,) = open_source(path, sandboxed=False, **options)
    assert isinstance(image, Image), image.error
    return image


def error(path: Path) -> Exception:
    (image,) = open_source(path, sandboxed=False)
    assert isinstance(image, Unreadable)
    return image.error


def notes(image: Image) -> str:
    return "; ".join(image.notes)


# Nothing there


@pytest.mark.parametrize("sandboxed", [True, False])
def test_what_holds_no_value_is_masked_counted_and_no_statistic(sandboxed: bool, tmp_path: Path) -> None:
    from oddpixel.forensics.inspection.inspect import describe_image

    values = np.linspace(10, 20, 24 * 32, dtype=np.float32).reshape(24, 32)
    values[0, :5], values[1, :2], values[2, 0] = np.nan, np.inf, -9999
    tifffile.imwrite(tmp_path / "x.tif", values, extratags=[(42113, "s", 0, "-9999", True)])
    (image,) = open_source(tmp_path / "x.tif", sandboxed=sandboxed)
    assert isinstance(image, Image), image.error
    assert image.valid is not None
    assert image.meta["masked"] == {"declared": 1, "nan": 5, "infinite": 2}
    assert "8 of 768 pixels hold no value" in notes(image)
    item = describe_image(image)
    assert item["range"] == [pytest.approx(values[0, 5]), 20]
    assert np.isfinite(image.pixels).all()
    assert image.pixels[0, 0, 0] == image.pixels[:, image.valid].min()


def test_the_display_of_a_scan_leaves_out_what_is_masked(tmp_path: Path) -> None:
    values = np.tile(np.linspace(100, 200, 64, dtype=np.float32), (64, 1))
    values[:32] = np.nan
    tifffile.imwrite(tmp_path / "x.tif", values)
    image = read(tmp_path / "x.tif")
    assert image.to_display()[32:].std() > 60, "the window is that of the values, not of half a picture of fill"


@pytest.mark.parametrize(
    ("dtype", "nodata"), [("int16", "-32768"), ("uint8", "0"), ("float64", "-1.7976931348623157e+308")]
)
def test_nodata_of_every_type(dtype: str, nodata: str, tmp_path: Path) -> None:
    values = (np.arange(64).reshape(8, 8) + 1).astype(dtype)
    values[2, 3] = np.array(float(nodata)).astype(dtype)
    tifffile.imwrite(tmp_path / "x.tif", values, photometric="minisblack", extratags=[(42113, "s", 0, nodata, True)])
    image = read(tmp_path / "x.tif")
    assert image.valid is not None
    assert np.argwhere(~image.valid).tolist() == [[2, 3]]
    assert image.pixels.max() <= 64


def test_a_picture_without_any_value_is_refused(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "x.tif", np.full((8, 8), np.nan, np.float32))
    assert isinstance(error(tmp_path / "x.tif"), NoPixels)


# TIFF


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "uint32", "float16", "float32", "float64"])
def test_samples_without_a_range_stay_as_stored(dtype: str, tmp_path: Path) -> None:
    values = (np.arange(64).reshape(8, 8) - (0 if dtype == "uint32" else 32)).astype(dtype)
    tifffile.imwrite(tmp_path / "x.tif", values)
    image = read(tmp_path / "x.tif")
    assert image.unit == "modality"
    np.testing.assert_array_equal(image.pixels[0], values)


def test_complex_samples_and_raw_photographs_are_refused_by_name(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "complex.tif", np.ones((8, 8), np.complex64))
    assert "complex" in str(error(tmp_path / "complex.tif"))
    with tifffile.TiffWriter(tmp_path / "x.dng") as out:
        preview = np.zeros((16, 20, 3), np.uint8)
        out.write(preview, photometric="rgb", subfiletype=1, subifds=1, extratags=[(50706, "B", 4, (1, 4, 0, 0), True)])
        out.write(np.zeros((160, 200), np.uint16), photometric=32803, subfiletype=0, metadata=None)
    refused = error(tmp_path / "x.dng")
    assert isinstance(refused, UnsupportedEncoding)
    assert "DNG" in str(refused)


@pytest.mark.parametrize("is_marked", [True, False])
def test_a_pyramid_is_one_image_at_full_size(is_marked: bool, tmp_path: Path) -> None:
    whole = np.random.default_rng(0).integers(0, 255, (256, 320), np.uint8)
    with tifffile.TiffWriter(tmp_path / "x.tif") as out:
        out.write(whole, tile=(64, 64), photometric="minisblack", metadata=None)
        for step in (2, 4):
            kind = {"subfiletype": 1} if is_marked else {}
            out.write(whole[::step, ::step], tile=(64, 64), photometric="minisblack", metadata=None, **kind)
    image = read(tmp_path / "x.tif")
    np.testing.assert_array_equal(np.rint(image.pixels[0] * 255), whole)
    assert "2 reduced-resolution copies" in notes(image)


def test_the_full_image_behind_a_preview_is_read(tmp_path: Path) -> None:
    whole = np.random.default_rng(0).integers(0, 255, (64, 80), np.uint8)
    with tifffile.TiffWriter(tmp_path / "x.tif") as out:
        out.write(whole[::4, ::4], photometric="minisblack", subfiletype=1, subifds=1, metadata=None)
        out.write(whole, photometric="minisblack", metadata=None)
    assert read(tmp_path / "x.tif").pixels.shape == (1, 64, 80)
    tifffile.imwrite(tmp_path / "only.tif", whole, subfiletype=1, metadata=None)
    assert isinstance(error(tmp_path / "only.tif"), NoPixels)


def test_of_a_whole_slide_the_full_size_is_read_and_its_label_is_not(tmp_path: Path) -> None:
    slide = np.random.default_rng(0).integers(0, 255, (512, 640, 3), np.uint8)
    with tifffile.TiffWriter(tmp_path / "x.svs") as out:
        out.write(slide, tile=(256, 256), photometric="rgb", description="Aperio Image Library v1", metadata=None)
        out.write(slide[::8, ::8], photometric="rgb", description="Aperio thumbnail", metadata=None)
        out.write(slide[::4, ::4], tile=(64, 64), photometric="rgb", description="Aperio level", metadata=None)
        out.write(slide[:100, :100], photometric="rgb", description="Aperio label", subfiletype=1, metadata=None)
    image = read(tmp_path / "x.svs")
    np.testing.assert_array_equal(np.rint(image.pixels * 255), slide.transpose(2, 0, 1))
    assert "label" in notes(image)


def test_a_near_infrared_band_is_no_transparency(tmp_path: Path) -> None:
    bands = np.random.default_rng(0).integers(0, 255, (8, 8, 4), np.uint8)
    for kind in ("unspecified", "unassalpha"):
        tifffile.imwrite(tmp_path / f"{kind}.tif", bands, photometric="rgb", extrasamples=[kind])
    image = read(tmp_path / "unspecified.tif")
    np.testing.assert_array_equal(np.rint(image.pixels * 255), bands[..., :3].transpose(2, 0, 1))
    assert "extra band" in notes(image)
    assert read(tmp_path / "unassalpha.tif").meta["alpha"] == "laid on white"


@pytest.mark.parametrize("kind", ["CMYK", "YCbCr", "YCbCr, LZW", "LAB", "jpeg"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_pages_that_pillow_converts_are_turned_once(kind: str, orientation: int, tmp_path: Path) -> None:
    from oddpixel.datasets.decoding import Decoding
    from oddpixel.datasets.limits import Limits
    from tests.datasets.pictures import UPRIGHT

    colours = np.zeros((16, 24, 3), np.uint8)
    colours[:8, :8], colours[8:, :16] = (250, 20, 20), (20, 200, 40)
    path = tmp_path / "x.tif"
    if kind == "jpeg":
        tags = [(274, "H", 1, orientation, True)]
        tifffile.imwrite(path, colours, photometric="rgb", compression="jpeg", extratags=tags, metadata=None)
    else:
        _converted(Pillow.fromarray(colours), kind).save(
            path, tiffinfo={274: orientation}, compression="tiff_lzw" if "LZW" in kind else None
        )
    expected = UPRIGHT[orientation](colours).transpose(2, 0, 1) / 255
    image = read(path)
    assert image.pixels.shape == expected.shape
    assert np.abs(image.pixels - expected).mean() < 0.06
    assert image.meta.get("orientation_applied", 1) == orientation
    with path.open("rb") as file:
        stored = Decoding(file, "x.tif", Limits(), b"").as_stored()
    assert np.abs(stored.stored / 255 - colours / 255).mean() < 0.06


def _converted(picture: Pillow.Image, kind: str) -> Pillow.Image:
    from PIL import ImageCms

    if kind == "LAB":
        srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
        converted = ImageCms.profileToProfile(picture, srgb, lab, outputMode="LAB")
        assert converted is not None
        converted.info.pop("icc_profile", None)
        return converted
    return picture.convert(kind.partition(",")[0])


def test_palettes_of_8_bits_in_16(tmp_path: Path) -> None:
    indices = np.arange(64, dtype=np.uint8).reshape(8, 8)
    entries = np.stack([np.arange(256)] * 3).astype(np.uint16)
    tifffile.imwrite(tmp_path / "x.tif", indices, photometric="palette", colormap=entries)
    np.testing.assert_array_equal(np.rint(read(tmp_path / "x.tif").pixels[0] * 255), indices)


# PNG and its kin


def test_significant_bits_that_the_samples_contradict_are_ignored(tmp_path: Path) -> None:
    from tests.datasets.writers import _chunk

    values = np.random.default_rng(0).integers(0, 65535, (8, 8), np.uint16)
    file = io.BytesIO()
    Pillow.fromarray(values).save(file, "PNG")
    content = file.getvalue()
    (tmp_path / "x.png").write_bytes(content[:33] + _chunk(b"sBIT", b"\x0a") + content[33:])
    image = read(tmp_path / "x.png")
    assert image.bits == 16
    assert "sBIT" in notes(image)
    np.testing.assert_array_equal(np.rint(image.pixels[0] * 65535), values)


def test_code_points_of_colour_in_a_png(tmp_path: Path, photo: np.ndarray) -> None:
    from tests.datasets.writers import _chunk

    Pillow.fromarray(photo[:32, :48]).save(tmp_path / "x.png")
    content = (tmp_path / "x.png").read_bytes()
    means = {}
    for name, points in (("sRGB", (1, 13)), ("P3", (12, 13)), ("linear", (1, 8))):
        (tmp_path / "x.png").write_bytes(content[:33] + _chunk(b"cICP", bytes([*points, 0, 1])) + content[33:])
        means[name] = read(tmp_path / "x.png").pixels.mean((1, 2))
    np.testing.assert_allclose(means["sRGB"], photo[:32, :48].mean((0, 1)) / 255, atol=1e-5)
    assert np.abs(means["P3"] - means["sRGB"]).max() > 0.005
    assert (means["linear"] > means["sRGB"] + 0.03).all()


def test_a_profile_in_a_bitmap(tmp_path: Path) -> None:
    from tests.datasets.pictures import Case, draw, expected, profile
    from tests.datasets.writers import EIGHT

    case = Case(EIGHT, "rgb", "icc")
    values, embedded = draw(case), profile("rgb")
    height, width = values.shape[:2]
    rows = b"".join(row[:, ::-1].tobytes().ljust(-(-3 * width // 4) * 4, b"\0") for row in values[::-1])
    head = struct.pack("<IiiHHIIiiII", 124, width, height, 1, 24, 0, len(rows), 0, 0, 0, 0) + bytes(16)
    head += b"DEBM" + bytes(48) + struct.pack("<IIII", 4, 124 + len(rows), len(embedded), 0)
    start = 14 + len(head)
    whole = struct.pack("<2sIHHI", b"BM", start + len(rows) + len(embedded), 0, 0, start) + head + rows + embedded
    (tmp_path / "x.bmp").write_bytes(whole)
    assert np.abs(read(tmp_path / "x.bmp").pixels - expected(case, values)[0]).max() < 2.5 / 255


def test_pictures_behind_one_page_are_counted(tmp_path: Path) -> None:
    pictures = np.zeros((5, 16, 16), np.uint8)
    with tifffile.TiffWriter(tmp_path / "x.tif") as out:
        out.write(pictures, photometric="minisblack", truncate=True)
    assert "describes 5 pictures; only its 1 page(s) are read" in notes(read(tmp_path / "x.tif"))


@pytest.mark.parametrize("bits", [2, 4])
def test_grey_of_few_bits_keeps_its_depth(bits: int, tmp_path: Path) -> None:
    levels = (np.arange(64).reshape(8, 8) % 2**bits).astype(np.uint8)
    Pillow.fromarray(levels * (255 // (2**bits - 1))).save(tmp_path / "x.png", bits=bits)
    image = read(tmp_path / "x.png")
    assert image.bits == bits
    np.testing.assert_array_equal(np.rint(image.pixels[0] / image.quantum), levels)


def test_12_bits_in_16_are_no_black_picture(tmp_path: Path) -> None:
    values = (np.arange(64).reshape(8, 8) * 60).astype(np.uint16)
    Pillow.fromarray(values).save(tmp_path / "x.png")
    image = read(tmp_path / "x.png")
    np.testing.assert_array_equal(np.rint(image.pixels[0] * 65535), values)
    assert image.to_display().max() > 200
    assert image.meta["used_bits"] == 12


def test_a_profile_for_other_channels_is_said(tmp_path: Path, photo: np.ndarray) -> None:
    from tests.datasets.pictures import profile

    Pillow.fromarray(photo).save(tmp_path / "x.png", icc_profile=profile("grey"))
    image = read(tmp_path / "x.png")
    assert "colour profile cannot be applied" in notes(image)
    np.testing.assert_array_equal(np.rint(image.pixels * 255), photo.transpose(2, 0, 1))
    Pillow.fromarray(photo).save(tmp_path / "x.jpg", icc_profile=b"no profile at all, but long enough to look at")
    assert "colour profile cannot be applied" in notes(read(tmp_path / "x.jpg"))


def test_an_srgb_profile_changes_no_sample(tmp_path: Path, photo: np.ndarray) -> None:
    from PIL import ImageCms

    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Pillow.fromarray(photo).save(tmp_path / "x.png", icc_profile=srgb)
    image = read(tmp_path / "x.png")
    np.testing.assert_array_equal(np.rint(image.pixels * 255), photo.transpose(2, 0, 1))
    assert "converted_from" not in image.meta


def test_a_transparent_grey_value_of_16_bits(tmp_path: Path) -> None:
    values = np.array([[0, 1000], [2000, 65535]], np.uint16)
    Pillow.fromarray(values).save(tmp_path / "x.png", transparency=1000)
    np.testing.assert_array_equal(np.rint(read(tmp_path / "x.png").pixels[0] * 65535), [[0, 65535], [2000, 65535]])


def test_a_maximum_that_is_no_power_of_two_sets_white_and_the_quantum(tmp_path: Path) -> None:
    values = np.arange(1000, dtype=">u2").reshape(25, 40)
    (tmp_path / "x.pgm").write_bytes(b"P5 40 25 999\n" + values.tobytes())
    image = read(tmp_path / "x.pgm")
    assert image.pixels.max() == 1
    assert image.quantum == pytest.approx(1 / 999)
    (tmp_path / "x.ppm").write_bytes(b"P3\n2 1\n40000\n0 40000 20000  1 2 3\n")
    image = read(tmp_path / "x.ppm")
    np.testing.assert_allclose(image.pixels[:, 0, 0], [0, 1, 0.5])
    assert image.bits == 16


def test_a_float_map_is_read_from_the_bottom_up(tmp_path: Path) -> None:
    (tmp_path / "x.pfm").write_bytes(b"Pf\n1 2\n-1.0\n" + struct.pack("<2f", 5.0, -3.0))
    image = read(tmp_path / "x.pfm")
    assert image.unit == "modality"
    np.testing.assert_array_equal(image.pixels[0], [[-3], [5]])


def test_high_dynamic_range_is_said(tmp_path: Path) -> None:
    values = np.full((16, 16, 3), 500, np.uint16)
    (tmp_path / "x.avif").write_bytes(
        imagecodecs.avif_encode(values, bitspersample=10, primaries=9, transfer=16, matrix=9)
    )
    assert "high dynamic range (PQ)" in notes(read(tmp_path / "x.avif"))


# DICOM


def test_negative_slopes_count_and_zero_slopes_do_not(tmp_path: Path) -> None:
    image = read(make_slice(tmp_path / "a.dcm", RAMP, RescaleSlope=-2, RescaleIntercept=100))
    np.testing.assert_array_equal(image.pixels[0], 100 - 2.0 * RAMP)
    assert image.quantum == 2
    image = read(make_slice(tmp_path / "b.dcm", RAMP, RescaleSlope=0))
    np.testing.assert_array_equal(image.pixels[0], RAMP)
    assert image.unit == "modality"
    assert "as stored" in notes(image)


@pytest.mark.parametrize(
    ("elements", "unit"),
    [
        ({}, "HU"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"]}, "HU"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, "modality"),  # C.8.2.1.1.2
        ({"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"], "RescaleType": "HU"}, "modality"),
        ({"RescaleSlope": None}, "modality"),
        ({"RescaleIntercept": None}, "modality"),
        ({"RescaleType": "US"}, "modality"),
        ({"ImageType": ["DERIVED", "PRIMARY", "AXIAL"]}, "modality"),
        ({"ImageType": ["ORIGINAL", "SECONDARY", "AXIAL"]}, "modality"),
        ({"SOPClassUID": SecondaryCaptureImageStorage}, "modality"),
        ({"Modality": "MR"}, "modality"),
    ],
)
def test_hounsfield_units_only_where_the_file_says_so(elements: dict[str, Any], unit: str, tmp_path: Path) -> None:
    assert read(make_slice(tmp_path / "x.dcm", RAMP, **elements)).unit == unit


@pytest.mark.parametrize(
    ("elements", "may_show_text"),
    [
        ({}, False),
        ({"SOPClassUID": SecondaryCaptureImageStorage}, True),
        ({"SOPClassUID": f"{SecondaryCaptureImageStorage}.4"}, True),
        ({"ImageType": ["DERIVED", "SECONDARY", "SCREEN SAVE"]}, True),
        ({"ConversionType": "WSD"}, True),
        ({"BurnedInAnnotation": "YES"}, True),
        ({"Modality": "US"}, True),
        ({"Modality": "US", "BurnedInAnnotation": "NO"}, False),
        ({"Modality": "MR", "BurnedInAnnotation": "NO"}, False),
    ],
)
def test_pictures_of_a_screen_are_known(elements: dict[str, Any], may_show_text: bool, tmp_path: Path) -> None:
    image = read(make_slice(tmp_path / "x.dcm", RAMP, **elements))
    assert image.may_show_text == may_show_text
    assert ("burned into the pixels" in notes(image)) == may_show_text


@pytest.mark.parametrize(
    ("kind", "vr", "value"), [("int16", "US", 63536), ("int16", "SS", -2000), ("uint16", "SS", -1)]
)
def test_padding_of_either_sign(kind: str, vr: str, value: int, tmp_path: Path) -> None:
    stored = RAMP.astype(kind)
    stored[:2] = value if kind == "int16" and value < 0 else -2000 if kind == "int16" else 65535
    path = make_slice(tmp_path / "x.dcm", stored, RescaleIntercept=0)
    data = pydicom.dcmread(path)
    data.add(pydicom.DataElement(0x00280120, vr, value))
    data.save_as(path)
    image = read(path)
    assert image.valid is not None
    assert not image.valid[:2].any()
    assert image.valid[2:].all()
    assert image.pixels.min() == RAMP[2:].min()


def test_palette_entries_of_8_bits_in_16(tmp_path: Path) -> None:
    indices = np.arange(16, dtype=np.uint8).reshape(4, 4)
    entries = (np.arange(16) * 17).astype("<u2").tobytes()
    tables = {f"{name}PaletteColorLookupTableData": entries for name in ("Red", "Green", "Blue")}
    for declared in (8, 16):
        descriptors = {
            f"{name}PaletteColorLookupTableDescriptor": [16, 0, declared] for name in ("Red", "Green", "Blue")
        }
        image = read(make_slice(
            tmp_path / "x.dcm", indices, PhotometricInterpretation="PALETTE COLOR", Modality="OT", **descriptors, **tables
        ))  # fmt: skip
        np.testing.assert_array_equal(np.rint(image.pixels[0] * 255), indices * 17)


@pytest.mark.parametrize(
    ("keyword", "value"),
    [("PixelSpacing", "0,5\\0,5"), ("WindowCenter", "40,5"), ("NumberOfFrames", "one"), ("SliceThickness", "thin")],
)
def test_a_tag_that_cannot_be_read_costs_the_tag_alone(keyword: str, value: str, tmp_path: Path) -> None:
    path = make_slice(tmp_path / "x.dcm", RAMP, Modality="MR", RescaleIntercept=0)
    data = pydicom.dcmread(path)
    with pydicom.config.disable_value_validation():
        element = pydicom.DataElement(pydicom.datadict.tag_for_keyword(keyword), "LO", value)
        data.add(element)
        path.write_bytes(_with_vr(data, element.tag, path))
    image = read(path)
    np.testing.assert_array_equal(image.pixels[0], RAMP)
    assert keyword in notes(image)


def _with_vr(data: pydicom.Dataset, tag: Any, path: Path) -> bytes:
    """The file with this element's VR as the standard has it: the value was let through as free text."""
    data.save_as(path)
    content, vr = path.read_bytes(), pydicom.datadict.dictionary_VR(tag)
    head = struct.pack("<HH", tag.group, tag.element)
    assert content.count(head + b"LO") == 1
    return content.replace(head + b"LO", head + vr.encode())


def test_without_file_meta_information(tmp_path: Path) -> None:
    path = make_slice(tmp_path / "x.dcm", RAMP, Modality="MR", RescaleIntercept=0)
    data = pydicom.dcmread(path)
    del data.file_meta
    for is_implicit in (True, False):
        file = io.BytesIO()
        pydicom.dcmwrite(file, data, implicit_vr=is_implicit, little_endian=True, enforce_file_format=False)
        bare = file.getvalue()
        (tmp_path / "bare.dcm").write_bytes(bare[132:] if bare[128:132] == b"DICM" else bare)
        image = read(tmp_path / "bare.dcm")
        np.testing.assert_array_equal(image.pixels[0], RAMP)
        assert "file meta information is missing" in notes(image)


def test_most_slices_set_the_geometry_of_a_series(tmp_path: Path) -> None:
    make_stack(tmp_path, [0.0, 5.0, 10.0, 15.0])
    make_slice(
        tmp_path / "00-localizer.dcm", np.full((8, 8), 99, np.int16), InstanceNumber=0,
        ImagePositionPatient=[0.0, 0.0, 7.0], ImageOrientationPatient=[1, 0, 0, 0, 0, -1],
    )  # fmt: skip
    images = list(open_source(tmp_path, sandboxed=False))
    assert [image.pixels[0, 0, 0] + 1024 for image in images] == [0, 1, 2, 3, 99]
    series = images[0].meta["series"]
    assert (series["slice_distance_mm"], series["doubled_positions"], series["other_orientations"]) == (5.0, 0, 1)
    assert "orientation" in images[4].meta["series"]


@pytest.mark.parametrize(
    ("positions", "distance", "missing", "after"),
    [
        ([0.0, 5.0, 15.0], 5.0, 1, [1]),
        ([0.0, 5.0, 15.0, 25.0], 5.0, 2, [1, 2]),
        ([0.0, 2.0, 4.0, 10.0, 12.0], 2.0, 2, [2]),
        ([0.0, 3.0, 6.0, 9.0], 3.0, 0, None),
    ],
)
def test_every_gap_counts(
    positions: list[float], distance: float, missing: int, after: list[int] | None, tmp_path: Path
) -> None:
    make_stack(tmp_path, positions)
    series = next(iter(open_source(tmp_path, sandboxed=False))).meta["series"]
    assert (series["slice_distance_mm"], series["missing_slices"], series.get("gaps_after")) == (
        distance,
        missing,
        after,
    )


# Video, volumes, arrays


def film(path: Path, container: str, frames: int = 30) -> bytes:
    with av.open(path, "w", format=container) as out:
        stream = out.add_stream("mpeg4" if container == "mp4" else "mpeg2video", rate=25)
        stream.width, stream.height, stream.pix_fmt, stream.gop_size = 64, 48, "yuv420p", 1
        for k in range(frames):
            for packet in stream.encode(av.VideoFrame.from_ndarray(np.full((48, 64, 3), 8 * k, np.uint8), "rgb24")):
                out.mux(packet)
        for packet in stream.encode():
            out.mux(packet)
    return path.read_bytes()


def test_a_film_cut_short_says_how_many_frames_were_promised(tmp_path: Path) -> None:
    content = film(tmp_path / "x.mkv", "matroska")
    whole = list(open_source(tmp_path / "x.mkv", sandboxed=False))
    assert "frames_promised" not in whole[0].meta
    (tmp_path / "x.mkv").write_bytes(content[: len(content) // 2])
    images = [image for image in open_source(tmp_path / "x.mkv", sandboxed=False) if isinstance(image, Image)]
    assert 2 < len(images) < 25
    assert images[0].meta["frames_promised"] == 30
    assert "promises 30 frames" in notes(images[0])


@pytest.mark.parametrize("name", ["x.ts", "x.bin"])
def test_a_transport_stream_is_known_by_its_content(name: str, tmp_path: Path) -> None:
    content = film(tmp_path / "made.ts", "mpegts", 12)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / name).write_bytes(content)
    (tmp_path / "in" / "code.ts").write_text("export const answer = 42\n" * 40)
    images = list(open_source(tmp_path / "in", sandboxed=False))
    assert [image.source for image in images] == [f"{name}#{k}" for k in range(12)]


def test_a_nifti_pair_is_one_volume(tmp_path: Path) -> None:
    volume = np.arange(60, dtype=np.int16).reshape(3, 4, 5)
    nibabel.save(nibabel.Nifti1Pair(volume, np.eye(4)), tmp_path / "pair.img")
    nibabel.save(nibabel.Nifti1Image(volume, np.eye(4)), tmp_path / "whole.nii")
    whole = list(open_source(tmp_path / "whole.nii", sandboxed=False))
    for place in (tmp_path / "pair.hdr", tmp_path / "pair.img"):
        images = list(open_source(place, sandboxed=False))
        assert len(images) == 5
        for image, same in zip(images, whole, strict=True):
            np.testing.assert_array_equal(image.pixels, same.pixels)
    (tmp_path / "whole.nii").unlink()
    assert len(list(open_source(tmp_path))) == 5, "in a folder, the two files are one"
    (tmp_path / "pair.img").unlink()
    assert isinstance(error(tmp_path / "pair.hdr"), MissingFile)


def test_a_gzipped_pair_and_a_link_beside_a_header(tmp_path: Path) -> None:
    volume = np.arange(60, dtype=np.int16).reshape(3, 4, 5)
    nibabel.save(nibabel.Nifti1Pair(volume, np.eye(4)), tmp_path / "pair.img.gz")
    headers = [path for path in tmp_path.iterdir() if ".hdr" in path.name]
    assert len(list(open_source(headers[0], sandboxed=False))) == 5
    (tmp_path / "pair.img.gz").rename(tmp_path / "elsewhere")
    (tmp_path / "pair.img.gz").symlink_to(tmp_path / "elsewhere")
    assert isinstance(next(iter(open_source(headers[0], sandboxed=False))), Unreadable), "a link is not followed"


def test_pictures_in_two_axes_and_axes_of_length_one(tmp_path: Path) -> None:
    picture = np.arange(12, dtype=np.float32).reshape(3, 4)
    nibabel.save(nibabel.Nifti1Image(picture, np.eye(4)), tmp_path / "flat.nii")
    nibabel.save(nibabel.Nifti1Image(picture[:, :, None, None, None], np.eye(4)), tmp_path / "deep.nii")
    np.testing.assert_array_equal(read(tmp_path / "flat.nii").pixels, read(tmp_path / "deep.nii").pixels)
    nibabel.save(nibabel.AnalyzeImage(picture[:, :, None], np.eye(4)), tmp_path / "old.img")
    assert "Analyze" in str(error(tmp_path / "old.hdr"))


def test_a_truncated_pair_is_refused(tmp_path: Path) -> None:
    nibabel.save(nibabel.Nifti1Pair(np.zeros((3, 4, 5), np.int16), np.eye(4)), tmp_path / "pair.img")
    (tmp_path / "pair.img").write_bytes((tmp_path / "pair.img").read_bytes()[:-7])
    assert isinstance(error(tmp_path / "pair.hdr"), CorruptFile)


def test_pillow_images_of_any_mode_are_what_they_show(photo: np.ndarray) -> None:
    from oddpixel.forensics.detect.normals import images_of

    picture = Pillow.fromarray(photo[:32, :48])
    shown = photo[:32, :48].transpose(2, 0, 1) / 255
    for mode, tolerance in (("RGB", 1e-6), ("P", 0.2), ("RGBA", 1e-6), ("CMYK", 0.01), ("YCbCr", 0.02)):
        (image,) = images_of([picture.convert(mode)])
        assert isinstance(image, Image)
        assert np.abs(image.pixels - shown).mean() < tolerance, mode
    turned = picture.copy()
    turned.getexif()[0x0112] = 6
    (image,) = images_of([turned])
    assert image.pixels.shape == (3, 48, 32)
    for dtype in (np.uint32, np.int64, np.int16, bool, np.complex64):
        with pytest.raises(UsageError, match=str(np.dtype(dtype))):
            list(images_of([np.zeros((8, 8), dtype)]))


def test_a_jpeg_xl_header_is_read_before_its_pixels() -> None:
    from oddpixel.datasets.jpegxl_header import read_header

    for shape in ((300, 17), (8, 8), (64, 96, 3), (1000, 2000, 4)):
        content = bytes(imagecodecs.jpegxl_encode(np.zeros(shape, np.uint8), lossless=True))
        about = read_header(content[content.index(b"\xff\x0a") :][:4096])
        assert (about.height, about.width, about.bits) == (*shape[:2], 8)
        assert about.has_alpha == (shape[2:] == (4,))
    with pytest.raises(CorruptFile):
        read_header(b"\xff\x0a\x00")


def test_a_png_that_is_damaged_before_its_pixels_is_an_error_row(tmp_path: Path) -> None:
    file = io.BytesIO()
    Pillow.fromarray(RAMP).save(file, "PNG")
    content = bytearray(file.getvalue())
    content[33:37] = struct.pack(">I", 2**31)
    (tmp_path / "x.png").write_bytes(bytes(content))
    assert zlib.crc32(bytes(content)) != zlib.crc32(file.getvalue())
    assert isinstance(next(iter(open_source(tmp_path / "x.png"))), Unreadable)


@pytest.mark.parametrize("first", [1, 5, 20])
def test_a_jpeg_xl_whose_codestream_comes_in_parts(first: int, tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (20, 24, 3), np.uint8)
    stream = bytes(imagecodecs.jpegxl_encode(picture, lossless=True, usecontainer=False))

    def box(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", 8 + len(content)) + name + content

    parts = [(0, stream[:first]), (1 | 1 << 31, stream[first:])]
    content = b"\0\0\0\x0cJXL \r\n\x87\n" + box(b"ftyp", b"jxl \0\0\0\0jxl ")
    content += b"".join(box(b"jxlp", struct.pack(">I", number) + part) for number, part in parts)
    (tmp_path / "x.jxl").write_bytes(content)
    np.testing.assert_allclose(read(tmp_path / "x.jxl").pixels * 255, picture.transpose(2, 0, 1), atol=1e-3)
