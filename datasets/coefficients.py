"""The quantised DCT coefficients of a JPEG, as they stand in the file (ITU-T T.81, A.3.4), by libjpeg through jpeglib."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from jaxtyping import Int16, UInt16

from oddpixel.errors import CorruptFile, UnsupportedEncoding

from .limits import Limits


@dataclass(frozen=True, eq=False)
class Coefficients:
    """Quantised DCT coefficients of a JPEG's luminance, or of its only component.

    Arguments:
        blocks: quantised values, rows of blocks by columns of blocks, row frequency by column frequency.
        table: by which they were divided.
    """

    blocks: Int16[np.ndarray, "rows columns 8 8"]
    table: UInt16[np.ndarray, "8 8"]


def read_coefficients(file: BinaryIO, limits: Limits) -> Coefficients:
    """Read the quantised luminance coefficients of a JPEG.

    Writes no file, so it can run where none can be written. Raises: UnreadableInput.
    """
    try:
        import jpeglib
        from jpeglib._bind import CJpegLib
    except ImportError as error:
        raise UnsupportedEncoding("reading JPEG coefficients needs the package jpeglib") from error

    path = f"/proc/self/fd/{file.fileno()}"
    file.seek(0)
    try:
        header = jpeglib.read_dct(path)
        limits.check_size(header.width, header.height)
        # `header.load()` would write the file's bytes to a temporary file first.
        parts = [header._alloc_dct_component(k) for k in range(header.num_components)]
        tables, numbers = ((ctypes.c_ushort * 64) * 4)(), (ctypes.c_short * 4)()
        names = ("Y", "Cb", "Cr", "K")
        buffers: dict[str, Any] = dict.fromkeys(names) | dict(zip(names, parts, strict=False))
        CJpegLib.read_jpeg_dct(path=path, srcfile=path, **buffers, qt=tables, quant_tbl_no=numbers)
    except (OSError, ValueError, RuntimeError, AttributeError, IndexError) as error:
        raise CorruptFile(f"the JPEG's coefficients cannot be read: {error}") from error
    blocks = np.ctypeslib.as_array(parts[0])
    table = np.ctypeslib.as_array(tables)[max(numbers[0], 0) % 4].reshape(8, 8)
    return Coefficients(blocks.reshape(*blocks.shape[:2], 8, 8), table.astype(np.uint16))
