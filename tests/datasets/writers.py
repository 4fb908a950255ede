"""Writers of every container at hand, and what each can hold: depths, profiles, orientations, transparency, sequences, metadata.

What a writer declares is what the round trip tests, and what the table in docs/formats.md says.
"""

from __future__ import annotations

import gzip
import io
import struct
import tempfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import imagecodecs
import nibabel
import numpy as np
import tifffile
from PIL import Image as Pillow

from oddpixel.datasets import jpegxl_header
from tests.datasets.dicom_maker import make_slice
from tests.datasets.pictures import FLOAT32, INT16, NOTHING, UINT16, UINT32, Case, Depth, display, profile

ALL = tuple(range(1, 9))
MAKER = "Round Trip"  # the camera's make, which metadata must say
EIGHT, TWELVE, SIXTEEN = display(8), display(12), display(16)


@dataclass(frozen=True)
class Writer:
    """Writes pictures in one container.

    Arguments:
        name: of the container, as the table has it.
        write: a case and its values, as bytes.
        exact: whether it is lossless; else `tolerance` on 0..1.
        sequence: several pictures (`[n, h, w]` or `[n, h, w, 3]` of 8 bits), as bytes; None where it holds one.
        metadata: a key of `Image.meta` or `spacing_mm`, and its value; for the case that `marked` writes.
    """

    name: str
    suffix: str
    write: Callable[[Case, np.ndarray], bytes]
    depths: tuple[Depth, ...] = (EIGHT,)
    colours: tuple[str, ...] = ("grey", "rgb")
    profiles: tuple[str, ...] = ("none",)
    orientations: tuple[int, ...] = (1,)
    alphas: tuple[str, ...] = ("none",)
    nothing: tuple[str, ...] = ("none",)
    tolerance: float = 0.0
    sequence: Callable[[np.ndarray], bytes] | None = None
    sequence_is: str = "-"
    metadata: dict[str, Any] = field(default_factory=dict)
    not_with: Callable[[Case], bool] = lambda case: False

    def cases(self) -> Iterator[Case]:
        """Every combination; orientations in full, other things with them at 1 and 6."""
        for depth in self.depths:
            for colour in self.colours:
                for shown in self.profiles:
                    for alpha in self.alphas:
                        for nothing in self.nothing:
                            for orientation in self.orientations:
                                case = Case(depth, colour, shown, orientation, alpha, nothing)  # type: ignore[arg-type]
                                if not self.not_with(case) and _makes_sense(case):
                                    yield case


def _makes_sense(case: Case) -> bool:
    if case.depth.unit == "modality":
        is_plain = case.profile == "none" and case.alpha == "none"
        return is_plain and (case.nothing in ("none", *NOTHINGS[case.depth.dtype]))
    return case.nothing == "none"


NOTHINGS = {"float32": ("nan", "infinite", "nodata"), "int16": ("nodata", "padding"), "uint16": (), "uint32": ()}


def exif(orientation: int) -> Any:
    tags = Pillow.Exif()
    tags[0x0112], tags[0x010F] = orientation, MAKER
    return tags


