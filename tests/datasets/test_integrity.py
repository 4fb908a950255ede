"""Damaged picture data never read as a good picture: JPEG, PNG, gzip and TIFF, each damaged where its decoder says nothing."""

from __future__ import annotations

import gzip
import io
import re
import struct
import zlib
from pathlib import Path

import imagecodecs
import nibabel
import numpy as np
import pytest
import tifffile
from PIL import Image as Pillow

from oddpixel import Image, open_source
from oddpixel.datasets.jpeg_integrity import check_jpeg
from oddpixel.errors import CorruptFile, UnsupportedEncoding
from oddpixel.image import Unreadable

NOISE = np.random.default_rng(0).integers(0, 256, (96, 128, 3), np.uint8)
DEEP = np.random.default_rng(0).integers(900, 1100, (64, 64), np.uint16)
END = b"\xff\xd9"


def read(path: Path) -> Image:
    (image,) = open_source(path, sandboxed=False)
    assert isinstance(image, Image), image.error
    return image


def error(path: Path) -> Exception:
    (image,) = open_source(path, sandboxed=False)
    assert isinstance(image, Unreadable), "it reads as a good picture"
    return image.error


def jpeg(**options: object) -> bytes:
    file = io.BytesIO()
    Pillow.fromarray(NOISE).save(file, "JPEG", quality=90, **options)
    return file.getvalue()


JPEGS = {
    "baseline": jpeg(),
    "restart markers": jpeg(restart_marker_rows=2),
    "progressive": jpeg(progressive=True),
    "12 bits": imagecodecs.jpeg_encode(DEEP, level=95, bitspersample=12),
    "lossless": imagecodecs.ljpeg_encode(DEEP, bitspersample=12),
    "lossless black": imagecodecs.ljpeg_encode(np.zeros((64, 64), np.uint16), bitspersample=12),
}


@pytest.mark.parametrize("name", JPEGS)
def test_a_jpeg_cut_short_is_refused(name: str) -> None:
    whole = JPEGS[name]
    assert check_jpeg(whole) == []
    assert check_jpeg(whole[:-2]) == [], "only the end-of-image marker is missing, no sample"
    for share in (0.5, 0.8, 0.95):
        begun = whole[: int(len(whole) * share)].rstrip(b"\xff")
        for ending in (b"", END):
            with pytest.raises(CorruptFile):
                check_jpeg(begun + ending)


@pytest.mark.parametrize("name", JPEGS)
def test_fill_bytes_before_the_end_are_no_damage(name: str) -> None:
    """DCMTK fills odd lengths up with one (T.81, B.1.1.2)."""
    whole = JPEGS[name]
    assert check_jpeg(whole[: whole.rindex(END)] + b"\xff" + END) == []


def test_a_progressive_jpeg_cut_between_scans_is_noted() -> None:
    whole = JPEGS["progressive"]
    scans = [match.start() for match in re.finditer(b"\xff\xda", whole)]
    for begin in scans[1:]:
        (note,) = check_jpeg(whole[:begin] + END)
        assert "coefficients" in note


@pytest.mark.parametrize("name", ["baseline", "12 bits", "lossless"])
def test_a_jpeg_with_more_data_than_its_picture_needs_is_refused(name: str) -> None:
    whole = JPEGS[name][:-2]
    with pytest.raises(CorruptFile):
        check_jpeg(whole + b"\x12\x34\x56\x78" * 4 + END)
    assert check_jpeg(whole + bytes(16) + END) == [], "cameras fill up with zeros"


def test_overwritten_jpeg_data_are_an_error_row(tmp_path: Path) -> None:
    damaged = bytearray(JPEGS["baseline"])
    middle = len(damaged) * 2 // 3
    damaged[middle : middle + 4] = b"\x12\x34\x56\x78"
    (tmp_path / "x.jpg").write_bytes(damaged)
    assert isinstance(error(tmp_path / "x.jpg"), CorruptFile)
    (tmp_path / "whole.jpg").write_bytes(JPEGS["baseline"])
    assert read(tmp_path / "whole.jpg").notes == []


