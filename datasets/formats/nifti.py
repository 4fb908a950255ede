"""NIfTI-1 and NIfTI-2 volumes, plain, gzipped or in two files, as a stack of axial slices: through nibabel.

The volume is turned to the nearest anatomical axes, then shown as radiologists see it: rows run to posterior and
columns to the patient's left (the patient's right is on the left side of the picture), slices run upwards. A fourth
axis (time, direction) counts on: frame = t * num_slices + slice; axes of length 1 say nothing. Unit is `modality`: NIfTI
does not say what was measured, so a CT in HU is not called one.

Of a pair, `NAME.hdr` arrives joined to the voxels of `NAME.img` (`datasets/pairs.py`).
"""

from __future__ import annotations

import gzip
import math
import zlib
from typing import Any, BinaryIO, ClassVar, Literal

import numpy as np

from oddpixel.errors import CorruptFile, TooLarge, UnsupportedEncoding

from ..limits import Limits
from . import Frame, Header

VERSION_1, VERSION_2 = (b"n+1\0", b"ni1\0"), (b"n+2\0", b"ni2\0")
PAIRED = (b"ni1\0", b"ni2\0")
BLOCK = 2**20
ANALYZE_HEADER = (348).to_bytes(4, "little"), (348).to_bytes(4, "big")


class Nifti:
    suffixes: ClassVar[dict[str, str]] = {".nii": "NIfTI", ".nii.gz": "NIfTI"}

    def recognise(self, head: bytes) -> str | None:
        if head[:2] == b"\x1f\x8b":
            try:
                head = zlib.decompressobj(wbits=31).decompress(head, 512)
            except zlib.error:
                return None
        return "NIfTI" if head[344:348] in VERSION_1 or head[4:8] in VERSION_2 or _is_analyze(head) else None

    def open(self, file: BinaryIO, limits: Limits) -> OpenedNifti:
        return OpenedNifti(file, limits)


FORMAT = Nifti


class OpenedNifti:
    identity = None

    def __init__(self, file: BinaryIO, limits: Limits) -> None:
        from nibabel.nifti1 import Nifti1Header
        from nibabel.nifti2 import Nifti2Header
        from nibabel.orientations import aff2axcodes, apply_orientation, io_orientation

        start = file.read(2)
        file.seek(0)
        stream: Any = gzip.GzipFile(fileobj=file) if start == b"\x1f\x8b" else file
        content = stream.read(540)
        if content[344:348] not in VERSION_1 and content[4:8] not in VERSION_2:
            raise UnsupportedEncoding(
                "an Analyze 7.5 header, which does not say which side is the left; convert it to NIfTI"
            )
        kind = Nifti1Header if content[344:348] in VERSION_1 else Nifti2Header
        about: Any = kind(content[: kind.sizeof_hdr], check=False)
        shape, dtype = _axes(about.get_data_shape()), about.get_data_dtype()
        if dtype.kind not in "uif":
            raise UnsupportedEncoding(f"NIfTI samples of type {dtype}; whole and real numbers are read")
        limits.check_size(shape[0], shape[1], math.prod(shape[2:]))
        is_paired = content[344:348] in PAIRED or content[4:8] in PAIRED
        begin = int(about.get_data_offset()) + (kind.sizeof_hdr if is_paired else 0)
        size = math.prod(shape) * dtype.itemsize
        if begin + size > limits.memory_bytes // 3:
            raise TooLarge(f"a volume of {size / 2**30:.1f} GiB; a decoder may use {limits.memory_bytes / 2**30:.1f}")
        # What lies between header and voxels may name the patient: it is skipped, like the header's free text.
        content += stream.read(max(begin + size - len(content), 0))
        if len(content) < begin + size:
            raise CorruptFile(f"the volume needs {begin + size} bytes, the file holds {len(content)}")
        _read_to_the_end(stream)
        voxels = np.frombuffer(content, dtype, math.prod(shape), begin).reshape(shape, order="F")
        affine = about.get_best_affine()
        turned = io_orientation(affine)
        self.stored = apply_orientation(voxels, turned)
        slope, intercept = about.get_slope_inter()
        self.scale, self.offset = 1.0 if slope is None else float(slope), 0.0 if intercept is None else float(intercept)
        sides = (*about.get_zooms(), 1.0)[:3]
        self.spacing = [float(sides[int(axis)]) for axis in np.argsort(turned[:, 0])]
        width, height, num_slices = self.stored.shape[:3]
        self.header = Header(
            format="NIfTI",
            width=width,
            height=height,
            frames=math.prod(self.stored.shape[2:]),
            meta={
                "slices": num_slices,
                "slice_spacing_mm": self.spacing[2],
                "dtype": str(dtype),
                "slope": self.scale,
                "axes": "".join(aff2axcodes(affine)),
            },
        )

    def frame(self, index: int) -> Frame:
        num_slices = self.stored.shape[2]
        volume = self.stored if self.stored.ndim == 3 else self.stored[..., index // num_slices]
        picture = volume[::-1, ::-1, index % num_slices].T
        return Frame(
            stored=np.ascontiguousarray(picture),
            scale=self.scale,
            offset=self.offset,
            bits=8 * self.stored.itemsize,
            unit="modality",
            spacing_mm=(self.spacing[1], self.spacing[0]),
            meta={"slice": index % num_slices},
        )


def _read_to_the_end(stream: Any) -> None:
    """gzip checks a member's checksum behind its last byte only. Raises: OSError, EOFError, zlib.error."""
    if isinstance(stream, gzip.GzipFile):
        while stream.read(BLOCK):
            pass


def _axes(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Three or four axes: a picture is a volume of one slice, and trailing axes of length 1 are none.

    Raises: UnsupportedEncoding.
    """
    trimmed = shape
    while len(trimmed) > 3 and trimmed[-1] == 1:
        trimmed = trimmed[:-1]
    if len(trimmed) == 2:
        trimmed = (*trimmed, 1)
    if len(trimmed) not in (3, 4) or min(trimmed) < 1:
        raise UnsupportedEncoding(f"a NIfTI array of shape {shape}; pictures and volumes have 2 to 4 axes")
    return trimmed


def _is_analyze(head: bytes) -> bool:
    """An Analyze 7.5 header: its own size first, and one to seven axes."""
    order: Literal["little", "big"] = "little" if head[:4] == ANALYZE_HEADER[0] else "big"
    return head[:4] in ANALYZE_HEADER and 1 <= int.from_bytes(head[40:42], order) <= 7