def _through_pillow(case: Case, values: np.ndarray, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    if case.profile == "icc":
        options["icc_profile"] = profile(case.colour)
    Pillow.fromarray(values).save(file, kind, exif=exif(case.orientation), **options)
    return file.getvalue()


def _frames(kind: str, **options: Any) -> Callable[[np.ndarray], bytes]:
    def write(pictures: np.ndarray) -> bytes:
        file = io.BytesIO()
        first, *others = (Pillow.fromarray(picture) for picture in pictures)
        first.save(file, kind, save_all=True, append_images=others, **options)
        return file.getvalue()

    return write


# PNG


def png(case: Case, values: np.ndarray) -> bytes:
    if case.depth.bits == 1:
        return _through_pillow(case, values.astype(bool), "PNG")
    chunks = []
    if case.depth.name == "12 (sBIT)":  # scaled over 16 bits, as the specification asks
        values = np.rint(values * (65535 / 4095)).astype(np.uint16)
    if case.depth.bits == 12:
        chunks.append((b"sBIT", bytes([12] * (1 if values.ndim == 2 else values.shape[2]))))
    if case.depth.name == "12 (sBIT, low)" and case.alpha != "none":
        values = values.copy()
        values[..., -1] <<= 4  # alpha has no significant bits of its own
    if case.profile == "icc":
        chunks.append((b"iCCP", b"wide\0\0" + zlib.compress(profile(case.colour))))
    chunks.append((b"eXIf", exif(case.orientation).tobytes()[6:]))
    content = bytes(imagecodecs.png_encode(values))
    head, rest = content[:33], content[33:]  # signature and IHDR
    return head + b"".join(_chunk(*parts) for parts in chunks) + rest


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


# TIFF


def tiff(case: Case, values: np.ndarray) -> bytes:
    file = io.BytesIO()
    extra = {"none": None, "straight": ["unassalpha"], "premultiplied": ["assocalpha"]}[case.alpha]
    tags: list[Any] = [(274, "H", 1, case.orientation, True), (271, "s", 0, MAKER, True)]
    if case.nothing == "nodata":
        tags.append((42113, "s", 0, str(NOTHING), True))
    if case.depth.bits == 12:
        tags.append(
            (281, "H", 1 if values.ndim == 2 else values.shape[2], [4095] * (1 if values.ndim == 2 else 3), True)
        )
    tifffile.imwrite(
        file,
        values.astype(bool) if case.depth.bits == 1 else values,
        photometric="rgb" if case.colour == "rgb" else "minisblack",
        extrasamples=extra,
        iccprofile=profile(case.colour) if case.profile == "icc" else None,
        extratags=tags,
        metadata=None,
        planarconfig="contig" if values.ndim == 3 else None,
        compression="deflate",
    )
    return file.getvalue()


def tiff_pages(pictures: np.ndarray) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, pictures, photometric="minisblack" if pictures.ndim == 3 else "rgb")
    return file.getvalue()


# Netpbm


def netpbm(case: Case, values: np.ndarray) -> bytes:
    height, width = values.shape[:2]
    if case.depth.bits == 1:
        return f"P4 {width} {height}\n".encode() + np.packbits(values == 0, axis=1).tobytes()
    deep = values.astype(">u2") if case.depth.bits > 8 else values
    if case.alpha == "none":
        return f"P{5 if values.ndim == 2 else 6} {width} {height} {case.depth.highest}\n".encode() + deep.tobytes()
    kind = "GRAYSCALE_ALPHA" if values.shape[2] == 2 else "RGB_ALPHA"
    head = f"P7\nWIDTH {width}\nHEIGHT {height}\nDEPTH {values.shape[2]}\nMAXVAL {case.depth.highest}\nTUPLTYPE {kind}\nENDHDR\n"
    return head.encode() + deep.tobytes()


# AVIF, JPEG XL, JPEG 2000


def avif(case: Case, values: np.ndarray) -> bytes:
    if case.depth.bits == 8:
        return _through_pillow(case, values, "AVIF", quality=100, subsampling="4:4:4")
    return bytes(imagecodecs.avif_encode(values, level=100, bitspersample=case.depth.bits, pixelformat=_chroma(values)))


def _chroma(values: np.ndarray) -> str:
    return "400" if values.ndim == 2 else "444"


def jpegxl(case: Case, values: np.ndarray) -> bytes:
    """imagecodecs declares linear light for samples of more than 8 bits."""
    content = bytes(imagecodecs.jpegxl_encode(values, lossless=True, bitspersample=case.depth.bits))
    return content if case.orientation == 1 else _oriented_jpegxl(content, case.orientation)


