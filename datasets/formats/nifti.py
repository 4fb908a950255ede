"""NIfTI-1 and NIfTI-2 volumes, plain, gzipped or in two files, as a stack of axial slices: through nibabel.

The volume is turned to the nearest anatomical axes, then shown as radiologists see it: rows run to posterior and
columns to the patient's left (the patient's right is on the left side of the picture), slices run upwards. A fourth
axis (time, direction) counts on: frame = t * num_slices + slice; axes of length 1 say nothing. Unit is `modality`: NIfTI
does not say what was measured, so a CT in HU is not called one. Distances are brought to millimetres.

Of a pair, `NAME.hdr` arrives joined to `NAME.img` (`datasets/pairs.py`).
"""

from __future__ import annotations

import math
import zlib
from typing import Any, BinaryIO, ClassVar, Literal

import numpy as np

from oddpixel.errors import CorruptFile, TooLarge, UnsupportedEncoding

from ..joined import MAGIC, halves
from ..limits import Limits
from ..nifti_stream import GZIP, Stream
from . import Frame, Header

VERSION_1, VERSION_2 = (b"n+1\0", b"ni1\0"), (b"n+2\0", b"ni2\0")
PAIRED = (b"ni1\0", b"ni2\0")
LONGEST_HEADER = 540
ANALYZE_HEADER = (348).to_bytes(4, "little"), (348).to_bytes(4, "big")
MILLIMETRES = {"meter": 1000.0, "mm": 1.0, "micron": 0.001}
UNIT_NOT_DECLARED = "unknown"
SAME_SIDE = 0.01  # voxel sides of header and affine, relative


class Nifti:
    """NIfTI-1 and NIfTI-2 volumes, plain or gzipped, pairs joined into one file."""

    suffixes: ClassVar[dict[str, str]] = {".nii": "NIfTI", ".nii.gz": "NIfTI"}

    def recognise(self, head: bytes) -> str | None:
        """NIfTI by its magic string, also when gzipped; Analyze 7.5 as well, which `open` refuses by name."""
        if head.startswith(GZIP):
            try:
                head = zlib.decompressobj(wbits=31).decompress(head, 512)
            except zlib.error:
                return None
        is_nifti = head[344:348] in VERSION_1 or head[4:8] in VERSION_2 or _is_analyze(head) or head.startswith(MAGIC)
        return "NIfTI" if is_nifti else None

    def open(self, file: BinaryIO, limits: Limits) -> OpenedNifti:
        """Read the whole volume: gzip knows no slices."""
        return OpenedNifti(file, limits)


FORMAT = Nifti