# Metadata about which libjpeg warns first, and then no more: JFIF 3, an unknown Adobe transform, part of a profile.
WARNED_OF = {
    "JFIF": b"\xff\xe0\0\x10JFIF\0\3\0\0\0\1\0\1\0\0",
    "Adobe": b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0\7",
    "profile": b"\xff\xe2\0\x14ICC_PROFILE\0\1\2abcd",
}


@pytest.mark.parametrize("name", WARNED_OF)
def test_damage_is_seen_behind_metadata_that_libjpeg_warns_of(name: str) -> None:
    def with_metadata(stream: bytes | bytearray) -> bytes:
        return bytes(stream[:2] + WARNED_OF[name] + stream[20:])  # instead of Pillow's own JFIF segment

    assert check_jpeg(with_metadata(JPEGS["baseline"])) == []
    damaged = bytearray(JPEGS["restart markers"])
    middle = len(damaged) * 2 // 3
    damaged[middle : middle + 40] = bytes(40)
    with pytest.raises(CorruptFile):
        check_jpeg(with_metadata(damaged))


def test_the_other_pictures_of_an_mpo_are_noted(tmp_path: Path) -> None:
    Pillow.fromarray(NOISE).save(tmp_path / "x.mpo", "MPO", save_all=True, append_images=[Pillow.fromarray(NOISE)])
    assert "1 further picture(s)" in "; ".join(read(tmp_path / "x.mpo").notes)


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png(rows: bytes, depth: int = 8, interlace: int = 0) -> bytes:
    header = struct.pack(">IIBBBBB", 20, 16, depth, 0, 0, 0, interlace)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


# Bytes of 20 x 16 pixels: a filter byte a row; by Adam7 rows of 3, 2, 5, 5, 10, 10 and 20 pixels.
ROWS = {
    (8, 0): 16 * 21,
    (16, 0): 16 * 41,
    (1, 0): 16 * 4,
    (8, 1): 2 * 4 + 2 * 3 + 2 * 6 + 4 * 6 + 4 * 11 + 8 * 11 + 8 * 21,
}


@pytest.mark.parametrize(("depth", "interlace"), ROWS)
def test_a_png_with_rows_missing_is_refused(depth: int, interlace: int, tmp_path: Path) -> None:
    whole = ROWS[depth, interlace]
    (tmp_path / "whole.png").write_bytes(png(bytes(whole), depth, interlace))
    assert read(tmp_path / "whole.png").notes == []
    (tmp_path / "x.png").write_bytes(png(bytes(whole - 1), depth, interlace))
    assert "missing" in str(error(tmp_path / "x.png"))
    (tmp_path / "more.png").write_bytes(png(bytes(whole + 21), depth, interlace))
    assert "more picture data" in "; ".join(read(tmp_path / "more.png").notes)


def test_a_wrong_checksum_of_png_data_is_refused(tmp_path: Path) -> None:
    content = bytearray(png(NOISE[:16, :21, 0].tobytes()))
    content[content.index(b"IDAT") + 4 + 60] ^= 0x01
    (tmp_path / "x.png").write_bytes(content)
    assert "checksum" in str(error(tmp_path / "x.png"))


def test_a_damaged_frame_of_an_animated_png_is_refused(tmp_path: Path) -> None:
    frames = [Pillow.fromarray(NOISE), Pillow.fromarray(NOISE[::-1].copy())]
    frames[0].save(tmp_path / "x.png", save_all=True, append_images=frames[1:])
    assert all(isinstance(image, Image) for image in open_source(tmp_path / "x.png", sandboxed=False))
    content = bytearray((tmp_path / "x.png").read_bytes())
    content[content.index(b"fdAT") + 500] ^= 0x01
    (tmp_path / "x.png").write_bytes(content)
    assert any(isinstance(image, Unreadable) for image in open_source(tmp_path / "x.png", sandboxed=False))