def _oriented_jpegxl(content: bytes, orientation: int) -> bytes:
    """Its header with an orientation put in (ISO/IEC 18181-1, D.3.1); frames begin at the next whole byte."""
    bits = jpegxl_header._Bits(content[2:])

    def place() -> int:
        return 8 * len(content[2:]) - bits.left

    jpegxl_header._size(bits)
    assert not bits.flag(), "not all at its default"
    extra = place()
    assert not bits.flag(), "no extra fields yet"
    jpegxl_header._bit_depth(bits)
    bits.read(1)
    for _ in range(bits.choice((0, 0), (1, 0), (2, 4), (1, 12))):
        jpegxl_header._extra_channel(bits)
    bits.read(1)
    jpegxl_header._colour_encoding(bits)
    tone = place()
    assert bits.read(2) == 0, "no extensions"
    bits.read(1)
    end = place()
    whole = int.from_bytes(content[2:], "little")

    def part(first: int, last: int) -> tuple[int, int]:
        return (whole >> first) & ((1 << (last - first)) - 1), last - first

    fields = [part(0, extra), (1, 1), (orientation - 1, 3), (0, 3), part(extra + 1, tone), (1, 1), part(tone, end)]
    header, length = 0, 0
    for value, size in fields:
        header |= value << length
        length += size
    return content[:2] + header.to_bytes(-(-length // 8), "little") + content[2 + -(-end // 8) :]


def jpegxl_frames(pictures: np.ndarray) -> bytes:
    return bytes(imagecodecs.jpegxl_encode(pictures, lossless=True, photometric="rgb"))


def jpeg2000(case: Case, values: np.ndarray) -> bytes:
    content = bytes(
        imagecodecs.jpeg2k_encode(values, 0, codecformat="jp2", reversible=True, bitspersample=case.depth.bits)
    )
    added = b""
    if case.profile == "icc":
        added += _box(b"colr", b"\2\0\0" + profile(case.colour))
    if case.alpha != "none":
        channels = values.shape[2]
        kinds = [(k, 0, k + 1) for k in range(channels - 1)] + [(channels - 1, 1 if case.alpha == "straight" else 2, 0)]
        added += _box(
            b"cdef", struct.pack(">H", channels) + b"".join(struct.pack(">HHH", *definition) for definition in kinds)
        )
    return _in_header(content, added, replace_colour=case.profile == "icc")


def _box(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content) + 8) + name + content


def _in_header(content: bytes, added: bytes, *, replace_colour: bool) -> bytes:
    """Boxes put into `jp2h`; its enumerated colour space taken out where a profile takes its place."""
    start = content.index(b"jp2h") - 4
    (size,) = struct.unpack(">I", content[start : start + 4])
    inner = content[start + 8 : start + size]
    if replace_colour:
        colour = inner.index(b"colr") - 4
        (length,) = struct.unpack(">I", inner[colour : colour + 4])
        inner = inner[:colour] + inner[colour + length :]
    return content[:start] + _box(b"jp2h", inner + added) + content[start + size :]


# DICOM, NIfTI


def dicom(case: Case, values: np.ndarray) -> bytes:
    elements: dict[str, Any] = {"BitsStored": case.depth.bits, "HighBit": case.depth.bits - 1, "Manufacturer": MAKER}
    if case.colour == "rgb":
        elements |= {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB", "PlanarConfiguration": 0}
        elements |= {
            "Rows": values.shape[0],
            "Columns": values.shape[1],
            "RescaleSlope": None,
            "RescaleIntercept": None,
        }
        elements |= {"Modality": "OP"}
    else:
        elements |= {"Modality": "MR", "RescaleSlope": 1, "RescaleIntercept": 0}
    if case.profile == "icc":
        elements["ICCProfile"] = profile("rgb")
    if case.nothing == "padding":
        elements["PixelPaddingValue"] = NOTHING
    with tempfile.TemporaryDirectory() as folder:
        return make_slice(Path(folder) / "x.dcm", values, **elements).read_bytes()


def dicom_frames(pictures: np.ndarray) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        return make_slice(
            Path(folder) / "x.dcm", pictures, NumberOfFrames=len(pictures), Modality="MR", RescaleIntercept=0
        ).read_bytes()


def nifti(case: Case, values: np.ndarray) -> bytes:
    """Rows to posterior and columns to the left, as the reader shows them: stored the other way round."""
    image = nibabel.Nifti1Image(values[::-1, ::-1].T[..., None], np.diag([0.75, 0.5, 3.0, 1.0]))
    return gzip.compress(image.to_bytes())


def nifti_slices(pictures: np.ndarray) -> bytes:
    return bytes(nibabel.Nifti1Image(pictures[:, ::-1, ::-1].transpose(2, 1, 0), np.eye(4)).to_bytes())


# Video

# a, b, c, d of ISO/IEC 14496-12, 6.2.2: x' = a x + c y, y' = b x + d y.
MATRICES = {
    1: (1, 0, 0, 1), 2: (-1, 0, 0, 1), 3: (-1, 0, 0, -1), 4: (1, 0, 0, -1),
    5: (0, 1, 1, 0), 6: (0, 1, -1, 0), 7: (0, -1, -1, 0), 8: (0, -1, 1, 0),
}  # fmt: skip


def mp4(case: Case, values: np.ndarray) -> bytes:
    content = _film([values], "mp4", "ffv1", "bgr0" if case.colour == "rgb" else "gray", "rgb24", {"strict": "-2"})
    place = content.index(b"tkhd") + 44  # its matrix, in a box of version 0
    a, b, c, d = MATRICES[case.orientation]
    matrix = struct.pack(">9i", a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30)
    return content[:place] + matrix + content[place + 36 :]


def matroska(case: Case, values: np.ndarray) -> bytes:
    if case.colour == "rgb":
        return _film([values], "matroska", "ffv1", "bgr0", "rgb24")
    deep = {8: "gray", 10: "gray10le", 12: "gray12le", 16: "gray16le"}[case.depth.bits]
    return _film([values], "matroska", "ffv1", deep, deep)


def film(container: str, codec: str, pixels: str) -> Callable[[np.ndarray], bytes]:
    return lambda pictures: _film(list(pictures), container, codec, pixels, "gray" if pictures.ndim == 3 else "rgb24")


def _film(
    pictures: list[np.ndarray],
    container: str,
    codec: str,
    pixels: str,
    pixel_format: str,
    options: dict[str, str] | None = None,
) -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format=container, options=options or {}) as out:
        stream = out.add_stream(codec, rate=10)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = pixels
        pixel_format = "gray" if pictures[0].ndim == 2 and pixel_format == "rgb24" else pixel_format
        for picture in pictures:
            for packet in stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), pixel_format)):
                out.mux(packet)
        for packet in stream.encode():
            out.mux(packet)
    return file.getvalue()