class OpenedNifti:
    """An open NIfTI volume, turned to the nearest anatomical axes."""

    identity = None

    def __init__(self, file: BinaryIO, limits: Limits) -> None:
        from nibabel.orientations import aff2axcodes, apply_orientation, io_orientation

        pair = halves(file)
        first = Stream(file if pair is None else pair[0])
        header, is_paired = _header(first.read(LONGEST_HEADER))
        if is_paired != (pair is not None):
            raise CorruptFile("the header says that its voxels lie in another file (.img), which is not there")
        self.notes: list[str] = []
        voxels = self._voxels(header, first if pair is None else Stream(pair[1]), pair is None, limits)
        affine = header.get_best_affine()
        turned = io_orientation(affine)
        self.stored = apply_orientation(voxels, turned)
        self.scale, self.offset = self._scaling(header)
        sides = self._sides(header, affine)
        self.spacing = [sides[int(axis)] for axis in np.argsort(turned[:, 0])]
        width, height, num_slices = self.stored.shape[:3]
        self.header = Header(
            format="NIfTI",
            width=width,
            height=height,
            frames=math.prod(self.stored.shape[2:]),
            meta={
                "slices": num_slices,
                "slice_spacing_mm": self.spacing[2],
                "dtype": str(voxels.dtype),
                "slope": self.scale,
                "axes": "".join(aff2axcodes(affine)),
                **({"notes": self.notes} if self.notes else {}),
            },
        )

    def frame(self, index: int) -> Frame:
        """One axial slice, in radiological orientation; frames run over slices, then over time."""
        num_slices = self.stored.shape[2]
        volume = self.stored if self.stored.ndim == 3 else self.stored[..., index // num_slices]
        picture = volume[::-1, ::-1, index % num_slices].T
        columns, rows = self.spacing[:2]
        return Frame(
            stored=np.ascontiguousarray(picture),
            scale=self.scale,
            offset=self.offset,
            bits=8 * self.stored.itemsize,
            unit="modality",
            spacing_mm=None if rows is None or columns is None else (rows, columns),
            meta={"slice": index % num_slices},
        )

    def _voxels(self, header: Any, stream: Stream, is_single: bool, limits: Limits) -> np.ndarray:
        """Voxels as the file stores them. Raises: CorruptFile, TooLarge, UnsupportedEncoding."""
        shape, dtype = _axes(header.get_data_shape()), header.get_data_dtype()
        if dtype.kind not in "uif":
            raise UnsupportedEncoding(
                f"NIfTI samples of type {dtype} are not supported; integers and floating-point numbers are"
            )
        limits.check_size(shape[0], shape[1], math.prod(shape[2:]))
        begin = _offset(header, is_single)
        size = math.prod(shape) * dtype.itemsize
        if begin + size > limits.memory_bytes // 3:
            raise TooLarge(
                f"the volume has {size / 2**30:.1f} GiB; a decoder may use {limits.memory_bytes / 2**30:.1f}"
            )
        # What lies between header and voxels may name the patient: it is skipped, like the header's free text.
        content = stream.read_first(begin + size)
        if len(content) < begin + size:
            raise CorruptFile(f"the volume needs {begin + size} bytes, the file holds {len(content)}")
        if int(header["bitpix"]) != 8 * dtype.itemsize:
            self.notes.append(
                f"the header declares {int(header['bitpix'])} bits per voxel, but its type has {8 * dtype.itemsize}"
            )
        if surplus := stream.count_rest(limits.memory_bytes // 3):
            self.notes.append(f"the file holds {surplus} bytes more than its header declares: they are not read")
        return np.frombuffer(content, dtype, math.prod(shape), begin).reshape(shape, order="F")

    def _scaling(self, header: Any) -> tuple[float, float]:
        """Slope and intercept; a slope of 0 means that there is none (nifti1.h)."""
        declared = float(header["scl_slope"])
        if np.isinf(declared):  # some writers put NaN where there is none
            self.notes.append(f"a slope of {declared} cannot be applied: values are as stored")
        slope, intercept = header.get_slope_inter()
        return 1.0 if slope is None else float(slope), 0.0 if intercept is None else float(intercept)

    def _sides(self, header: Any, affine: np.ndarray) -> list[float | None]:
        """Sides of a voxel in mm, by axis of the file; None where the header has no usable length."""
        factor = self._millimetres(header)
        sides = [float(str(side)) for side in (*header.get_zooms(), 1.0, 1.0)[:3]]  # 0.7 of float32 is 0.7
        if int(header["qform_code"]) <= 0 and int(header["sform_code"]) <= 0:
            self.notes.append("the file has no orientation: which side is the patient's left is a guess")
        elif not np.allclose(np.linalg.norm(affine[:3, :3], axis=0), sides, rtol=SAME_SIDE):
            self.notes.append("voxel sides of header and orientation matrix differ: those of the header are used")
        return [side * factor if np.isfinite(side) and side > 0 else None for side in sides]

    def _millimetres(self, header: Any) -> float:
        try:
            unit = header.get_xyzt_units()[0]
        except KeyError:
            unit = UNIT_NOT_DECLARED
            self.notes.append("the unit of length has an unknown code: mm is assumed")
        return MILLIMETRES.get(unit, 1.0)


def _header(content: bytes) -> tuple[Any, bool]:
    """The header, and whether its voxels lie in another file. Raises: UnsupportedEncoding."""
    from nibabel.nifti1 import Nifti1Header
    from nibabel.nifti2 import Nifti2Header

    if content[344:348] not in VERSION_1 and content[4:8] not in VERSION_2:
        raise UnsupportedEncoding(
            "the file is Analyze 7.5, which does not define which side is left; convert it to NIfTI"
        )
    kind: Any = Nifti1Header if content[344:348] in VERSION_1 else Nifti2Header
    return kind(content[: kind.sizeof_hdr], check=False), content[344:348] in PAIRED or content[4:8] in PAIRED


def _offset(header: Any, is_single: bool) -> int:
    """The offset of the voxels: after the header where both are one file. Raises: CorruptFile."""
    declared, lowest = float(header["vox_offset"]), header.sizeof_hdr if is_single else 0
    if not declared.is_integer() or declared < lowest:
        raise CorruptFile(
            f"vox_offset is {declared:g}: voxels cannot begin there, the header has {header.sizeof_hdr} bytes; get the file from "
            "its source again, or set vox_offset to where they begin"
        )
    return int(declared)


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
        raise UnsupportedEncoding(
            f"NIfTI arrays of shape {shape} are not supported; images and volumes have 2 to 4 axes"
        )
    return trimmed


def _is_analyze(head: bytes) -> bool:
    """An Analyze 7.5 header: its own size first, and one to seven axes."""
    order: Literal["little", "big"] = "little" if head[:4] == ANALYZE_HEADER[0] else "big"
    return head[:4] in ANALYZE_HEADER and 1 <= int.from_bytes(head[40:42], order) <= 7