def test_the_checksum_of_a_gzipped_volume_is_verified(tmp_path: Path) -> None:
    nibabel.save(nibabel.Nifti1Image(np.arange(480, dtype=np.int16).reshape(20, 24, 1), np.eye(4)), tmp_path / "a.nii")
    content = (tmp_path / "a.nii").read_bytes()
    stored = bytearray(gzip.compress(content, compresslevel=0))  # not deflated, so that no code breaks
    stored[-200] ^= 0x40
    (tmp_path / "x.nii.gz").write_bytes(stored)
    assert "CRC" in str(error(tmp_path / "x.nii.gz"))


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
def test_a_transparent_grey_of_every_depth_is_laid_on_white(depth: int, tmp_path: Path) -> None:
    grey = np.random.default_rng(0).integers(0, 2**depth, (16, 24), np.uint8)
    key = 0 if depth == 1 else 2
    bits = (grey[..., None] >> np.arange(depth - 1, -1, -1)) & 1
    rows = b"".join(b"\0" + np.packbits(row).tobytes() for row in bits.reshape(16, -1))
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 24, 16, depth, 0, 0, 0, 0))
    content = (
        header + chunk(b"tRNS", struct.pack(">H", key)) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    )
    (tmp_path / "x.png").write_bytes(b"\x89PNG\r\n\x1a\n" + content)
    expected = np.where(grey == key, 1, grey / (2**depth - 1))
    np.testing.assert_allclose(read(tmp_path / "x.png").pixels[0], expected, atol=1e-4)


LAYOUTS: dict[str, dict[str, object]] = {"strips": {"rowsperstrip": 16}, "tiles": {"tile": (32, 32)}}


def tiff(path: Path, layout: str, segment: int, **tags: int) -> Path:
    """The file with offset or count of one segment overwritten."""
    with tifffile.TiffFile(path) as file:
        places = {name: file.pages[0].tags[name] for name in (f"{layout}Offsets", f"{layout}ByteCounts")}  # type: ignore[union-attr]
    with path.open("r+b") as out:
        for name, value in tags.items():
            tag = places[f"{layout}{name}"]
            width = {3: 2, 4: 4}[int(tag.dtype)]
            out.seek(tag.valueoffset + width * segment)
            out.write(value.to_bytes(width, "little"))
    return path