PHOTOGRAPH = {"make": MAKER}
WRITERS = (
    Writer(
        "PNG", ".png", png, (display(1), EIGHT, display(12, "12 (sBIT)"), display(12, "12 (sBIT, low)"), SIXTEEN),
        profiles=("none", "icc"), orientations=ALL, alphas=("none", "straight"), metadata=PHOTOGRAPH,
        sequence=_frames("PNG"), sequence_is="frames (8 bits)",
        not_with=lambda case: case.depth.bits == 1 and (case.colour, case.profile, case.alpha) != ("grey", "none", "none"),
    ),
    Writer(
        "JPEG", ".jpg", lambda case, values: _through_pillow(case, values, "JPEG", quality=98, subsampling=0),
        profiles=("none", "icc"), orientations=ALL, tolerance=5 / 255, metadata=PHOTOGRAPH,
    ),
    Writer(
        "WebP", ".webp", lambda case, values: _through_pillow(case, values, "WEBP", lossless=True, exact=True),
        colours=("rgb",), profiles=("none", "icc"), orientations=ALL, alphas=("none", "straight"), metadata=PHOTOGRAPH,
        sequence=_frames("WEBP", lossless=True), sequence_is="frames",
    ),
    Writer("BMP", ".bmp", lambda case, values: _through_pillow(case, values, "BMP")),
    Writer(
        "GIF", ".gif", lambda case, values: _through_pillow(case, values, "GIF"), colours=("grey",),
        sequence=_frames("GIF"), sequence_is="frames",
    ),
    Writer(
        "TIFF", ".tif", tiff, (display(1), EIGHT, display(12, "12 (MaxSampleValue)"), SIXTEEN, INT16, UINT32, FLOAT32),
        profiles=("none", "icc"), orientations=ALL, alphas=("none", "straight", "premultiplied"),
        nothing=("none", "nan", "infinite", "nodata"), metadata=PHOTOGRAPH, sequence=tiff_pages, sequence_is="pages",
        not_with=lambda case: (
            (case.depth.bits == 1 and (case.colour, case.profile, case.alpha) != ("grey", "none", "none"))
            or (case.depth.bits == 12 and case.alpha != "none")
        ),
    ),
    Writer(
        "PBM, PGM, PPM, PAM", ".pnm", netpbm, (display(1), EIGHT, display(10), TWELVE, SIXTEEN), alphas=("none", "straight"),
        not_with=lambda case: case.depth.bits == 1 and (case.colour, case.alpha) != ("grey", "none"),
    ),
    Writer(
        "AVIF", ".avif", avif, (EIGHT, display(10), TWELVE), profiles=("none", "icc"), orientations=ALL,
        alphas=("none", "straight"), tolerance=4 / 255, metadata=PHOTOGRAPH, sequence=_frames("AVIF", quality=100),
        sequence_is="frames",
        not_with=lambda case: (
            (case.depth.bits > 8 and (case.profile != "none" or case.orientation != 1))
            or (case.colour == "grey" and (case.alpha != "none" or case.profile != "none"))
        ),
    ),
    Writer(
        "JPEG XL", ".jxl", jpegxl, (EIGHT, display(10), SIXTEEN), profiles=("none", "linear"), alphas=("none", "straight"),
        orientations=ALL, sequence=jpegxl_frames, sequence_is="frames",
        not_with=lambda case: (
            (case.depth.bits > 8) != (case.profile == "linear") or (case.orientation != 1 and case.depth.bits > 8)
        ),
    ),
    Writer(
        "JPEG 2000", ".jp2", jpeg2000, (EIGHT, TWELVE, SIXTEEN), profiles=("none", "icc"),
        alphas=("none", "straight", "premultiplied"),
    ),
    Writer(
        "DICOM", ".dcm", dicom, (EIGHT, INT16, UINT16), profiles=("none", "icc"), nothing=("none", "padding"),
        metadata={"manufacturer": MAKER, "spacing_mm": (0.5, 0.75)}, sequence=dicom_frames, sequence_is="frames",
        not_with=lambda case: (case.depth.unit == "display") != (case.colour == "rgb"),
    ),
    Writer(
        "NIfTI", ".nii.gz", nifti, (INT16, UINT16, FLOAT32), colours=("grey",), nothing=("none", "nan", "infinite"),
        metadata={"spacing_mm": (0.5, 0.75)}, sequence=nifti_slices, sequence_is="slices, times",
    ),
    Writer(
        "MP4, MOV", ".mp4", mp4, orientations=ALL, sequence=film("mp4", "mpeg4", "yuv420p"), sequence_is="frames",
    ),
    Writer(
        "Matroska, WebM", ".mkv", matroska, (EIGHT, display(10), TWELVE, SIXTEEN),
        sequence=film("matroska", "ffv1", "bgr0"), sequence_is="frames",
        not_with=lambda case: case.depth.bits > 8 and case.colour == "rgb",
    ),
)  # fmt: skip