@pytest.mark.parametrize("compression", [None, "zlib", "jpeg"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_a_sparse_tiff_leaves_out_is_masked_and_noted(
    layout: str, compression: str | None, tmp_path: Path
) -> None:
    path = tmp_path / "x.tif"
    tifffile.imwrite(path, NOISE[..., 0], photometric="minisblack", compression=compression, **LAYOUTS[layout])  # type: ignore[arg-type]
    assert read(path).valid is None
    image = read(tiff(path, "Strip" if layout == "strips" else "Tile", 2, Offsets=0, ByteCounts=0))
    masked = np.zeros((96, 128), bool)
    masked[(slice(32, 48), slice(None)) if layout == "strips" else (slice(0, 32), slice(64, 96))] = True
    assert image.valid is not None
    np.testing.assert_array_equal(~image.valid, masked)
    assert f"{layout} are not in the file" in "; ".join(image.notes)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("photometric", ["minisblack", "rgb", "ycbcr"])
def test_jpeg_segments_cut_short_are_refused(photometric: str, layout: str, tmp_path: Path) -> None:
    path = tmp_path / "x.tif"
    pixels = NOISE[..., 0] if photometric == "minisblack" else NOISE
    tifffile.imwrite(path, pixels, photometric=photometric, compression="jpeg", **LAYOUTS[layout])  # type: ignore[arg-type]
    assert read(path).notes == []
    with tifffile.TiffFile(path) as file:
        (count, *_) = file.pages[0].databytecounts  # type: ignore[union-attr]
    assert isinstance(
        error(tiff(path, "Strip" if layout == "strips" else "Tile", 0, ByteCounts=count // 2)), CorruptFile
    )


def test_codes_with_headroom_are_refused_by_name(tmp_path: Path) -> None:
    for name, black_white in (("x", (16, 235, 128, 240, 128, 240)), ("whole", (0, 255, 128, 255, 128, 255))):
        ratios = tuple(part for value in black_white for part in (value, 1))
        tags = [(532, "2I", 6, ratios, True)]
        tifffile.imwrite(tmp_path / f"{name}.tif", NOISE, photometric="ycbcr", extratags=tags)
    assert "ReferenceBlackWhite" in str(error(tmp_path / "x.tif"))
    assert isinstance(error(tmp_path / "x.tif"), UnsupportedEncoding)
    assert read(tmp_path / "whole.tif").pixels.shape == (3, 96, 128)


def test_finite_values_beyond_float32_are_named_so(tmp_path: Path) -> None:
    values = np.ones((8, 8))
    values[0, 0], values[0, 1] = 1e300, np.inf
    tifffile.imwrite(tmp_path / "x.tif", values)
    assert read(tmp_path / "x.tif").meta["masked"] == {"infinite": 1, "beyond float32": 1}


def pages(path: Path, num_pages: int, **options: object) -> list[int]:
    """A TIFF of so many pages; where the offset to the next page stands in each."""
    with tifffile.TiffWriter(path, **options) as file:  # type: ignore[arg-type]
        for k in range(num_pages):
            file.write(NOISE[..., k % 3], photometric="minisblack", compression="lzw", metadata=None)
    with tifffile.TiffFile(path) as file:
        size = file.tiff.tagnosize, file.tiff.tagsize
        return [page.offset + size[0] + size[1] * len(page.tags) for page in file.pages]  # type: ignore[union-attr]


@pytest.mark.parametrize("target", ["behind the end", "itself", "the first"])
@pytest.mark.parametrize("options", [{}, {"bigtiff": True}, {"byteorder": ">"}], ids=["classic", "big", "big-endian"])
def test_a_broken_chain_of_tiff_pages_is_noted(target: str, options: dict[str, object], tmp_path: Path) -> None:
    path = tmp_path / "x.tif"
    links = pages(path, 5, **options)
    assert all(not image.notes for image in open_source(path, sandboxed=False))
    with tifffile.TiffFile(path) as file:
        offsets = {"behind the end": 10**7, "itself": file.pages[2].offset, "the first": file.pages[0].offset}
        form = file.tiff.offsetformat
    with path.open("r+b") as out:
        out.seek(links[2])
        out.write(struct.pack(form, offsets[target]))
    images = list(open_source(path, sandboxed=False))
    assert len(images) == 3
    for k, image in enumerate(images):
        np.testing.assert_allclose(image.pixels[0] * 255, NOISE[..., k], atol=1e-3)
        assert "after page 3 the chain of pages leads" in "; ".join(image.notes)


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_every_page_of_a_tiff_cut_short_is_a_row_or_noted(share: float, tmp_path: Path) -> None:
    pages(tmp_path / "x.tif", 6)
    content = (tmp_path / "x.tif").read_bytes()
    (tmp_path / "x.tif").write_bytes(content[: int(len(content) * share)])
    images = list(open_source(tmp_path / "x.tif", sandboxed=False))
    whole = [image for image in images if isinstance(image, Image)]
    assert 0 < len(whole) < 6
    assert len(images) == 6 or all("pages may be missing" in "; ".join(image.notes) for image in whole)


def test_a_tiff_page_that_lists_too_few_strips_is_masked_where_they_lack(tmp_path: Path) -> None:
    path = tmp_path / "x.tif"
    tifffile.imwrite(path, NOISE[..., 0], photometric="minisblack", rowsperstrip=24, metadata=None)
    with tifffile.TiffFile(path) as file:
        tags = [file.pages[0].tags[name] for name in ("StripOffsets", "StripByteCounts")]  # type: ignore[union-attr]
    with path.open("r+b") as out:
        for tag in tags:  # their counts, 4 to 3
            out.seek(tag.offset + 4)
            out.write(struct.pack("<I", 3))
    image = read(path)
    assert image.valid is not None
    assert image.valid[:72].all()
    assert not image.valid[72:].any()
    assert "1 of 4 strips are not in the file" in image.notes


def test_a_tag_that_lies_outside_of_a_tiff_is_noted(tmp_path: Path) -> None:
    path = tmp_path / "x.tif"
    tifffile.imwrite(path, NOISE, photometric="rgb", iccprofile=bytes(range(200)), metadata=None)
    with tifffile.TiffFile(path) as file:
        place = file.pages[0].tags[34675].offset  # type: ignore[union-attr]
    with path.open("r+b") as out:
        out.seek(place + 8)
        out.write(struct.pack("<I", 10**7))
    assert "its decoder reports" in "; ".join(read(path).notes)


COLOURS = {
    "ITULAB": {"photometric": 10},
    "LOGLUV": {"photometric": 32845},
    "77": {"photometric": 77},
    "not declared": {},
}


@pytest.mark.parametrize("name", COLOURS)
def test_colours_of_a_tiff_that_are_not_converted_are_refused_by_name(name: str, tmp_path: Path) -> None:
    path = tmp_path / "x.tif"
    tifffile.imwrite(path, NOISE, photometric="rgb", metadata=None)
    with tifffile.TiffFile(path) as file:
        tag = file.pages[0].tags["PhotometricInterpretation"]  # type: ignore[union-attr]
    with path.open("r+b") as out:
        out.seek(tag.valueoffset if name != "not declared" else tag.offset)
        out.write(struct.pack("<H", COLOURS[name].get("photometric", 261)))
    if name == "not declared":
        assert "photometric interpretation is not declared" in "; ".join(read(path).notes)
    else:
        assert isinstance(error(path), UnsupportedEncoding)
        assert name in str(error(path))


@pytest.mark.parametrize("tag", [(332, "H", 1, 2, True), (336, "B", 2, (255, 0), True)], ids=["InkSet", "DotRange"])
def test_inks_of_a_tiff_other_than_cmyk_are_refused(tag: tuple[object, ...], tmp_path: Path) -> None:
    inks = np.dstack([NOISE, NOISE[..., :1]])
    tifffile.imwrite(tmp_path / "whole.tif", inks, photometric="separated", metadata=None)
    assert read(tmp_path / "whole.tif").pixels.shape == (3, 96, 128)
    tifffile.imwrite(tmp_path / "x.tif", inks, photometric="separated", metadata=None, extratags=[tag])  # type: ignore[list-item]
    assert isinstance(error(tmp_path / "x.tif"), UnsupportedEncoding)


def test_a_palette_with_alpha_is_looked_up(tmp_path: Path) -> None:
    indices, opacity = NOISE[..., 0], np.where(NOISE[..., 1] > 127, 255, 0).astype(np.uint8)
    ramp = np.arange(256, dtype=np.uint16) * 257
    colormap = np.stack([ramp, ramp[::-1], ramp])
    tags = [(320, "H", 768, colormap.ravel().tolist(), True)]
    planes = np.dstack([indices, opacity])
    tifffile.imwrite(
        tmp_path / "x.tif",
        planes,
        photometric="minisblack",
        extrasamples=[2],
        planarconfig="contig",
        metadata=None,
        extratags=tags,
    )
    with tifffile.TiffFile(tmp_path / "x.tif") as file:
        place = file.pages[0].tags["PhotometricInterpretation"].valueoffset  # type: ignore[union-attr]
    with (tmp_path / "x.tif").open("r+b") as out:
        out.seek(place)
        out.write(struct.pack("<H", 3))
    expected = np.where(opacity == 255, np.stack([indices, 255 - indices, indices]) / 255, 1)
    np.testing.assert_allclose(read(tmp_path / "x.tif").pixels, expected, atol=1e-4)


@pytest.mark.parametrize("space", [12, 13, 14, 20, 24, 0, 1])
def test_colour_spaces_of_jpeg_2000_that_are_not_converted_are_refused(space: int, tmp_path: Path) -> None:
    content = bytes(imagecodecs.jpeg2k_encode(NOISE, level=0, codecformat="jp2", mct=False))
    place = content.index(b"colr") + 7
    (tmp_path / "x.jp2").write_bytes(content)
    assert read(tmp_path / "x.jp2").pixels.shape == (3, 96, 128)
    (tmp_path / "x.jp2").write_bytes(content[:place] + struct.pack(">I", space) + content[place + 4 :])
    assert isinstance(error(tmp_path / "x.jp2"), UnsupportedEncoding)


@pytest.mark.parametrize("interlace", [0, 1])
def test_samples_of_an_interlaced_png_are_taken_for_no_filter(interlace: int, tmp_path: Path) -> None:
    rows = bytearray(b"\xff" * ROWS[8, interlace])
    widths = [(16, 20)] if not interlace else [(2, 3), (2, 2), (2, 5), (4, 5), (4, 10), (8, 10), (8, 20)]
    starts = [0]
    for count, width in widths:
        starts += [starts[-1] + (k + 1) * (1 + width) for k in range(count)]
    for start in starts[:-1]:
        rows[start] = 0
    (tmp_path / "x.png").write_bytes(png(bytes(rows), 8, interlace))
    assert read(tmp_path / "x.png").notes == []
    for start in starts[:-1]:
        damaged = bytearray(rows)
        damaged[start] = 7
        (tmp_path / "x.png").write_bytes(png(bytes(damaged), 8, interlace))
        assert "filter 7" in str(error(tmp_path / "x.png"))


def grey_tiff(path: Path, num_strips: int = 1, **tags: int) -> Path:
    """8-bit grey of 64 x 80, with the first value of these tags overwritten."""
    tifffile.imwrite(path, NOISE[:64, :80, 0], photometric="minisblack", rowsperstrip=64 // num_strips, metadata=None)
    content = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as file:
        for name, value in tags.items():
            tag = file.pages.first.tags[name]
            form = {3: "<H", 4: "<I"}[int(tag.dtype)]
            struct.pack_into(form, content, tag.valueoffset, value)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(("photometric", "name"), [(2, "RGB"), (6, "YCBCR")])
def test_one_sample_of_a_colour_of_three_is_refused(photometric: int, name: str, tmp_path: Path) -> None:
    assert read(grey_tiff(tmp_path / "x.tif")).notes == []
    problem = error(grey_tiff(tmp_path / "x.tif", PhotometricInterpretation=photometric))
    assert isinstance(problem, UnsupportedEncoding)
    assert f"the TIFF has 1 sample(s) per pixel, 0 of them extra, but photometric interpretation {name} has" in str(
        problem
    )


def test_three_samples_of_grey_or_of_a_palette_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.tif"
    tifffile.imwrite(path, NOISE, photometric="rgb", metadata=None)
    whole = path.read_bytes()
    with tifffile.TiffFile(path) as file:
        place = file.pages.first.tags["PhotometricInterpretation"].valueoffset
    for photometric in (0, 1, 3):
        path.write_bytes(whole[:place] + struct.pack("<H", photometric) + whole[place + 2 :])
        assert "the TIFF has 3 sample(s) per pixel" in str(error(path))


@pytest.mark.parametrize("declared", [2000, 5040, 5200, 10000])
def test_a_strip_declared_with_another_size_is_noted(declared: int, tmp_path: Path) -> None:
    image = read(grey_tiff(tmp_path / "x.tif", StripByteCounts=declared))
    assert f"declared with {declared} bytes, but its rows need 5120" in str(image.notes)
    np.testing.assert_array_equal(np.rint(image.pixels[0] * 255), NOISE[:64, :80, 0])


def test_a_short_strip_among_others_is_refused(tmp_path: Path) -> None:
    assert read(grey_tiff(tmp_path / "x.tif", num_strips=4)).notes == []
    assert "1200 bytes" in str(error(grey_tiff(tmp_path / "x.tif", num_strips=4, StripByteCounts=1200)))


@pytest.mark.parametrize("tile", [None, (32, 48)])
@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_sizes_of_whole_segments_are_not_noted(tile: tuple[int, int] | None, planar: str, tmp_path: Path) -> None:
    tifffile.imwrite(
        tmp_path / "x.tif", np.moveaxis(NOISE, 2, 0) if planar == "separate" else NOISE, photometric="rgb",
        planarconfig=planar, tile=tile, rowsperstrip=None if tile else 7, metadata=None,
    )  # fmt: skip
    assert read(tmp_path / "x.tif").notes == []
